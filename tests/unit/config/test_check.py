"""Rules that a single type cannot say."""

from typing import Any

import msgspec
import pytest

from hapta.config import Config
from hapta.config.check import check


def broken(values: dict[str, Any]) -> list[str]:
    """What is wrong when these dotted keys have these values, as ``key: problem``."""
    tables: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        table, _, name = key.partition(".")
        tables.setdefault(table, {})[name] = value
    return [error.line({}) for error in check(msgspec.convert(tables, Config))]


def test_the_defaults_break_no_rule() -> None:
    assert broken({}) == []


@pytest.mark.parametrize(
    "values",
    [
        {"server.host": "0.0.0.0"},
        {"server.host": "::"},
        {"server.host": "fe80::1%eth0"},
        {"server.host": "my-host.example.org"},
        {"server.trusted_proxies": ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]},
        {"admin.networks": []},
        {"server.public_url": "https://api.example.org"},
        {"server.public_url": "http://[::1]:8080/sub/"},
        {"log.access": "sample:100"},
        {"log.access": "errors"},
        {"log.access": "off"},
        {"server.port": 0, "metrics.port": 0, "upstream.embedded_port": 0},
        {"server.threads": 2},
        {"server.threads": 2, "workers.count": 2},
        {"server.port": 9480, "metrics.enabled": False},
        {"server.port": 9480, "server.host": "192.0.2.7"},
        {"upstream.keepalive_s": 299.9},
        {"server.memory_body_bytes": 5, "server.spool_bytes": 5},
    ],
    ids=str,
)
def test_what_fits_passes(values: dict[str, Any]) -> None:
    assert broken(values) == []


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"server.host": "[::1]"}, "server.host: an IPv6 address stands without brackets here"),
        (
            {"server.host": "127.0.0.1:80"},
            "server.host: the port has its own key; expected an address or a name alone",
        ),
        (
            {"metrics.host": "[::1]:80"},
            "metrics.host: the port has its own key; expected an address or a name alone",
        ),
        ({"server.host": "256.1.1.1"}, 'server.host: expected an IP address or a host name, got "256.1.1.1"'),
        ({"server.host": "http://x"}, 'server.host: expected an IP address or a host name, got "http://x"'),
        ({"server.host": "a b"}, 'server.host: expected an IP address or a host name, got "a b"'),
        (
            {"server.trusted_proxies": ["10.0.0.0/8", "nginx"]},
            'server.trusted_proxies: expected addresses or networks such as 10.0.0.0/8, got "nginx"',
        ),
        (
            {"admin.networks": ["10.1.2.3/8"]},
            'admin.networks: "10.1.2.3/8" names an address within a network; did you mean 10.0.0.0/8?',
        ),
        (
            {"server.public_url": "api.example.org"},
            "server.public_url: expected an address that begins with http:// or https:// and a host",
        ),
        (
            {"server.public_url": "ftp://api.example.org"},
            "server.public_url: expected an address that begins with http:// or https:// and a host",
        ),
        (
            {"server.public_url": "https://"},
            "server.public_url: expected an address that begins with http:// or https:// and a host",
        ),
        (
            {"server.public_url": "https://me:hunter2@x"},
            "server.public_url: must not contain a user name or password",
        ),
        (
            {"server.public_url": "https://x/?a=1"},
            "server.public_url: must not contain a query or a fragment (? or #)",
        ),
        (
            {"server.public_url": "https://x/#"},
            "server.public_url: must not contain a query or a fragment (? or #)",
        ),
        (
            {"server.public_url": "https://x y"},
            "server.public_url: contains white space or control characters",
        ),
        (
            {"server.public_url": "https://x:70000"},
            "server.public_url: is not an address: the port is not a number up to 65535",
        ),
        ({"server.public_url": "https://[::1"}, "server.public_url: is not an address: Invalid IPv6 URL"),
        ({"server.port": 9480}, "metrics.port: 9480 is taken by server.port; choose another"),
        (
            {"server.port": 9480, "server.host": "0.0.0.0"},
            "metrics.port: 9480 is taken by server.port; choose another",
        ),
        (
            {"server.port": 9480, "server.host": "localhost"},
            "metrics.port: 9480 is taken by server.port; choose another",
        ),
        (
            {"upstream.embedded_port": 8080},
            "upstream.embedded_port: 8080 is taken by server.port; choose another",
        ),
        (
            {"upstream.embedded_port": 9480},
            "upstream.embedded_port: 9480 is taken by metrics.port; choose another",
        ),
        (
            {"log.access": "sample:0"},
            'log.access: expected "all", "sample:N" (N >= 1), "errors" or "off", got "sample:0"',
        ),
        (
            {"log.access": "ALL"},
            'log.access: expected "all", "sample:N" (N >= 1), "errors" or "off", got "ALL"',
        ),
        (
            {"upstream.keepalive_s": 300},
            "upstream.keepalive_s: expected a number below 300: "
            "after 300 s PocketBase closes the connection under a request",
        ),
        (
            {"server.threads": 2, "workers.count": 3},
            "server.threads: 2 is not the 3 of workers.count, which means the same; leave one of them out",
        ),
        (
            {"server.spool_bytes": 1000},
            "server.memory_body_bytes: 1048576 is more than server.spool_bytes, which is 1000",
        ),
        (
            {"server.max_connections": 10},
            "server.max_connections_per_address: 512 is more than server.max_connections, which is 10",
        ),
        (
            {"upstream.slow_response_timeout_s": 1.5},
            "upstream.response_timeout_s: 60 is more than upstream.slow_response_timeout_s, which is 1.5",
        ),
        ({"ratelimit.max": 10}, "ratelimit.burst: 200 is more than ratelimit.max, which is 10"),
    ],
)
def test_what_does_not_fit_is_one_line(values: dict[str, Any], line: str) -> None:
    assert broken(values) == [line]
