"""A bare PocketBase without hooks and a Hapta before it, as the isolation test needs them."""

import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.isolation.callers import CLIENT_IP_HEADER, Doors
from tests.isolation.wire import Wire
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, GATEWAY_EMAIL, PASSWORD, PocketBase, binary


def settings() -> dict[str, Any]:
    """Hapta's: no limits, every request its own address, and no hooks that shape answers."""
    return {
        "ratelimit.is_enabled": False,
        "server.trusted_proxies": "127.0.0.0/8",
        "log.access": "errors",
        "cache.pb_hooks": "none",
    }


@contextmanager
def running(
    home: Path, command: Callable[[Hapta], list[str]] | None = None, more: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, str]]:
    """Both servers while the block runs; their addresses, PocketBase's first.

    Args:
        home: an empty folder.
        command: what to run in place of ``hapta serve``.
        more: further settings.
    """
    upstream, own = home / "pocketbase", home / "hapta"
    upstream.mkdir()
    own.mkdir()
    for email in (ADMIN_EMAIL, GATEWAY_EMAIL):
        upsert = [binary(), "superuser", "upsert", email, PASSWORD, f"--dir={upstream / 'pb_data'}"]
        subprocess.run(upsert, cwd=upstream, check=True, capture_output=True)
    pocketbase = PocketBase(upstream)
    try:
        pocketbase.open()
        wanted = {
            "batch": {"enabled": True, "maxRequests": 500, "timeout": 30},
            "trustedProxy": {"headers": [CLIENT_IP_HEADER]},
            "logs": {"maxDays": 0},
        }
        pocketbase.admin.patch("/api/settings", json=wanted).raise_for_status()
        hapta = Hapta(own, pocketbase.url, {**settings(), **(more or {})})
        if command is not None:
            hapta.command = command(hapta)
        try:
            hapta.start(30.0)
            yield pocketbase.url, hapta.url
        finally:
            hapta.stop()
    finally:
        pocketbase.close()


@asynccontextmanager
async def doors(urls: tuple[str, str]) -> AsyncIterator[Doors]:
    """Connections to both."""
    both = Doors(Wire(urls[0]), Wire(urls[1]))
    try:
        yield both
    finally:
        await both.pocketbase.close()
        await both.hapta.close()
