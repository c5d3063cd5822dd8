"""HAProxy before PocketBase, with its small-object cache. It caches nothing that carries Authorization."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import tool
from bench.process import child, free_port, wait_until_ok

_CONFIGURATION = """\
global
    nbthread 1
    maxconn 4096
    tune.bufsize 32768
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
    option http-keep-alive
    http-reuse always
cache answers
    total-max-size 64
    max-object-size 1000000
    max-age 3600
frontend clients
    bind 127.0.0.1:{port} backlog 4096
    http-request cache-use answers
    http-response del-header Vary
    http-response set-header Cache-Control "public, max-age=3600"
    http-response cache-store answers
    http-after-response set-header X-Cache HIT if {{ res.cache_hit }}
    default_backend pocketbase
backend pocketbase
    server pocketbase 127.0.0.1:{upstream} maxconn 256
"""


@dataclass(frozen=True, slots=True)
class HAProxy:
    """One that runs."""

    pid: int
    port: int


@contextmanager
def haproxy(home: Path, upstream: int) -> Iterator[HAProxy]:
    """Run one in ``home`` before the server at port ``upstream``; no log. ``X-Cache`` tells of hits."""
    port, path = free_port(), home / "haproxy.cfg"
    path.write_text(_CONFIGURATION.format(port=port, upstream=upstream), encoding="utf-8")
    with child("haproxy", [tool("haproxy"), "-db", "-f", str(path)], home) as process:
        wait_until_ok(process, port, "/api/health", home / "haproxy.log")
        yield HAProxy(process.pid, port)
