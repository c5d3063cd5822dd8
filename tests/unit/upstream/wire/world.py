"""Both clients on connections without a network: what a server says is fed to them piece by piece."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

from multidict import CIMultiDict

from hapta.config import UpstreamConfig
from hapta.model.errors import UpstreamLost
from hapta.upstream.library import LibraryClient
from hapta.upstream.messages import Lane, UpstreamRequest, UpstreamResponse
from hapta.upstream.wire.client import WireClient
from hapta.upstream.wire.connection import WireConnection
from hapta.upstream.wire.pool import WirePool

End = Literal["eof", "reset", "nothing"]


@dataclass(frozen=True)
class Outcome:
    """What a client made of what it was fed.

    Attributes:
        status: 0 where there was no answer.
        body: ``None`` where it broke off.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | None = None


LOST = Outcome(0)


class Line(asyncio.Transport):
    """A connection's far end in the test's hands."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.written = b""
        self.unsent = 0
        self.is_paused = False
        self._is_closing = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def feed(self, data: bytes) -> None:
        if not self._is_closing:
            self.protocol.data_received(data)

    def end(self, how: End) -> None:
        if self._is_closing or how == "nothing":
            return
        self._is_closing = True
        if how == "eof":
            self.protocol.eof_received()
            self.protocol.connection_lost(None)
        else:
            self.protocol.connection_lost(ConnectionResetError("reset"))


class FedPool(WirePool):
    """A pool whose connections are lines of the test's."""

    def __init__(self) -> None:
        super().__init__("h", 80, connect_timeout_s=1, keepalive_s=60)
        self.lines: list[Line] = []
        self.sockets: list[socket.socket] = []

    async def connect(self) -> WireConnection:
        own, far = socket.socketpair()
        own.setblocking(False)
        self.sockets += [own, far]
        connection = WireConnection(
            asyncio.get_running_loop(), own, self._book, on_free=self._free, on_lost=self._lost
        )
        self.lines.append(Line(connection))
        self._open.add(connection)
        return connection

    @property
    def idle(self) -> int:
        """Connections that wait for another request."""
        return len(self._idle)


@asynccontextmanager
async def wire() -> AsyncIterator[tuple[WireClient, FedPool]]:
    """Ours."""
    client = WireClient("http://h", UpstreamConfig(), lambda: None)
    client._pool = pool = FedPool()
    try:
        yield client, pool
    finally:
        await client.close()
        for each in pool.sockets:
            each.close()


@asynccontextmanager
async def library() -> AsyncIterator[tuple[LibraryClient, list[Line]]]:
    """aiohttp's."""
    client = LibraryClient("http://h", UpstreamConfig(), lambda: None)
    lines: list[Line] = []
    await client.open()
    connector = cast("Any", client._sessions[Lane.RECORDS].connector)

    async def create(*_: object) -> asyncio.Protocol:
        protocol = cast("asyncio.Protocol", connector._factory())
        lines.append(Line(protocol))
        return protocol

    connector._create_connection = create
    try:
        yield client, lines
    finally:
        await client.close()


def asks(
    method: str = "GET", body: bytes | AsyncIterator[bytes] | None = None, **fields: str
) -> UpstreamRequest:
    headers = CIMultiDict({"Host": "h", **fields})
    return UpstreamRequest(method, "/api/x", headers, body, Lane.RECORDS, 5.0, 5.0)


async def sent(lines: Sequence[Line], count: int = 1) -> Line:
    """The last of ``count`` lines, once something was written on it."""
    await _until(lambda: len(lines) >= count and lines[count - 1].written != b"")
    return lines[count - 1]


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(100):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing was sent")


async def outcome(response: UpstreamResponse) -> Outcome:
    """An answer, read whole."""
    try:
        body = await response.read()
    except UpstreamLost:
        return Outcome(response.status, tuple(response.headers))
    return Outcome(response.status, tuple(response.headers), body)


async def fed(
    client: WireClient | LibraryClient,
    lines: Sequence[Line],
    request: UpstreamRequest,
    pieces: Sequence[bytes],
    end: End,
) -> Outcome:
    """Ask once; the server says ``pieces``."""

    async def whole() -> Outcome:
        try:
            return await outcome(await client.exchange(request))
        except UpstreamLost:
            return LOST

    before = sum(len(line.written) for line in lines)
    asking = asyncio.ensure_future(whole())
    await _until(lambda: sum(len(line.written) for line in lines) > before)
    line = lines[-1]
    for piece in pieces:
        line.feed(piece)
        await asyncio.sleep(0)
    line.end(end)
    return await asyncio.wait_for(asking, 2)


def of_wire(request: UpstreamRequest, pieces: Sequence[bytes], end: End) -> tuple[Outcome, bool]:
    """What ours makes of it, and whether the connection is kept."""

    async def run() -> tuple[Outcome, bool]:
        async with wire() as (client, pool):
            return await fed(client, pool.lines, request, pieces, end), pool.idle > 0

    return asyncio.run(run())


def of_library(request: UpstreamRequest, pieces: Sequence[bytes], end: End) -> Outcome:
    """What aiohttp's client makes of it."""

    async def run() -> Outcome:
        async with library() as (client, lines):
            return await fed(client, lines, request, pieces, end)

    return asyncio.run(run())
