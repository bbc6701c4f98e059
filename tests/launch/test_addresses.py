"""Where others find this machine, and the certificate that says so."""

from datetime import timedelta

import pytest
from cryptography import x509

from shanmen.kit import clock
from shanmen.launch.addresses import (
    WILDCARDS,
    names,
    network_address,
    own_address,
    public_address,
)
from shanmen.launch.tls import self_signed


def test_a_server_for_the_network_is_found_under_its_address():
    for everywhere in WILDCARDS:
        url = public_address(everywhere, 8000, tls=True)
        assert url == f"https://{network_address()}:8000"
    assert public_address("127.0.0.1", 8000, tls=False) == "http://127.0.0.1:8000"
    assert public_address("::1", 80, tls=False) == "http://[::1]:80"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "https://127.0.0.1:8000"),  # noqa: S104 - nothing listens
        ("::", "https://[::1]:8000"),
        ("192.0.2.7", "https://192.0.2.7:8000"),
        ("tickets.lan", "https://tickets.lan:8000"),
    ],
)
def test_a_server_asks_itself_where_it_listens(host: str, url: str):
    """On one address of several it does not answer on loopback."""
    assert own_address(host, 8000, tls=True) == url


def test_the_certificate_speaks_for_every_name(tmp_path):
    certificate, key = self_signed(tmp_path, host="tickets.lan")
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    alternatives = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    said = {str(name.value) for name in alternatives}
    assert said == set(names("tickets.lan"))
    assert "tickets.lan" in said
    assert key.stat().st_mode & 0o077 == 0


def test_a_certificate_is_kept_until_it_runs_out(tmp_path):
    first, _ = self_signed(tmp_path, host="127.0.0.1")
    before = first.read_bytes()
    self_signed(tmp_path, host="127.0.0.1")
    assert first.read_bytes() == before
    with clock.at(clock.now() + timedelta(days=395)):
        self_signed(tmp_path, host="127.0.0.1")
    assert first.read_bytes() != before
