"""What the feed's tests share: a feed that remembers what it was told, and a proxy that swallows."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx

from hapta.config import FeedConfig, UpstreamConfig
from hapta.feed import Change, ChangeFeed, SchemaWatch, install
from hapta.model.clock import SystemClock
from hapta.upstream.client import UpstreamClient
from hapta.upstream.superuser import Credentials, SuperuserClient
from tests.support.pocketbase import GATEWAY_EMAIL, PASSWORD, PocketBase

SETTLED_S = 0.15
"""After this an event that has not come is taken not to come; it takes a millisecond."""


class Meter:
    """Counts what the feed tells of itself."""

    def __init__(self) -> None:
        self.is_live = False
        self.lags: list[float] = []
        self.gaps: list[str] = []
        self.reconnects = 0
        self.actions: Counter[str] = Counter()

    def feed_live(self, is_live: bool) -> None:
        self.is_live = is_live

    def feed_lag(self, seconds: float) -> None:
        self.lags.append(seconds)

    def feed_gap(self, reason: str) -> None:
        self.gaps.append(reason)

    def feed_reconnected(self) -> None:
        self.reconnects += 1

    def feed_event(self, action: str) -> None:
        self.actions[action] += 1


class Recorded:
    """An event log that remembers names."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fields: list[dict[str, object]] = []

    def debug(self, event: str, **fields: object) -> None:
        self.names.append(event)
        self.fields.append(fields)

    info = warning = error = debug


class Following:
    """A feed on its own client, as the gateway puts it together.

    Attributes:
        changes: what ``on_change`` was told.
        epochs: the epoch at each call of ``on_gap``.
        requests: method and path of each request Hapta made as superuser.
    """

    def __init__(
        self,
        pocketbase: PocketBase,
        url: str,
        *,
        is_local: bool,
        credentials: Credentials | None = None,
        **config: Any,
    ) -> None:
        self.pocketbase = pocketbase
        self.config = FeedConfig(**config)
        self.clock = SystemClock()
        self.meter = Meter()
        self.events = Recorded()
        self.changes: list[Change] = []
        self.epochs: list[int] = []
        self.requests: list[tuple[str, str]] = []
        self.client = UpstreamClient(url, UpstreamConfig(), self.clock)
        self.superuser = SuperuserClient(
            self.client, credentials or Credentials(GATEWAY_EMAIL, PASSWORD), self.clock
        )
        self._count_requests()
        notify_dir = pocketbase.data_dir / ".notify" if is_local else None
        self.schema = SchemaWatch(
            self.superuser, self.config, clock=self.clock, events=self.events, notify_dir=notify_dir
        )
        self.feed = ChangeFeed(
            self.client,
            self.superuser,
            self.schema,
            self.config,
            prepare=lambda: install(self.superuser),
            clock=self.clock,
            meter=self.meter,
            events=self.events,
        )
        self.feed.on_change(self.changes.append)
        self.feed.on_gap(lambda: self.epochs.append(self.feed.epoch))
        self.admin = httpx.AsyncClient(base_url=pocketbase.url, headers=pocketbase.admin.headers, timeout=30)

    def _count_requests(self) -> None:
        exchange = self.superuser._exchange

        async def counted(method: str, path: str, *rest: Any) -> Any:
            self.requests.append((method, path.partition("?")[0]))
            return await exchange(method, path, *rest)

        self.superuser._exchange = counted  # type: ignore[assignment, method-assign]

    async def open(self) -> None:
        await self.client.open()

    async def start(self) -> None:
        await self.feed.start()

    async def stop(self) -> None:
        await self.feed.stop()
        await self.schema.stop()
        await self.client.close()
        await self.admin.aclose()

    async def ask(self, method: str, path: str, json: Any = None, status: int | None = None) -> Any:
        """A request of the test's superuser, straight to PocketBase; the parsed answer."""
        answer = await self.admin.request(method, path, json=json)
        if status is None:
            assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        else:
            assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def write(self, into: str = "posts", **fields: Any) -> str:
        """Create a record; returns its id."""
        made = await self.ask("POST", f"/api/collections/{into}/records", {"title": "x", **fields})
        return str(made["id"])

    def told(self) -> Counter[tuple[str, str]]:
        """Collection and action of each change so far, heartbeats left out."""
        assert self.feed.own is not None
        return Counter(
            (change.collection_name, change.action)
            for change in self.changes
            if change.collection_id != self.feed.own.meta
        )

    def covered(self) -> dict[str, bool]:
        """What the stream in use is subscribed to, and whether with full payloads."""
        stream = self.feed._current
        return {} if stream is None else stream.covered

    async def is_told(self, record: str, within_s: float = 2.0) -> bool:
        """Whether a change of this record comes."""
        return await holds(lambda: any(change.record_id == record for change in self.changes), within_s)

    async def gets_live(self, within_s: float = 8.0) -> None:
        assert await holds(lambda: self.feed.is_live, within_s), f"not live; gaps: {self.meter.gaps}"


async def holds(condition: Callable[[], bool], within_s: float = 3.0) -> bool:
    """Whether ``condition`` becomes true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True


class SwallowingProxy:
    """TCP to ``port`` and back, until it is told to swallow: what is open then stays open and silent, what is
    opened later works."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._swallowed: set[int] = set()
        self._connections = 0

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        assert await holds(lambda: not self._writers)

    def swallow(self) -> None:
        """From now on nothing more comes through what is open."""
        self._swallowed |= set(range(self._connections))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._connections = self._connections, self._connections + 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, up_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(number, reader, up_writer))
                group.create_task(self._pass_on(number, up_reader, writer))
        except* OSError:
            pass
        finally:
            for one in (writer, up_writer):
                one.close()
                with suppress(OSError):
                    await one.wait_closed()
            self._writers -= {writer, up_writer}

    async def _pass_on(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if number not in self._swallowed:
                writer.write(data)
                await writer.drain()
        if number not in self._swallowed and writer.can_write_eof():
            writer.write_eof()
