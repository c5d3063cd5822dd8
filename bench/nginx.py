"""nginx before PocketBase: as a plain reverse proxy, and as a caching one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import tool
from bench.process import child, free_port, wait_until_ok

_CONFIGURATION = """\
{user}worker_processes 1;
daemon off;
pid {home}/nginx.pid;
error_log {home}/nginx-error.log warn;
events {{ worker_connections 8192; use epoll; multi_accept on; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    client_body_temp_path {home}/nginx-body; proxy_temp_path {home}/nginx-proxy;
    fastcgi_temp_path {home}/nginx-fastcgi; uwsgi_temp_path {home}/nginx-uwsgi;
    scgi_temp_path {home}/nginx-scgi;
    upstream pocketbase {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
    {caching}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://pocketbase;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
        }}
    }}
}}
"""
_CACHING = """\
sendfile on;
    tcp_nopush on;
    open_file_cache max=20000 inactive=3600s;
    open_file_cache_valid 3600s;
    proxy_cache_path {home}/nginx-cache levels=1:2 keys_zone=answers:64m max_size=1g inactive=60m
                     use_temp_path=off;
    proxy_cache answers;
    proxy_cache_valid 200 3600s;
    proxy_cache_lock on;
    proxy_ignore_headers Vary Cache-Control Expires Set-Cookie;
    add_header X-Cache $upstream_cache_status;
    proxy_cache_key "{key}";
"""
OF_EACH_CALLER = "$request_uri|$http_authorization"
"""A cache key: whoever sends another Authorization has answers of its own."""

OF_ALL = "$request_uri"
"""A cache key: all callers share what one was answered, which only a public collection bears."""


@dataclass(frozen=True, slots=True)
class Nginx:
    """One that runs."""

    pid: int
    port: int


@contextmanager
def plain_proxy(home: Path, upstream: int) -> Iterator[Nginx]:
    """Run one in ``home`` before the server at port ``upstream``; no cache, no access log."""
    with _nginx(home, upstream, "") as nginx:
        yield nginx


@contextmanager
def caching_proxy(home: Path, upstream: int, key: str) -> Iterator[Nginx]:
    """Run one with ``proxy_cache`` and that cache key; no access log. ``X-Cache`` tells of hits."""
    with _nginx(home, upstream, _CACHING.format(home=home, key=key)) as nginx:
        yield nginx


@contextmanager
def _nginx(home: Path, upstream: int, caching: str) -> Iterator[Nginx]:
    port, path = free_port(), home / "nginx.conf"
    # a worker that gives root up could not enter the temporary folder
    user = "user root;\n" if os.geteuid() == 0 else ""
    text = _CONFIGURATION.format(user=user, home=home, upstream=upstream, port=port, caching=caching)
    path.write_text(text, encoding="utf-8")
    command = [tool("nginx"), "-p", str(home), "-e", str(home / "nginx-error.log"), "-c", str(path)]
    with child("nginx", command, home) as process:
        wait_until_ok(process, port, "/api/health", home / "nginx.log")
        yield Nginx(process.pid, port)
