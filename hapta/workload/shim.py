"""A transparent relay in front of PocketBase that counts what arrives there.

Each connection is paired with one of its own to PocketBase and every byte is passed on as it comes, so
streams, ranges, resets and half-closes stay what they are; the counting only looks on. It runs as a task in
the process of the driver, so that a counter read between two requests is exact.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self, cast

from hapta.model.errors import BadRequest
from hapta.model.operation import OperationClass, classify
from hapta.model.target import parse_target
from hapta.model.tasks import TaskSet
from hapta.workload.framing import RequestFraming

_RECORDS = frozenset({OperationClass.RECORD_READ, OperationClass.RECORD_WRITE})


@dataclass(slots=True)
class Counts:
    """What has arrived at PocketBase so far.

    Attributes:
        requests: HTTP requests, without realtime streams.
        record_operations: reads and writes of records; a batch counts what it carries.
        file_requests: downloads of files.
        streams: realtime streams opened.
        unreadable: connections that could not be followed to their end; anything but 0 makes the rest too
            low.
        by_class: requests by class of operation.
    """

    requests: int = 0
    record_operations: int = 0
    file_requests: int = 0
    streams: int = 0
    unreadable: int = 0
    by_class: Counter[str] = field(default_factory=Counter)

    def copy(self) -> "Counts":
        return Counts(
            self.requests,
            self.record_operations,
            self.file_requests,
            self.streams,
            self.unreadable,
            Counter(self.by_class),
        )

    def since(self, earlier: "Counts") -> "Counts":
        """What has arrived after ``earlier`` was copied."""
        return Counts(
            self.requests - earlier.requests,
            self.record_operations - earlier.record_operations,
            self.file_requests - earlier.file_requests,
            self.streams - earlier.streams,
            self.unreadable - earlier.unreadable,
            self.by_class - earlier.by_class,
        )

    def request(self, method: str, target: str) -> None:
        """One request has arrived."""
        try:
            operation = classify(method, parse_target(target, "").segments)
        except BadRequest:
            kind, action = OperationClass.UNKNOWN, ""
        else:
            kind, action = operation.kind, operation.action
        if kind is OperationClass.REALTIME_STREAM:
            self.streams += 1
            return
        self.requests += 1
        self.by_class[kind] += 1
        self.file_requests += kind is OperationClass.FILE
        self.record_operations += kind in _RECORDS and action != "batch"

    def batch(self, sub_requests: int) -> None:
        """The body of a batch has arrived."""
        self.record_operations += sub_requests

    def lost(self) -> None:
        """A connection cannot be followed any further."""
        self.unreadable += 1


class _Leg(asyncio.Protocol):
    """One of the two connections of a pair; passes on what it receives to the other."""

    def __init__(self, framing: RequestFraming | None) -> None:
        self._framing = framing
        self.transport: asyncio.Transport | None = None
        self.other: _Leg | None = None
        self.has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if self._framing is not None:
            self._framing.feed(data)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.has_ended = True
        if self.other is None or self.other.transport is None or self.other.has_ended:
            return (
                False  # both directions are done: this leg closes, and its connection_lost closes the other
            )
        self.other.transport.write_eof()
        return True  # the answer may still be on its way back

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is None or self.other.transport is None:
            return
        if exc is None:
            self.other.transport.close()
        else:
            self.other.transport.abort()


class _Arriving(_Leg):
    """The leg towards the client; keeps what comes before PocketBase has taken the connection."""

    def __init__(self, shim: "Shim") -> None:
        counts = shim.counts
        super().__init__(RequestFraming(counts.request, counts.batch, counts.lost))
        self._shim = shim
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._shim.adopt(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.other is None:  # uvloop reads on when a connection is paused as it is made
            self._early += data

    def pair_with(self, onward: _Leg) -> None:
        """PocketBase has taken the connection."""
        self.other = onward
        assert onward.transport is not None
        onward.transport.write(bytes(self._early))
        self._early.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._shim.forget(self)


class Shim:
    """The relay: listens on a port of loopback, leads to PocketBase."""

    def __init__(self, upstream_port: int) -> None:
        self.counts = Counts()
        self._upstream_port = upstream_port
        self._legs: set[_Arriving] = set()
        self._tasks = TaskSet()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> Self:
        """Listen; 0 takes any free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Arriving(self), "127.0.0.1", port)
        return self

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def adopt(self, leg: _Arriving) -> None:
        """Lead a new connection on to PocketBase."""
        self._legs.add(leg)
        self._tasks.spawn(self._connect(leg), name="shim connect")

    def forget(self, leg: _Arriving) -> None:
        """A connection has ended."""
        self._legs.discard(leg)

    async def _connect(self, leg: _Arriving) -> None:
        onward = _Leg(None)
        onward.other = leg
        assert leg.transport is not None
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: onward, "127.0.0.1", self._upstream_port
            )
        except OSError:
            leg.transport.abort()
            return
        if leg in self._legs:
            leg.pair_with(onward)
        elif onward.transport is not None:
            onward.transport.close()

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
            for leg in tuple(self._legs):
                if leg.transport is not None:
                    leg.transport.abort()
            await self._server.wait_closed()
        await self._tasks.cancel()


@asynccontextmanager
async def running_shim(upstream_port: int, port: int = 0) -> AsyncIterator[Shim]:
    """A relay that listens until the block is left."""
    shim = await Shim(upstream_port).start(port)
    try:
        yield shim
    finally:
        await shim.close()
