"""Who can reach what: where Hapta listens, which proxies it believes, where superusers may come from."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address
from urllib.parse import urlsplit

from hapta.config import AdminConfig, MetricsConfig, ServerConfig
from hapta.doctor.finding import Finding, fail, ok, warn
from hapta.model.address import Network, parse_networks


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def exposure(server: ServerConfig, admin: AdminConfig, metrics: MetricsConfig) -> Iterator[Finding]:
    """Everything about who can reach what."""
    yield proxies(server)
    yield admin_networks(admin)
    if metrics.enabled and not is_loopback(metrics.host):
        yield warn(
            "metrics address",
            f"{metrics.host}: other machines may be able to read the metrics, there is no login",
            "set metrics.host to 127.0.0.1, or let a firewall admit only Prometheus",
        )


def proxies(server: ServerConfig) -> Finding:
    """Is a proxy in front known, where there seems to be one?"""
    name = "trusted proxies"
    if _covers_everything(server.trusted_proxies):
        return fail(
            name,
            "server.trusted_proxies covers every address: anybody can claim to be anybody",
            "list only the addresses of your own proxies",
        )
    if server.trusted_proxies:
        return ok(name, ", ".join(server.trusted_proxies))
    if not is_loopback(server.host):
        return warn(
            name,
            f"none, and {server.host} can be reached by other machines",
            "if a proxy (nginx, Caddy, a load balancer) stands in front, put its address into "
            "server.trusted_proxies, or all its clients count as one; if none does, all is well",
        )
    if server.public_url and not is_loopback(urlsplit(server.public_url).hostname or ""):
        return warn(
            name,
            f"none, but people reach {server.public_url} through something in front",
            "put its address into server.trusted_proxies (127.0.0.1 for one on this machine), or all clients "
            "count as one and superusers are kept out",
        )
    return ok(name, "none, and only this machine can reach Hapta")


def admin_networks(admin: AdminConfig) -> Finding:
    """Are superusers kept to somewhere?"""
    shown = ", ".join(admin.networks) or "none: superusers cannot work through Hapta"
    if _covers_everything(admin.networks):
        return warn(
            "admin networks",
            f"{shown}: superusers may log in from anywhere, and so may whoever guesses a password",
            "set admin.networks to the addresses administrators really come from",
        )
    return ok("admin networks", shown)


def _covers_everything(texts: Iterable[str]) -> bool:
    """0.0.0.0/0, and whoever writes it as two halves."""
    networks = parse_networks(tuple(texts))
    v4 = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    v6 = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    merged: list[Network] = [*v4, *v6]
    return any(network.prefixlen == 0 for network in merged)
