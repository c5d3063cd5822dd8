"""Between Hapta and PocketBase: counts requests, and loses what it is told to lose.

It lives on an event loop in a thread of its own, so that a test may block. Hapta sends one request at a time
on a connection; that is all of HTTP it relies on.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from hapta.workload.framing import RequestFraming

T = TypeVar("T")
_STREAM = "GET /api/realtime"
_BYTES = 65536


class Fate(Enum):
    """What becomes of one request."""

    ANSWER_LOST = auto()
    """PocketBase gets it; when it answers, Hapta's connection is reset instead."""
    ANSWER_WITHHELD = auto()
    """PocketBase gets it; nothing ever comes back."""
    ANSWER_DELAYED = auto()
    """PocketBase answers at once, and Hapta hears of it at :meth:`Relay.release`."""
    HELD = auto()
    """PocketBase gets it only at :meth:`Relay.release`; Hapta's connection is reset at once."""
    DELAYED = auto()
    """PocketBase gets it at :meth:`Relay.release`, and Hapta then its answer."""


class _Leg:
    """One connection of Hapta's and the one to PocketBase that belongs to it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.request = ""
        self.fate: Fate | None = None
        self.is_silent = False


class Relay:
    """A context manager.

    Attributes:
        url: what Hapta is to take for PocketBase.
        requests: method and target of each request, in order.
    """

    def __init__(self, url: str) -> None:
        port = urlsplit(url).port
        assert port is not None
        self._port = port
        self.url = ""
        self.requests: list[str] = []
        self._fates: dict[str, Fate] = {}
        self._legs: set[_Leg] = set()
        self._late: list[bytes] = []
        self._released: asyncio.Event = asyncio.Event()
        self._is_deaf = False
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay")

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *exc: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def count(self, request: str) -> int:
        """How often this method and target came."""
        return tuple(self.requests).count(request)

    def plan(self, request: str, fate: Fate) -> None:
        """Decide about the next request of this method and path."""
        self._released = asyncio.Event()
        self._fates[request] = fate

    def release(self) -> None:
        """Let PocketBase have what was held or delayed; returns when it has answered what was held."""
        self._run(self._release())

    def silence_streams(self, *, new_ones_too: bool) -> None:
        """From now on nothing more comes through the event streams, which stay open."""
        self._is_deaf = new_ones_too
        for leg in tuple(self._legs):
            leg.is_silent |= leg.request.startswith(_STREAM)

    def hear(self) -> None:
        """New event streams work again."""
        self._is_deaf = False

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=15)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _release(self) -> None:
        self._released.set()
        late, self._late = self._late, []
        for request in late:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        leg = _Leg(writer, up_writer)
        self._legs.add(leg)
        upwards = asyncio.ensure_future(self._upwards(leg, reader))
        downwards = asyncio.ensure_future(self._downwards(leg, up_reader))
        try:
            await asyncio.wait((upwards, downwards), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (upwards, downwards):
                task.cancel()
            writer.transport.abort()
            up_writer.close()
            self._legs.discard(leg)

    async def _upwards(self, leg: _Leg, reader: asyncio.StreamReader) -> None:
        framing = RequestFraming(self._noted(leg), lambda _: None, lambda: None)
        held = b""
        with suppress(OSError):
            while data := await reader.read(_BYTES):
                framing.feed(data)
                if leg.fate in (Fate.HELD, Fate.DELAYED):
                    held += data
                    if not _is_whole(held):
                        continue
                    if leg.fate is Fate.HELD:
                        self._late.append(held)
                        return
                    await self._released.wait()
                    data, held, leg.fate = held, b"", None
                if not leg.is_silent:
                    leg.server.write(data)
                    await leg.server.drain()

    async def _downwards(self, leg: _Leg, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(_BYTES):
                if leg.fate is Fate.ANSWER_LOST:
                    return
                if leg.fate is Fate.ANSWER_DELAYED:
                    await self._released.wait()
                if leg.fate is not Fate.ANSWER_WITHHELD and not leg.is_silent:
                    leg.client.write(data)
                    await leg.client.drain()
            if leg.is_silent:
                await asyncio.Event().wait()

    def _noted(self, leg: _Leg) -> Callable[[str, str], None]:
        def on_request(method: str, target: str) -> None:
            self.requests.append(f"{method} {target}")
            leg.request = f"{method} {target.partition('?')[0]}"
            leg.fate = self._fates.pop(leg.request, None)
            leg.is_silent = self._is_deaf and leg.request == _STREAM

        return on_request


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return False
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return not lengths or len(body) >= int(lengths[0].partition(b":")[2])
