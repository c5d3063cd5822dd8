"""Hapta as its operator runs it: ``python -m hapta serve``, access log and metrics on."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.pocketbase import EMAIL, PASSWORD, PocketBase
from bench.process import child, free_port, wait_until_ok

_ROOT = Path(__file__).parent.parent
SECRET = "bench-secret-Zk3vQ9xW7uT1bN5mR8cY2pL6"
READY = "/api/hapta/health/ready"


@dataclass(frozen=True, slots=True)
class Hapta:
    """One that is ready."""

    pid: int
    port: int


WITHOUT_CACHE = {"cache.is_enabled": "false"}
"""For what is measured of requests that go to PocketBase."""


@contextmanager
def hapta(
    home: Path,
    upstream: PocketBase | None,
    settings: Mapping[str, object] | None = None,
    *,
    is_pinned: bool = True,
    checkout: Path = _ROOT,
) -> Iterator[Hapta]:
    """Run ``hapta serve`` in ``home``; its access log goes to ``hapta.log`` there.

    Args:
        home: also its state folder.
        upstream: the PocketBase to use; ``None`` for one of its own.
        settings: further configuration keys in dotted form.
        is_pinned: on the servers' core, else where the kernel likes.
        checkout: whose Hapta it is.
    """
    port = free_port()
    chosen: dict[str, object] = {"server.port": port, "metrics.port": free_port()}
    # the limits are asked, and out of reach: all of the load comes from one address
    chosen |= {"ratelimit.max": 1_000_000, "ratelimit.burst": 1_000_000, "ratelimit.duration": 1}
    chosen |= settings or {}
    command = [sys.executable, "-m", "hapta", "serve"]
    for key, value in chosen.items():
        command += ["--set", f"{key}={value}"]
    environment = _environment(upstream, checkout)
    with child("hapta", command, home, environment=environment, is_pinned=is_pinned) as process:
        wait_until_ok(process, port, READY, home / "hapta.log")
        yield Hapta(process.pid, port)


def _environment(upstream: PocketBase | None, checkout: Path) -> dict[str, str]:
    """This one without what would configure Hapta, and with the PocketBase it shall use."""
    names = {"databaseurl", "adminemail", "adminpassword", "admintoken", "secret", "secretprevious"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in names and not name.upper().startswith("HAPTA_")
    }
    kept["PYTHONPATH"] = str(checkout)
    if upstream is not None:
        kept |= {"DatabaseURL": upstream.url, "AdminEmail": EMAIL, "AdminPassword": PASSWORD}
        kept["Secret"] = SECRET
    return kept
