"""Who takes part: each knows how to start its server before a PocketBase, and what may be asked of it."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from bench import proc
from bench.errors import BenchError
from bench.haproxy import haproxy
from bench.hapta import WITHOUT_CACHE, hapta
from bench.machine import cores, is_there
from bench.nginx import OF_ALL, OF_EACH_CALLER, caching_proxy, plain_proxy
from bench.peers.workloads import Sender, Way, Workload
from bench.pocketbase import PocketBase
from bench.process import wait_until_answered
from bench.varnish import varnish

POCKETBASE, NGINX, VARNISH, HAPROXY, HAPTA = "PocketBase", "nginx", "Varnish", "HAProxy", "Hapta"
_HAPTA_SETTINGS: Final[Mapping[str, object]] = {
    # what an operator says whose PocketBase has no hooks of its own; the embedded one is looked into
    "cache.pb_hooks": "none",
    # no answer is to get too old while it is measured; the peers have the same
    "cache.max_age_s": 3600,
    "server.keepalive_timeout_s": 600,
    "server.max_connections_per_address": 5000,
}
_CACHED: Final = frozenset({Way.HIT, Way.UNCHANGED, Way.COLD, Way.MIXED})


class Server(Protocol):
    """One that runs."""

    @property
    def pid(self) -> int: ...

    @property
    def port(self) -> int: ...


Opener = Callable[[Path, PocketBase], AbstractContextManager[Server]]


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of a workload's table.

    Attributes:
        kind: whose figures its own are: ``nginx`` as well for an nginx without a cache.
        ways: workloads of these it takes part in.
        mark: header and text by which it tells of a hit; ``None`` when it tells nothing.
        has_sessions: those who ask it have logged in at it.
        is_outside: somebody else has started it.
        takes_tokens: its cache is there for requests with Authorization.
        program: what has to be installed for it.
    """

    name: str
    kind: str
    start: Opener
    ways: frozenset[Way]
    mark: tuple[str, str] | None = None
    has_sessions: bool = False
    is_outside: bool = False
    takes_tokens: bool = True
    program: str | None = None

    @property
    def is_there(self) -> bool:
        """Its program is installed."""
        return self.program is None or is_there(self.program)

    def takes(self, workload: Workload) -> bool:
        """Whether it is measured under that workload."""
        return workload.way in self.ways and (self.takes_tokens or workload.sender is Sender.GUEST)


def contenders(
    checkouts: Mapping[str, Path], outside: Mapping[str, str], *, is_quick: bool = False
) -> list[Contender]:
    """All that are measured.

    Args:
        checkouts: other working copies of Hapta, by the name of their row.
        outside: URLs of servers that somebody else has started, by name.
        is_quick: without Varnish and HAProxy.

    Raises:
        BenchError: two would have the same name.
    """
    in_cache = ("X-Cache", "HIT")
    found = [
        Contender(POCKETBASE, POCKETBASE, _itself, frozenset(Way)),
        Contender(NGINX, NGINX, _nginx(OF_EACH_CALLER), _CACHED, in_cache, program="nginx"),
        Contender(
            "nginx, one key for all",
            NGINX,
            _nginx(OF_ALL),
            frozenset({Way.FIRST}),
            in_cache,
            program="nginx",
        ),
        Contender(
            "nginx, no cache",
            NGINX,
            lambda home, upstream: plain_proxy(home, upstream.port),
            frozenset({Way.MISS}),
            program="nginx",
        ),
    ]
    if not is_quick:
        found += [
            Contender(
                VARNISH,
                VARNISH,
                lambda home, upstream: varnish(home, upstream.port),
                _CACHED,
                in_cache,
                program="varnishd",
            ),
            Contender(
                HAPROXY,
                HAPROXY,
                lambda home, upstream: haproxy(home, upstream.port),
                _CACHED,
                in_cache,
                takes_tokens=False,
                program="haproxy",
            ),
        ]
    found += _haptas(HAPTA, None)
    for name, checkout in checkouts.items():
        found += _haptas(name, checkout)
    for name, url in outside.items():
        start = _outside(url)
        found.append(
            Contender(name, name, start, frozenset(Way) - {Way.MISS}, has_sessions=True, is_outside=True)
        )
    names = [contender.name for contender in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BenchError(f"{', '.join(sorted(twice))}: that name is taken")
    return found


def _haptas(name: str, checkout: Path | None) -> Iterator[Contender]:
    """With its cache and without."""
    told = ("Cache-Status", "hapta; hit")
    ways = _CACHED | {Way.FIRST}
    yield Contender(name, name, _hapta(_HAPTA_SETTINGS, checkout), ways, told, has_sessions=True)
    yield Contender(
        f"{name}, no cache",
        name,
        _hapta({**_HAPTA_SETTINGS, **WITHOUT_CACHE}, checkout),
        frozenset({Way.MISS}),
        has_sessions=True,
    )


@contextmanager
def _itself(home: Path, upstream: PocketBase) -> Iterator[Server]:
    """PocketBase runs already."""
    yield upstream


def _nginx(key: str) -> Opener:
    return lambda home, upstream: caching_proxy(home, upstream.port, key)


def _hapta(settings: Mapping[str, object], checkout: Path | None) -> Opener:
    def start(home: Path, upstream: PocketBase) -> AbstractContextManager[Server]:
        if checkout is None:
            return hapta(home, upstream, settings)
        if not (checkout / "hapta" / "__main__.py").exists():
            # Python would go on to the Hapta that is installed, and measure that one twice
            raise BenchError(f"{checkout} is no working copy of Hapta")
        return hapta(home, upstream, settings, checkout=checkout.resolve())

    return start


@dataclass(frozen=True, slots=True)
class _Outside:
    pid: int
    port: int


def _outside(url: str) -> Opener:
    @contextmanager
    def start(home: Path, upstream: PocketBase) -> Iterator[Server]:
        port = urlsplit(url).port
        if port is None:
            raise BenchError(f"{url}: expected http://127.0.0.1:PORT")
        wait_until_answered(port, "/api/health", timeout_s=60.0)
        pid = proc.listener(port)
        if pid is None:
            raise BenchError(f"{url}: no process of this machine listens there")
        for one in proc.tree(pid):
            os.sched_setaffinity(one, {cores().servers})
        yield _Outside(pid, port)

    return start


def forget_log(home: Path) -> None:
    """Empty the access log of a Hapta in ``home``: a minute of hits fills gigabytes."""
    log = home / "hapta.log"
    if log.exists():
        with log.open("r+b") as file:
            file.truncate(0)
