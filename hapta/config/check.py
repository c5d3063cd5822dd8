"""The rules a single type cannot say: values with a grammar, and values that must fit each other.

Each rule is a function from :class:`~hapta.config.schema.Config` to the errors it finds; a rule between two
keys names both, the one to change first.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address, ip_network
from operator import attrgetter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hapta.config.errors import ConfigError
from hapta.config.rates import parse_rate
from hapta.config.schema import Config, LimitConfig

if TYPE_CHECKING:
    from hapta.config.plugin_tables import UploadsCollectionConfig, UploadsConfig

_ACCESS = re.compile(r"all|errors|off|sample:[1-9][0-9]{0,8}")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_MIME_PATTERN = re.compile(r"[a-z0-9][a-z0-9.+-]*/([a-z0-9][a-z0-9.+-]*|\*)")
_WILDCARDS = {"0.0.0.0", "::"}


def check(config: Config) -> list[ConfigError]:
    """Everything wrong with ``config`` as a whole."""
    return [error for rule in _RULES for error in rule(config)]


def _hosts(config: Config) -> Iterator[ConfigError]:
    for key, host in (("server.host", config.server.host), ("metrics.host", config.metrics.host)):
        if problem := _host_problem(host):
            yield ConfigError((key,), problem)


def _host_problem(host: str) -> str | None:
    bare = host.strip("[]")
    if _is_address(bare):
        return None if bare == host else "an IPv6 address stands without brackets here"
    name, _, port = host.rpartition(":")
    if port.isdecimal() and (_is_address(name.strip("[]")) or _HOST_NAME.fullmatch(name)):
        return "the port has its own key; expected an address or a name alone"
    if not _HOST_NAME.fullmatch(host) or re.fullmatch(r"[0-9.]+", host):
        return f'expected an IP address or a host name, got "{host}"'
    return None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _networks(config: Config) -> Iterator[ConfigError]:
    for key, networks in (
        ("server.trusted_proxies", config.server.trusted_proxies),
        ("admin.networks", config.admin.networks),
    ):
        for network in networks:
            if problem := _network_problem(network):
                yield ConfigError((key,), problem)


def _network_problem(text: str) -> str | None:
    try:
        ip_network(text)
    except ValueError:
        pass
    else:
        return None
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        return f'expected addresses or networks such as 10.0.0.0/8, got "{text}"'
    return f'"{text}" names an address within a network; did you mean {meant}?'


def _public_url(config: Config) -> Iterator[ConfigError]:
    if config.server.public_url and (problem := url_problem(config.server.public_url)):
        yield ConfigError(("server.public_url",), problem)


def url_problem(url: str) -> str | None:
    """Why ``url`` is not a plain http(s) address; never repeats it, since it may hold a password."""
    if any(character.isspace() or not character.isprintable() for character in url):
        return "contains white space or control characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        return f"is not an address: {'the port is not a number up to 65535' if 'ort' in str(exc) else exc}"
    if parts.scheme not in ("http", "https") or not host or port == 0:
        return "expected an address that begins with http:// or https:// and a host"
    if "@" in parts.netloc:
        return "must not contain a user name or password"
    if "?" in url or "#" in url:
        return "must not contain a query or a fragment (? or #)"
    return None


def _tls(config: Config) -> Iterator[ConfigError]:
    server = config.server
    for key, value, other in (
        ("server.tls_key", server.tls_key, "server.tls_cert"),
        ("server.tls_cert", server.tls_cert, "server.tls_key"),
    ):
        if value and not attrgetter(other)(config):
            yield ConfigError((other, key), f"is missing; {key} is of no use without it")


def _ports(config: Config) -> Iterator[ConfigError]:
    """Two listeners on one port; 0 takes any free port, so it never collides."""
    server, metrics, embedded = config.server, config.metrics, config.upstream.embedded_port
    if (
        metrics.enabled
        and metrics.port
        and metrics.port == server.port
        and _overlap(metrics.host, server.host)
    ):
        yield ConfigError(
            ("metrics.port", "server.port"), f"{metrics.port} is taken by server.port; choose another"
        )
    if embedded and embedded == server.port and _overlap("127.0.0.1", server.host):
        yield ConfigError(
            ("upstream.embedded_port", "server.port"), f"{embedded} is taken by server.port; choose another"
        )
    if embedded and metrics.enabled and embedded == metrics.port and _overlap("127.0.0.1", metrics.host):
        yield ConfigError(
            ("upstream.embedded_port", "metrics.port"), f"{embedded} is taken by metrics.port; choose another"
        )


def _overlap(one: str, other: str) -> bool:
    local = {"localhost": "127.0.0.1"}
    hosts = {local.get(one, one), local.get(other, other)}
    return len(hosts) == 1 or bool(hosts & _WILDCARDS)


def _access(config: Config) -> Iterator[ConfigError]:
    if not _ACCESS.fullmatch(config.log.access):
        problem = f'expected "all", "sample:N" (N >= 1), "errors" or "off", got "{config.log.access}"'
        yield ConfigError(("log.access",), problem)


def _keepalive(config: Config) -> Iterator[ConfigError]:
    if config.upstream.keepalive_s >= 300:
        problem = "expected a number below 300: after 300 s PocketBase closes the connection under a request"
        yield ConfigError(("upstream.keepalive_s",), problem)


def _order(config: Config) -> Iterator[ConfigError]:
    server, upstream, ratelimit = config.server, config.upstream, config.ratelimit
    pairs: tuple[tuple[str, float, str, float], ...] = (
        ("server.memory_body_bytes", server.memory_body_bytes, "server.spool_bytes", server.spool_bytes),
        ("server.max_connections_per_address", server.max_connections_per_address,
         "server.max_connections", server.max_connections),
        ("upstream.response_timeout_s", upstream.response_timeout_s,
         "upstream.slow_response_timeout_s", upstream.slow_response_timeout_s),
        ("ratelimit.burst", ratelimit.burst, "ratelimit.max", ratelimit.max),
        ("cache.max_response_bytes", config.cache.max_response_bytes,
         "cache.max_bytes", config.cache.max_bytes),
    )  # fmt: skip
    for small_key, small, large_key, large in pairs:
        if small > large:
            yield ConfigError(
                (small_key, large_key), f"{small:.12g} is more than {large_key}, which is {large:.12g}"
            )


def _limits(config: Config) -> Iterator[ConfigError]:
    for name, limit in config.limits.items():
        for key, problem in _limit_problems(limit):
            yield ConfigError((f"limits.{name}.{key}",), problem)


def _limit_problems(limit: LimitConfig) -> Iterator[tuple[str, str]]:
    if limit.path_prefix and not limit.path_prefix.startswith("/"):
        yield "path_prefix", f'expected a path that begins with /, got "{limit.path_prefix}"'
    for method in limit.methods:
        if not re.fullmatch(r"[A-Z]+", method):
            yield "methods", f'expected methods in capitals, such as "POST", got "{method}"'
    try:
        rate = parse_rate(limit.rate)
    except ValueError as exc:
        yield "rate", str(exc)
        return
    burst = limit.burst or rate.count
    if burst > rate.count:
        yield "burst", f"{burst} is more than the {rate.count} of the rate"
    if limit.cost > burst:
        yield "cost", f"{limit.cost:.12g} is more than the {burst} that may come at once"


def _same_collections(config: Config) -> Iterator[ConfigError]:
    yield from _twice("cache.collections", config.cache.collections)
    yield from _twice("uploads.collections", config.uploads.collections)
    yield from _twice("validate", config.validate)


def _cache(config: Config) -> Iterator[ConfigError]:
    written = config.cache.custom_routes_write
    if "*" in written and len(written) > 1:
        yield ConfigError(("cache.custom_routes_write",), '"*" is all collections; leave out the others')


def _twice(table: str, names: Iterable[str]) -> Iterator[ConfigError]:
    seen: dict[str, str] = {}
    for name in names:
        if earlier := seen.get(name.lower()):
            yield ConfigError((f"{table}.{name}",), f"is the same as {table}.{earlier}")
        seen[name.lower()] = name


def _uploads(config: Config) -> Iterator[ConfigError]:
    uploads = config.uploads
    tables: list[tuple[str, UploadsConfig | UploadsCollectionConfig]] = [("uploads", uploads)]
    tables += [(f"uploads.collections.{name}", own) for name, own in uploads.collections.items()]
    for table, own in tables:
        for key, patterns in (("types", own.types), ("deny", own.deny)):
            for pattern in patterns:
                if not _MIME_PATTERN.fullmatch(pattern):
                    problem = f'expected types such as "image/png" or "image/*", got "{pattern}"'
                    yield ConfigError((f"{table}.{key}",), problem)
        if own.reencode in (True, "yes") and not (uploads.image_max_pixels and uploads.image_max_frames):
            key = "image_max_frames" if uploads.image_max_pixels else "image_max_pixels"
            problem = "0 is any number; making images anew needs a bound"
            yield ConfigError((f"uploads.{key}", f"{table}.reencode"), problem)
            return


def _login(config: Config) -> Iterator[ConfigError]:
    login = config.login
    if login.lock_s > login.max_lock_s:
        yield ConfigError(
            ("login.lock_s", "login.max_lock_s"),
            f"{login.lock_s:.12g} is more than login.max_lock_s, which is {login.max_lock_s:.12g}",
        )


def _workers(config: Config) -> Iterator[ConfigError]:
    threads, count = config.server.threads, config.workers.count
    if threads and count and threads != count:
        problem = (
            f"{threads} is not the {count} of workers.count, which means the same; leave one of them out"
        )
        yield ConfigError(("server.threads", "workers.count"), problem)


_RULES: tuple[Callable[[Config], Iterator[ConfigError]], ...] = (
    _hosts, _networks, _public_url, _tls, _ports, _access, _keepalive, _order, _limits, _login,
    _same_collections, _cache, _uploads, _workers,
)  # fmt: skip
