"""Who is at the other end: the client's address, read from the right through our own proxies only.

What a client wrote itself proves nothing: each proxy appends the address it saw, so the chain is read
backwards and reading stops at the first hop that is not one of ours (RFC 7239 §7.4, and every forged
``X-Forwarded-For`` since).
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORWARDING_HEADERS = (
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
    "Fly-Client-IP",
    "X-Client-IP",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
)
"""Headers by which a proxy speaks of the request before it; from anybody but a trusted proxy they are
dropped."""


def parse_address(text: str) -> Address:
    """An address as written in a socket name or a header; IPv4-mapped IPv6 becomes IPv4, a zone is dropped.

    Raises:
        ValueError: not an address.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def holder(address: Address) -> int:
    """What counts as one client where everybody gets a share; an IPv6 client holds a whole /64 (RFC 6177 §2).

    IPv4 keys are below 2**32 and the upper half of a global IPv6 address is above: they never meet.
    """
    return int(address) >> 64 if isinstance(address, IPv6Address) else int(address)


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks in CIDR form; a bare address is a network of one.

    Raises:
        ValueError: one of them is neither.
    """
    return tuple(ip_network(text, strict=False) for text in texts)


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether ``address`` lies in one of ``networks``."""
    return any(address.version == network.version and address in network for network in networks)


def client_address(peer: Address, forwarded_for: str, trusted: Sequence[Network]) -> Address | None:
    """The nearest hop that is not one of our own proxies; ``None`` where our proxies do not say who it is.

    Args:
        peer: the other end of the connection.
        forwarded_for: all ``X-Forwarded-For`` lines joined by commas, as received.
        trusted: ``server.trusted_proxies``.
    """
    address = peer
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    if not hops and is_within(peer, trusted):
        return None
    for hop in reversed(hops):
        if not is_within(address, trusted):
            break
        try:
            address = parse_address(_without_port(hop))
        except ValueError:
            return None
    return address


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def prefix_of(address: Address) -> str:
    """The network an address is remembered by: /24 of IPv4, /48 of IPv6."""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def has_forwarding_headers(headers: Mapping[str, str]) -> bool:
    """Whether somebody before the peer is spoken of."""
    return any(name in headers for name in FORWARDING_HEADERS)
