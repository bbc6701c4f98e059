"""Who a request comes from when proxies stand in front: believed only from those one trusts.

Every proxy appends to ``X-Forwarded-For`` the address that it was called from. Anybody can send
such a header, so it counts only as far as trusted proxies have written it: from the right.
"""

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@lru_cache(maxsize=16)
def networks(text: str) -> tuple[Network, ...]:
    """The addresses and networks of a list with commas; raises ValueError for any other text."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def client_address(peer: str, forwarded: str, *, trusted: tuple[Network, ...]) -> str:
    """The address of the one who asks.

    Args:
        peer: the address that the connection came from.
        forwarded: all ``X-Forwarded-For`` of the request, joined by commas.
        trusted: the proxies that are believed.
    """
    found = _read(peer)
    if found is None or not _within(found, trusted):
        return peer
    for part in reversed(forwarded.split(",")):
        address = _read(part)
        if address is None:
            break
        found = address
        if not _within(address, trusted):
            break
    return str(found)


def _read(text: str) -> Address | None:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        # An IPv4 address with its port, as some proxies write it.
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: Address, trusted: tuple[Network, ...]) -> bool:
    return any(address in network for network in trusted)
