"""One connection to PocketBase: one request goes out, one answer comes in, and only then perhaps another.

Who waits for an answer holds a :class:`WireResponse`, which the connection fills. A timer is set for a
deadline only where none runs that ends before it: so a busy connection has one a minute, not two a request.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from math import inf
from typing import TYPE_CHECKING, Final, cast

from hapta.model.errors import UpstreamLost
from hapta.upstream.messages import MAX_HEAD_BYTES, READ_BYTES, UpstreamResponse
from hapta.upstream.wire.chunks import Chunked
from hapta.upstream.wire.head import Framing, Garbled, Head, LineBook

if TYPE_CHECKING:
    from hapta.model.exchange import Header

_END_OF_HEAD: Final = b"\r\n\r\n"
_MOST_INTERIM: Final = 32
"""Interim answers before one that is none: more of them would have time without end."""
_NO_HEADERS: "tuple[Header, ...]" = ()


class Dropped(UpstreamLost):
    """The connection ended before the head of an answer was in: perhaps it was closed while it was idle."""


class WireResponse(UpstreamResponse):
    """An answer, from the moment its request is sent."""

    __slots__ = (
        "_connection",
        "_is_closed",
        "_pieces",
        "_waiter",
        "_wants_all",
        "between_s",
        "held_bytes",
        "is_ended",
        "is_head",
        "is_in",
        "why_lost",
    )

    def __init__(self, connection: "WireConnection", between_s: float | None, *, is_head: bool) -> None:
        super().__init__()
        self.status, self.headers, self.length = 0, _NO_HEADERS, None
        self.between_s = between_s
        self.is_head = is_head
        self.is_in = False
        """Its head is."""
        self.is_ended = False
        """Its last byte is in."""
        self.held_bytes = 0
        self.why_lost: BaseException | None = None
        self._connection = connection
        self._is_closed = False
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._wants_all = False

    async def arrive(self) -> None:
        """Wait for the head.

        Raises:
            Dropped: the connection ended first.
            UpstreamLost: it did not come in time, or was none.
        """
        while not self.is_in:
            self._raise_if_lost()
            await self._wait()

    def begin(self, head: Head) -> None:
        """The head is in."""
        self.status, self.headers, self.length = head.status, head.headers, head.length
        self.is_in = True
        self.wake()

    def add(self, pieces: list[bytes]) -> None:
        """More of the body is."""
        self._pieces += pieces
        self.held_bytes += sum(map(len, pieces))

    def wake(self, *, has_more: bool = False) -> None:
        """Something happened; where ``has_more``, only that a part of the body came."""
        waiter = self._waiter
        if waiter is not None and not (has_more and self._wants_all) and not waiter.done():
            waiter.set_result(None)

    def lose(self, why: BaseException) -> None:
        """Nothing more will come."""
        self.why_lost = why
        self.wake()

    def _raise_if_lost(self) -> None:
        why = self.why_lost
        if why is not None:
            # a new one each time: the one that is kept would keep the stack of every reader that ever met it
            is_dropped = isinstance(why, OSError) and not isinstance(why, TimeoutError) and not self.is_in
            raise (Dropped if is_dropped else UpstreamLost) from why

    async def _wait(self) -> None:
        self._waiter = self._connection.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _more(self, *, wants_all: bool = False) -> bytes:
        """What has come, or where ``wants_all`` as much as is held; empty at the end."""
        self._wants_all = wants_all
        while not self.is_ended and (not self._pieces or (wants_all and self.held_bytes < READ_BYTES)):
            self._raise_if_lost()
            await self._wait()
        pieces = self._pieces
        self._pieces, self.held_bytes = [], 0
        if not self.is_ended:
            self._connection.go_on()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self) -> bytes:
        try:
            body = await self._more(wants_all=True)
            if self.is_ended and not self._pieces:
                return body
            pieces = [body]
            while piece := await self._more(wants_all=True):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            self.close()

    async def beginning(self) -> tuple[bytes, bool]:
        try:
            piece = await self._more(wants_all=True)
        except BaseException:
            self.close()
            raise
        if self.is_ended and not self._pieces:
            self.close()
            return piece, True
        return piece, False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            while piece := await self._more():
                yield piece
        finally:
            self.close()

    def becomes_stream(self) -> None:
        self.between_s = None
        self._connection.waits_for_ever(self)
        self.gives_slot_back()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if not self.is_ended:
                self._connection.give_up(self, ConnectionAbortedError("given up"))
            self.gives_slot_back()


class WireConnection(asyncio.Protocol):
    """A connection; made and kept by a pool.

    Args:
        loop: the running one.
        book: header lines seen before, on any connection.
        on_free: told when it may carry another request.
        on_lost: told when it ended.
    """

    __slots__ = (
        "_answer_s",
        "_body",
        "_book",
        "_deadline",
        "_framing",
        "_head",
        "_interim",
        "_is_paused",
        "_is_sent",
        "_keeps",
        "_left",
        "_on_free",
        "_on_lost",
        "_response",
        "_socket",
        "_timer",
        "_timer_at",
        "_transport",
        "_upload",
        "_writable",
        "loop",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        raw: socket.socket,
        book: LineBook,
        *,
        on_free: Callable[["WireConnection"], None],
        on_lost: Callable[["WireConnection"], None],
    ) -> None:
        self.loop = loop
        self._socket = raw
        self._book = book
        self._on_free = on_free
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._response: WireResponse | None = None
        self._head = bytearray()
        self._interim = 0
        self._framing = Framing.NONE
        self._left = 0
        self._body = Chunked()
        self._keeps = True
        self._is_sent = True
        self._answer_s: float | None = None
        self._is_paused = False
        self._upload: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._deadline = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    # --- sending

    def is_quiet(self) -> bool:
        """Whether it is as it was left: neither closed by PocketBase nor with bytes on it nobody asked
        for. The event loop may not have come to telling yet."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def begin(self, between_s: float | None, *, is_head: bool) -> WireResponse:
        """A request is about to be sent; what will hold its answer."""
        assert self._response is None
        self._keeps, self._is_sent, self._interim = True, False, 0
        response = self._response = WireResponse(self, between_s, is_head=is_head)
        return response

    def write(self, data: bytes) -> None:
        """Send a part of the request.

        Raises:
            ConnectionError: the connection has ended.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until PocketBase has taken enough of what was written."""
        if self._writable is not None:
            await self._writable

    def is_uploaded_by(self, upload: "asyncio.Task[None]") -> None:
        """A task writes the rest of the request; it ends with the answer."""
        self._upload = upload

    def sent(self, answer_s: float | None) -> None:
        """The request is out as a whole: from now on its answer is due."""
        self._is_sent = True
        self._answer_s = answer_s
        response = self._response
        if response is not None and not response.is_in:
            self._watch(answer_s)

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self.loop.create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # --- receiving

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            self._cut()  # nobody asked for it
        elif response.is_in:
            if not self._is_paused:
                self._watch(response.between_s)
            self._body_received(response, data)
        else:
            self._head_received(response, data)

    def _head_received(self, response: WireResponse, data: bytes) -> None:
        while data:
            if self._head:
                searched = len(self._head)
                self._head += data
                end = self._head.find(_END_OF_HEAD, max(0, searched - 3))
                data = bytes(self._head) if end >= 0 else b""
            else:
                end = data.find(_END_OF_HEAD)
                if end < 0:
                    self._head += data
            if (
                len(self._head) if end < 0 else end
            ) > MAX_HEAD_BYTES:  # what follows its end is no part of it
                return self._lose(response, Garbled("a head too large"))
            if end < 0:
                return None
            self._head.clear()
            try:
                head = self._book.parse(data[:end], is_head=response.is_head)
            except Garbled as why:
                return self._lose(response, why)
            data = data[end + 4 :]
            if head.status >= 200:
                return self._begin_body(response, head, data)
            self._interim += 1
            if self._interim > _MOST_INTERIM:
                return self._lose(response, Garbled("interim answers without end"))
            if self._is_sent:  # an interim answer is read over, and the answer proper has its time anew
                self._watch(self._answer_s)
        return None

    def _begin_body(self, response: WireResponse, head: Head, data: bytes) -> None:
        self._framing, self._keeps = head.framing, head.keeps
        if head.framing is Framing.LENGTH:
            assert head.length is not None
            self._left = head.length
        elif head.framing is Framing.CHUNKED:
            self._body = Chunked()
        response.begin(head)
        self._watch(response.between_s)
        if data or head.framing is Framing.NONE:
            self._body_received(response, data)

    def _body_received(self, response: WireResponse, data: bytes) -> None:
        framing, rest, is_ended = self._framing, b"", False
        if framing is Framing.LENGTH:
            piece = data if len(data) <= self._left else data[: self._left]
            rest = data[len(piece) :]
            self._left -= len(piece)
            response.add([piece])
            is_ended = self._left == 0
        elif framing is Framing.CHUNKED:
            body = self._body
            try:
                response.add(body.feed(data))
            except Garbled as why:
                return self._lose(response, why)
            rest, is_ended = body.rest, body.is_ended
        elif framing is Framing.CLOSE:
            response.add([data])
        else:
            rest, is_ended = data, True
        if is_ended:
            return self._end(response, followed=bool(rest))
        if response.held_bytes >= READ_BYTES:
            self._pause()
            response.wake()
        else:
            response.wake(has_more=True)
        return None

    def _end(self, response: WireResponse, *, followed: bool) -> None:
        """The answer is in. Bytes behind it are of nothing that was asked for."""
        transport = self._transport
        response.is_ended = True
        self._response = None
        self._deadline = inf
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.cancel()
        response.wake()
        if (
            transport is not None
            and self._keeps
            and self._is_sent
            and not followed
            and not self._is_paused
            and not transport.is_closing()
            and transport.get_write_buffer_size() == 0
        ):
            self._on_free(self)
        else:
            self._cut()

    def eof_received(self) -> None:
        response = self._response
        if response is not None and response.is_in and self._framing is Framing.CLOSE:
            self._end(response, followed=False)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        response = self._response
        if response is not None:
            self._lose(response, exc or ConnectionResetError("closed"))
        self.resume_writing()
        self._on_lost(self)

    def _pause(self) -> None:
        if not self._is_paused and self._transport is not None and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()
            self._deadline = inf  # it is not PocketBase that is waited for

    def go_on(self) -> None:
        """Somebody has read what was held."""
        response = self._response
        if self._is_paused and response is not None and self._transport is not None:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
            self._watch(response.between_s)

    # --- ending

    def give_up(self, response: WireResponse, why: BaseException) -> None:
        """Nobody reads on, or the request cannot be sent to its end."""
        if self._response is response:
            self._lose(response, why)

    def _lose(self, response: WireResponse, why: BaseException) -> None:
        self._response = None
        self._deadline = inf
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.cancel()
        self._cut()
        response.lose(why)

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    close = _cut

    # --- deadlines

    def waits_for_ever(self, response: WireResponse) -> None:
        """Between two pieces of this answer."""
        if self._response is response:
            self._deadline = inf

    def _watch(self, seconds: float | None) -> None:
        """So long may nothing come."""
        if seconds is None:
            self._deadline = inf
            return
        self._deadline = deadline = self.loop.time() + seconds
        if self._timer is None or deadline < self._timer_at:
            self._set_timer(deadline)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._deadline == inf:
            return
        if self.loop.time() < self._deadline:
            self._set_timer(self._deadline)
        elif self._response is not None:
            self._lose(self._response, TimeoutError("silent for too long"))
