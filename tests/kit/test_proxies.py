"""Whose address counts when proxies stand in front."""

import pytest

from shanmen.kit.proxies import client_address, networks

TRUSTED = networks("127.0.0.1, 10.0.0.0/8, fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        # Whoever is not trusted may write what they like.
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        # What a visitor put in front of the proxy's own entry is not looked at.
        ("127.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7, junk, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("127.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("fd00::1", "[2001:db8::5]:443", "2001:db8::5"),
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("", "198.51.100.7", ""),
        ("/run/socket", "198.51.100.7", "/run/socket"),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(peer: str, forwarded: str, client: str):
    assert client_address(peer, forwarded, trusted=TRUSTED) == client


@pytest.mark.parametrize("text", ["10.0.0.1/8", "300.1.1.1", "nginx", "10.0.0.0/99"])
def test_what_is_no_network_is_refused(text: str):
    with pytest.raises(ValueError, match=r".+"):
        networks(text)


def test_nobody_is_trusted_unless_named():
    assert networks("") == ()
    assert client_address("127.0.0.1", "198.51.100.7", trusted=()) == "127.0.0.1"
