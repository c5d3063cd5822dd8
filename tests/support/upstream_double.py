"""A server in PocketBase's place that fails as it is told, byte by byte.

Only failures are imitated: a request is answered by the script its method and path were given with
:meth:`UpstreamDouble.plan`; else what Hapta asks for itself in PocketBase's form, every other one with
``{"ok":true}``. The double lives on an event loop in a thread of its own, so that a test may block.
"""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

from tests.support.own_answers import connected, is_heartbeat, own_answer, told
from tests.support.process import free_port

T = TypeVar("T")
_READ_BYTES = 65536


@dataclass(frozen=True)
class Arrived:
    """One request that arrived completely.

    Attributes:
        headers: by lower-case name; the last of several.
        connection: counts the connections, from 1.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(eq=False)
class _Line:
    """One accepted connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def body(self, headers: dict[str, str]) -> AsyncIterator[bytes]:
        """The pieces of a request body."""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
            return
        left = int(headers.get("content-length", "0"))
        while left:
            piece = await self.reader.read(min(left, _READ_BYTES))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece


class Talk:
    """One request whose head is in, towards a script.

    Attributes:
        received: bytes of the body read so far.
    """

    def __init__(self, double: "UpstreamDouble", line: _Line, head: bytes) -> None:
        self._double = double
        self._line = line
        text, *fields = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = text.split(" ")
        self.headers = {
            name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)
        }
        self.received = 0
        self._is_read = False

    async def whole(self) -> bytes:
        """Read the body; from here on the request counts as arrived."""
        if self._is_read:
            return b""
        self._is_read = True
        body = bytearray()
        async for piece in self._line.body(self.headers):
            self.received += len(piece)
            if len(body) < 1_000_000:
                body += piece
        arrived = Arrived(self.method, self.target, self.headers, bytes(body), self._line.number)
        self._double.arrived.append(arrived)
        return bytes(body)

    async def send(self, data: bytes) -> None:
        self._line.writer.write(data)
        await self._line.writer.drain()

    def close(self) -> None:
        """Close as a server does that is done with a connection."""
        self._line.writer.close()

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        raw = self._line.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._line.writer.transport.abort()

    async def until_gone(self) -> None:
        """Wait until the other side closes."""
        while await self._line.reader.read(_READ_BYTES):
            pass


Script = Callable[[Talk], Awaitable[None]]
Ending = Literal["keep", "close", "reset", "stall"]


def says(*pieces: bytes | float, then: Ending = "keep", reads: bool = True) -> Script:
    """A script that sends ``pieces``, a number being a pause in seconds, and then does ``then``.

    Args:
        pieces: what is sent and how long is waited in between.
        then: keep the connection for the next request, close or reset it, or say nothing more until the
            other side closes.
        reads: the body of the request first; ``False`` leaves it unread.
    """

    async def script(talk: Talk) -> None:
        if reads:
            await talk.whole()
        for piece in pieces:
            if isinstance(piece, bytes):
                await talk.send(piece)
            else:
                await asyncio.sleep(piece)
        if then == "close":
            talk.close()
        elif then == "reset":
            talk.reset()
        elif then == "stall":
            await talk.until_gone()

    return script


def response(
    body: bytes = b'{"ok":true}', status: int = 200, *fields: str, length: int | None = None
) -> bytes:
    """A response with Content-Length, which ``length`` may falsify."""
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *fields]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked_head(content_type: str = "application/json") -> bytes:
    """The head of a chunked answer."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class UpstreamDouble:
    """The server; a context manager.

    Attributes:
        arrived: every request that arrived completely, Hapta's own included.
        connections_made: how many connections were ever accepted.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.arrived: list[Arrived] = []
        self.connections_made = 0
        self._scripts: dict[tuple[str, str], list[Script]] = {}
        self._lines: set[_Line] = set()
        self._streams: set[Talk] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="upstream double")

    def __enter__(self) -> Self:
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, *exc: object) -> None:
        self.die()
        self._run(self._cancel_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def plan(self, method: str, path: str, *scripts: Script) -> None:
        """The next requests of this method and path get ``scripts`` in turn, the last one for ever."""
        self._scripts[method, path] = list(scripts)

    def forget(self) -> None:
        """Drop all plans and everything recorded."""
        self._scripts.clear()
        self.arrived.clear()

    def count(self, method: str, path: str) -> int:
        """How many such requests arrived completely."""
        return sum(a.method == method and a.target.partition("?")[0] == path for a in tuple(self.arrived))

    @property
    def open_connections(self) -> int:
        return len(self._lines)

    def listen(self) -> None:
        """Accept connections."""
        self._run(self._listen())

    def listen_again(self) -> None:
        """Accept connections, if it does not yet."""
        if self._server is None:
            self.listen()

    def refuse(self) -> None:
        """Refuse new connections; those that stand go on."""
        self._run(self._refuse())

    def die(self) -> None:
        """Refuse new connections and reset those that stand, as when the process is killed."""
        self.refuse()
        self._run(self._cut())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cut(self) -> None:
        for line in tuple(self._lines):
            line.writer.transport.abort()

    async def _cancel_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_made += 1
        line = _Line(reader, writer, self.connections_made)
        self._lines.add(line)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                talk = Talk(self, line, head[:-4])
                await self._script(talk)(talk)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the other side is gone, or the test is over
        finally:
            self._lines.discard(line)
            writer.close()

    def _script(self, talk: Talk) -> Script:
        path = talk.target.partition("?")[0]
        scripts = self._scripts.get((talk.method, path))
        if scripts:
            return scripts.pop(0) if len(scripts) > 1 else scripts[0]
        if not talk.headers.get("user-agent", "").startswith("hapta/"):
            return says(response())
        if (talk.method, path) == ("GET", "/api/realtime"):
            return self._stream
        return self._answer_hapta

    async def _stream(self, talk: Talk) -> None:
        await talk.whole()
        await talk.send(chunked_head("text/event-stream") + chunk(connected()))
        self._streams.add(talk)
        try:
            await talk.until_gone()
        finally:
            self._streams.discard(talk)

    async def _answer_hapta(self, talk: Talk) -> None:
        path = talk.target.partition("?")[0]
        status, answer = own_answer(talk.method, path, await talk.whole())
        body = b"" if answer is None else json.dumps(answer).encode()
        await talk.send(response(body, status) if body else b"HTTP/1.1 204 No Content\r\n\r\n")
        if is_heartbeat(talk.method, path):
            for stream in tuple(self._streams):
                await stream.send(chunk(told(path.rpartition("/")[2])))
