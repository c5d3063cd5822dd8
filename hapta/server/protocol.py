"""One client connection: aiohttp's ``RequestHandler`` with the deadlines and bounds it lacks.

What is added, and nothing else: a deadline for a request head (aiohttp waits for ever for the rest of one), a
bound on its bytes while it is incomplete, the connection caps, errors of the parser in PocketBase's form, and
a way to learn that the client left. It leans on private attributes of aiohttp 3.14 (``_messages``,
``_request_count``, ``_waiter``, ``_force_close``), which is why the minor version is pinned.

In front of the parser stands the fast lane (:mod:`hapta.fastlane`). It gets what came only where it is all
there is: the connection waits for a request or never had one, nothing is queued, what was written before is
mostly read, and the parser stands between two messages, which is certain while all it ever got was whole
heads without a body, one at a time.
"""

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

from hapta.config import ServerConfig
from hapta.model.address import Address, Network, is_within, parse_address
from hapta.model.errors import BadFraming, HaptaError, HeadersTooLarge, TargetTooLong
from hapta.model.exchange import Answer, Exchange
from hapta.server.connections import ConnectionTable

if TYPE_CHECKING:
    from aiohttp.streams import StreamReader

    from hapta.server.head import Head

_LOOPBACK = parse_address("127.0.0.1")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RANDOM = random.Random()  # seeded by the system
_NO_LINGER = struct.pack("ii", 1, 0)


class Lane(Protocol):
    """Answers at once what was answered before; :class:`hapta.fastlane.lane.FastLane` is one."""

    def seat(self, address: str, *, is_trusted: bool, is_admin: bool) -> Any:
        """What a connection from there holds while it is open."""
        ...

    def answer(self, seat: Any, head: bytes, transport: asyncio.Transport) -> float:
        """Answer all that came; when that was done, in monotonic seconds. 0.0: nothing happened."""
        ...

    def passes_on(self, seat: Any) -> None:
        """What came goes the full way, which begins now."""
        ...

    def learn(self, seat: Any, head: bytes, exchange: Exchange, answer: Answer) -> None:
        """A request that came by itself was answered, and the connection stays open."""
        ...


@dataclass(slots=True)
class Reception:
    """What all connections of a listener share.

    Attributes:
        config: the ``[server]`` table.
        trusted: ``server.trusted_proxies``.
        admin_networks: ``admin.networks``.
        table: open connections.
        on_refused: told which bound a refused connection broke.
        on_open_changed: told how many are open.
        render_error: turns an error and a request id into the bytes of a whole response, the connection
            closing after it.
        on_bad_request: told of a head that was refused: peer, error, request id.
        on_crash: told of an exception nobody expected, with a request id.
        lane: the fast lane; ``None`` while there is none.
    """

    config: ServerConfig
    trusted: tuple[Network, ...]
    admin_networks: tuple[Network, ...]
    table: ConnectionTable
    on_refused: Callable[[str], None]
    on_open_changed: Callable[[int], None]
    render_error: Callable[[HaptaError, str], bytes]
    on_bad_request: Callable[[Address, HaptaError, str], None]
    on_crash: Callable[[str, BaseException], None]
    lane: Lane | None = None
    is_draining: bool = False
    connections: set["Connection"] = field(default_factory=set)

    def configure(
        self, config: ServerConfig, trusted: tuple[Network, ...], admin_networks: tuple[Network, ...]
    ) -> None:
        """Other values from now on, for the open connections as well."""
        self.config, self.trusted, self.admin_networks = config, trusted, admin_networks
        self.table.configure(config.max_connections, config.max_connections_per_address)
        for connection in self.connections:
            connection.reconfigured()


def new_request_id() -> str:
    """An id for a request that brought none (or none we take)."""
    # nobody's secret, so it need not cost a system call
    return "%016x" % _RANDOM.getrandbits(64)  # noqa: UP031 - a third faster, and made for every request


