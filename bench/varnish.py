"""Varnish before PocketBase, its answers kept by target and Authorization."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import tool
from bench.process import child, free_port, wait_until_ok

_CONFIGURATION = """\
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{upstream}"; }}
sub vcl_recv {{
    # by itself it caches nothing that carries Authorization
    if (req.method == "GET" || req.method == "HEAD") {{ return (hash); }}
    return (pass);
}}
sub vcl_hash {{
    hash_data(req.url);
    hash_data(req.http.host);
    if (req.http.Authorization) {{ hash_data(req.http.Authorization); }}
    return (lookup);
}}
sub vcl_backend_response {{
    unset beresp.http.Vary;
    set beresp.ttl = 3600s;
    return (deliver);
}}
sub vcl_deliver {{
    if (obj.hits > 0) {{ set resp.http.X-Cache = "HIT"; }} else {{ set resp.http.X-Cache = "MISS"; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Varnish:
    """One that runs; ``pid`` is its manager's, whose child does the work."""

    pid: int
    port: int


@contextmanager
def varnish(home: Path, upstream: int) -> Iterator[Varnish]:
    """Run one in ``home`` before the server at port ``upstream``; nobody reads its log."""
    port, path = free_port(), home / "varnish.vcl"
    path.write_text(_CONFIGURATION.format(upstream=upstream), encoding="utf-8")
    command = [tool("varnishd"), "-F", "-j", "none", "-a", f"127.0.0.1:{port}", "-f", str(path)]
    command += ["-n", str(home / "varnish"), "-s", "malloc,256m"]
    command += ["-p", "thread_pools=1", "-p", "thread_pool_min=80"]
    with child("varnish", command, home) as process:
        wait_until_ok(process, port, "/api/health", home / "varnish.log")
        yield Varnish(process.pid, port)
