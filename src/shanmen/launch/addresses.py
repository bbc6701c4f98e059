"""Under which names and addresses this machine may be reached."""

import socket
from contextlib import suppress

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def network_address() -> str:
    """The address that this machine has in its network; loopback where it has none."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: connecting a datagram socket only asks which address would be used.
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def names(host: str) -> list[str]:
    """Every name and address that a certificate of this machine should speak for."""
    found = {"localhost", "127.0.0.1", socket.gethostname(), network_address()}
    return sorted(found if host in WILDCARDS else found | {host})


def public_address(host: str, port: int, *, tls: bool) -> str:
    """Where others find a server that listens on `host`."""
    return _url(network_address() if host in WILDCARDS else host, port, tls=tls)


def own_address(host: str, port: int, *, tls: bool) -> str:
    """Where this machine finds a server of its own that listens on `host`."""
    return _url({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, tls=tls)  # noqa: S104 - compared, not bound


def _url(host: str, port: int, *, tls: bool) -> str:
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