class Connection(RequestHandler):
    """A client connection.

    Attributes:
        is_gone: the client has left.
        is_half_closed: it sends nothing more, and waits for an answer.
        ends_with_client: what is being answered ends when the client sends nothing more.
        is_peer_trusted: the peer is one of our own proxies.
        is_admin_network: the peer is within ``admin.networks``.
        head: what was made of the header fields of its last request.
        is_tls: it is encrypted.
        was_made: it came to be a connection; of TLS, its handshake succeeded.
    """

    __slots__ = (
        "_alone",
        "_answered",
        "_counts_by_address",
        "_deadline",
        "_gone_callbacks",
        "_head_bytes",
        "_is_admitted",
        "_is_at_rest",
        "_is_in_step",
        "_last_payload",
        "_max_target_bytes",
        "_reception",
        "_seat",
        "_send_deadline",
        "ends_with_client",
        "head",
        "is_admin_network",
        "is_gone",
        "is_half_closed",
        "is_peer_trusted",
        "is_tls",
        "peer",
        "peer_text",
        "was_made",
    )

    def __init__(self, manager: Server, reception: Reception, *, loop: asyncio.AbstractEventLoop) -> None:
        config = reception.config
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=config.keepalive_timeout_s,
            access_log=cast("Any", None),
            max_line_size=config.max_target_bytes,
            # one more where they are equal, so that the parser's error tells a line from the target
            max_field_size=config.max_header_bytes + (config.max_header_bytes == config.max_target_bytes),
            auto_decompress=False,
            lingering_time=5.0,
        )
        self._reception = reception
        self._is_admitted = False
        self._deadline: asyncio.TimerHandle | None = None
        self._send_deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._last_payload: StreamReader | None = None
        self._gone_callbacks: dict[int, Callable[[], None]] = {}
        self._answered = 0
        self._is_in_step = True
        self._is_at_rest = True
        self._alone: bytes | None = None
        self._seat: Any = None
        self.head: Head | None = None
        self.is_gone = False
        self.is_half_closed = False
        self.ends_with_client = False
        self.is_peer_trusted = False
        self.is_admin_network = False
        self.is_tls = False
        self.was_made = False
        self.peer: Address = _LOOPBACK
        self.peer_text = ""
        self._counts_by_address = True
        self._max_target_bytes = config.max_target_bytes

    def is_counted(self, *, counts_by_address: bool) -> None:
        """The table has admitted it before it was made."""
        self._is_admitted = True
        self._counts_by_address = counts_by_address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        reception = self._reception
        peername = transport.get_extra_info("peername")
        if isinstance(peername, tuple):
            self.peer = parse_address(peername[0])
        self.peer_text = str(self.peer)
        self.was_made = True
        self.is_tls = transport.get_extra_info("sslcontext") is not None
        self.look_at_networks()
        refusal = "draining" if reception.is_draining else None
        if refusal is None and not self._is_admitted:
            self._counts_by_address = not self.is_peer_trusted
            refusal = reception.table.admit(self.peer, counts_by_address=self._counts_by_address)
            self._is_admitted = refusal is None
        if refusal is not None:
            self._force_close = True
            cast("asyncio.Transport", transport).abort()
            reception.on_refused(refusal)
            return
        reception.connections.add(self)
        reception.on_open_changed(reception.table.open)
        super().connection_made(transport)

    def reconfigured(self) -> None:
        """The reception has another configuration. What aiohttp took of it stays: its parser's bounds, and
        the time an idle connection stays open."""
        self._seat = None
        self.look_at_networks()

    def look_at_networks(self) -> None:
        """Its peer is what the configuration says of it now."""
        self.is_peer_trusted = is_within(self.peer, self._reception.trusted)
        self.is_admin_network = is_within(self.peer, self._reception.admin_networks)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.is_gone = True
        self._seat = None
        self._disarm()
        self._is_read_again()
        if self._is_admitted:
            self._is_admitted = False
            reception = self._reception
            reception.connections.discard(self)
            reception.table.release(self.peer, counts_by_address=self._counts_by_address)
            reception.on_open_changed(reception.table.open)
        super().connection_lost(exc)
        for callback in tuple(self._gone_callbacks.values()):
            callback()
        self._gone_callbacks.clear()

    def pause_writing(self) -> None:
        """The client has not read enough of what was written. It has ``send_timeout_s`` to do so, whoever
        wrote: nobody waits for what the lane has written."""
        super().pause_writing()
        if self.transport is not None and self._send_deadline is None:
            timeout_s = self._reception.config.send_timeout_s
            # of the transport: one that was closed meanwhile would wait for its client for ever
            self._send_deadline = self._loop.call_later(timeout_s, _cut, self.transport)

    def resume_writing(self) -> None:
        self._is_read_again()
        super().resume_writing()

    def _is_read_again(self) -> None:
        if self._send_deadline is not None:
            self._send_deadline.cancel()
            self._send_deadline = None

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio takes either
        """The client sends nothing more: it has left, or it closed its half and still reads (RFC 9112 §9.6).

        Returns:
            Whether its other half stays open: while an answer is due, as PocketBase does. Who has really left
            answers what is written with a reset. An event stream may have nothing to write for minutes, and
            ends here. TLS knows no half of a connection that stays open (RFC 5246 §7.2.1).
        """
        if self.is_tls:
            return False
        is_body_whole = self._last_payload is None or self._last_payload.is_eof()
        is_answer_due = self._request_count > self._answered
        self.is_half_closed = is_answer_due and is_body_whole and not self.ends_with_client
        return self.is_half_closed

    def answered(self, *, keeps: bool) -> bool:
        """An answer is out.

        Args:
            keeps: it left the connection open.

        Returns:
            Whether another request can come, or has come already.
        """
        self._answered += 1
        keeps = keeps and (bool(self._messages) or not self.is_half_closed)
        # aiohttp may not have come to waiting for the next one yet
        self._is_at_rest = keeps and self._answered == self._request_count
        return keeps

    def data_received(self, data: bytes) -> None:
        lane, is_by_itself = self._reception.lane, False
        if (
            lane is not None
            and self._is_in_step
            and not self._messages
            and not self._paused
            and (self._is_at_rest if (waiter := self._waiter) is None else not waiter.done())
            and (transport := self.transport) is not None
        ):
            seat = self._seat
            if seat is None:
                seat = self._seat = self._seat_in(lane)
            try:
                answered_at = lane.answer(seat, data, transport)
                if not answered_at:
                    lane.passes_on(seat)
            except Exception as exc:
                self._lane_failed(exc)
                return
            if answered_at:
                self._next_keepalive_close_time = answered_at + self._keepalive_timeout
                if self._keepalive_handle is None:
                    self._keep_open()
                return
            is_by_itself = True
        count = self._request_count
        is_in_body = self._last_payload is not None and not self._last_payload.is_eof()
        super().data_received(data)
        self._is_in_step = self._has_taken_one_head(count, data)
        self._is_at_rest = self._is_at_rest and self._request_count == count
        if is_by_itself:
            self._alone = data if self._is_in_step else None
        if self._request_count != count:
            self._disarm()
            self._last_payload = self._messages[-1][1] if self._messages else None
        elif data and not is_in_body:
            self._in_head(len(data))

    def _seat_in(self, lane: Lane) -> Any:
        return lane.seat(self.peer_text, is_trusted=self.is_peer_trusted, is_admin=self.is_admin_network)

    def _lane_failed(self, exc: Exception) -> None:
        """What fails once is not to be tried on everybody; and the answer may have begun."""
        self._reception.lane = None
        self._reception.on_crash(new_request_id(), exc)
        self.abort()

    def _keep_open(self) -> None:
        """The first answer of a connection came from the lane: the time until the next request is measured as
        after any other."""
        self._keepalive = True
        self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def _has_taken_one_head(self, count: int, data: bytes) -> bool:
        """Whether all that came was one head without a body, so that the next one begins with the next byte.

        Args:
            count: of requests before.
        """
        return (
            self._request_count == count + 1
            and 0 <= data.find(b"\r\n\r\n") == len(data) - 4
            and bool(self._messages)
            and isinstance(self._messages[-1][0], RawRequestMessage)
            and self._messages[-1][1] is EMPTY_PAYLOAD
            and not self._upgraded
        )

    def take_alone(self) -> bytes | None:
        """The whole head of the request that is answered now, where it came by itself; once."""
        alone, self._alone = self._alone, None
        return alone

    def learn(self, head: bytes, exchange: Exchange, answer: Answer) -> None:
        """A request that came by itself was answered, and the connection stays open."""
        lane = self._reception.lane
        if lane is not None and self._seat is not None:
            lane.learn(self._seat, head, exchange, answer)

    def _in_head(self, count: int) -> None:
        """Bytes came that completed no request: the head under way has a deadline and a bound."""
        config = self._reception.config
        self._head_bytes += count
        if self._head_bytes > config.max_header_bytes + config.max_target_bytes:
            self._refuse_head(HeadersTooLarge())
        elif self._deadline is None and not self._force_close:
            self._deadline = self._loop.call_later(config.header_timeout_s, self._head_too_slow)

    def _head_too_slow(self) -> None:
        self._deadline = None
        self._refuse_head(None)

    def _refuse_head(self, error: HaptaError | None) -> None:
        if self.transport is not None:
            # an answer may be under way on this connection: another one in its middle would be a lie
            if error is not None and self._waiter is not None:
                self._write_refusal(error)
            self.force_close()

    def _write_refusal(self, error: HaptaError) -> None:
        request_id = new_request_id()
        self._reception.on_bad_request(self.peer, error, request_id)
        if self.transport is not None:
            self.transport.write(self._reception.render_error(error, request_id))

    def _disarm(self) -> None:
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def send_continue(self) -> None:
        """Tell the client to send its body (RFC 9110 §15.2.1)."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(_CONTINUE)

    def on_gone(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when the client leaves (at once if it has left).

        Returns:
            A function that takes the callback back.
        """
        if self.is_gone:
            callback()
            return lambda: None
        key = id(callback)  # unique while the dictionary holds the callback

        def forget() -> None:
            self._gone_callbacks.pop(key, None)

        self._gone_callbacks[key] = callback
        return forget

    def abort(self) -> None:
        """Cut the connection without a goodbye: what was sent so far must not look complete.

        A reset, since an answer that ends with its connection (HTTP/1.0) would look whole after an ordinary
        close.
        """
        if self.transport is not None:
            _cut(self.transport)

    async def drained(self) -> None:
        """Wait until the client has read enough of what was written.

        Raises:
            ConnectionError: it left instead.
        """
        await self._drain_helper()

    @property
    def is_idle(self) -> bool:
        """Waiting for a request, nothing under way."""
        return self._waiter is not None and not self._messages

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """What the parser refuses, in PocketBase's form; the connection closes."""
        error: HaptaError = HaptaError() if status >= 500 else BadFraming()
        if isinstance(exc, LineTooLong):
            is_target = exc.args[1] == self._max_target_bytes
            error = TargetTooLong() if is_target else HeadersTooLarge()
        elif message is not None and message.startswith("Too many headers"):
            error = HeadersTooLarge()
        self._write_refusal(error)
        return cast("StreamResponse", WRITTEN_AND_CLOSING)


def _cut(transport: asyncio.Transport) -> None:
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


class Written:
    """A response that already stands on the wire; what aiohttp's loop wants to see of it."""

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: BaseRequest) -> None:
        """Nothing to prepare."""

    async def write_eof(self) -> None:
        """Nothing left to write."""


WRITTEN_AND_CLOSING = Written(keep_alive=False)
WRITTEN_AND_OPEN = Written(keep_alive=True)
