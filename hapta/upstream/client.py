"""The one door to PocketBase: never a write sent twice, no connection pool starved by another kind of
traffic.

Requests travel in lanes, each with connections of its own: records (short), transfers (files, backups,
unknown routes: as long as a slow client takes) and streams (realtime, without bound). A slow download
therefore never keeps a record request waiting, and two thousand idle streams take nothing from either.

aiohttp's client repeats PUT and DELETE by itself when a kept-alive connection drops before the answer. That
switch has no public name; it is turned off here and a test against a dropping server holds it off. Only a GET
or HEAD without body is sent again, once.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from hapta.config import UpstreamConfig
from hapta.model.clock import Clock
from hapta.model.errors import UpstreamLost, UpstreamRefused, UpstreamUnavailable
from hapta.upstream.breaker import CircuitBreaker
from hapta.upstream.connector import Connector
from hapta.upstream.errors import upstream_errors
from hapta.upstream.gate import FairGate
from hapta.upstream.upload import SMALL_BYTES, Upload

if TYPE_CHECKING:
    from hapta.model.exchange import Header

READ_BYTES = 256 * 1024
_MAX_FIELD_BYTES = 128 * 1024
_NO_CONTENT_TYPE: CIMultiDict[None] = CIMultiDict({"Content-Type": None})


class Lane(StrEnum):
    """Which connections a request uses."""

    RECORDS = "records"
    TRANSFERS = "transfers"
    STREAMS = "streams"


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request to PocketBase.

    Attributes:
        method: as the client sent it.
        target: path and query, sent byte for byte.
        headers: the whole header section; with ``Content-Length`` if ``body`` is an iterator of known length.
        body: whole, or in pieces; ``None`` for none.
        lane: which connections it uses.
        answer_s: seconds to the first byte of the answer once the request is sent; ``None`` waits for ever.
        between_s: seconds between two pieces of the answer; ``None`` waits for ever.
        owner: the client, of whom each gets a share of the lane (:func:`hapta.model.address.holder`);
            ``None`` for Hapta itself.
    """

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes | AsyncIterator[bytes] | None
    lane: Lane
    answer_s: float | None
    between_s: float | None
    owner: int | None = None

    @property
    def is_repeatable(self) -> bool:
        """Sending it twice does no more than sending it once (RFC 9110 §9.2.2, body left out on purpose)."""
        return self.method in {"GET", "HEAD"} and self.body is None


class UpstreamResponse:
    """PocketBase's answer; an :class:`~hapta.model.exchange.AnswerStream`. Close it, or its lane keeps the
    slot."""

    def __init__(self, response: aiohttp.ClientResponse, on_close: Callable[[], None]) -> None:
        self._response = response
        self._on_close: Callable[[], None] | None = on_close
        self.status = response.status
        self.headers: tuple[Header, ...] = response.raw_headers

    @property
    def length(self) -> int | None:
        """``Content-Length`` as announced."""
        return self._response.content_length

    async def read(self) -> bytes:
        """The whole body; closes.

        Raises:
            UpstreamLost: it ends early.
        """
        try:
            with upstream_errors():
                return await self._response.read()
        finally:
            self.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive; closes at the end.

        Raises:
            UpstreamLost: it ends early.
        """
        try:
            with upstream_errors():
                async for piece in self._response.content.iter_any():
                    yield piece
        finally:
            self.close()

    def becomes_stream(self) -> None:
        """It has no end in sight: it waits for ever between two pieces, and its lane gets the slot back."""
        _set_read_timeout(self._response, None)
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, _nothing
            on_close()

    def close(self) -> None:
        """Give connection and slot back; a connection with an unread answer on it is closed. Idempotent."""
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            if not self._response.closed:  # read to its end, it has given its connection back by itself
                self._release()
            on_close()

    def _release(self) -> None:
        content = self._response.content
        if content.at_eof():
            self._response.release()
            return
        if content.exception() is None:
            # else aiohttp sets the one exception it has for this, which would keep the stack of every reader
            # that ever met it
            content.set_exception(aiohttp.ClientConnectionError("given up"))
        self._response.close()

    abort = close


class UpstreamClient:
    """Speaks HTTP/1.1 to one PocketBase.

    Args:
        base_url: scheme, host and port.
        config: the ``[upstream]`` table.
        clock: for the breaker.
        tls: whose certificates are taken; by default the system's trust store.
    """

    def __init__(
        self, base_url: str, config: UpstreamConfig, clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        self.base_url = base_url.rstrip("/")
        self.breaker = CircuitBreaker(config.breaker_failures, config.breaker_open_s, clock)
        self._config = config
        self._gates: dict[Lane, FairGate] = {
            Lane.RECORDS: FairGate(config.max_connections, config.max_waiting, config.max_wait_s),
            Lane.TRANSFERS: FairGate(config.max_transfers, config.max_waiting, config.max_wait_s),
        }
        self._sessions: dict[Lane, aiohttp.ClientSession] = {}
        self._timeouts: dict[float | None, aiohttp.ClientTimeout] = {}

    async def open(self) -> None:
        """Make the connection pools; needs the running event loop."""
        for lane in Lane:
            session = aiohttp.ClientSession(
                connector=Connector(self._config.keepalive_s, self.breaker.succeeded, self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                request_class=_Request,
                max_line_size=_MAX_FIELD_BYTES,
                max_field_size=_MAX_FIELD_BYTES,
                read_bufsize=READ_BYTES,
                trust_env=False,
            )
            session._retry_connection = False
            self._sessions[lane] = session

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send one request and wait for the head of its answer.

        Raises:
            Overloaded: too many requests under way and in line; not sent.
            UpstreamUnavailable: the breaker is open; not sent.
            UpstreamRefused: no connection; not sent.
            UpstreamLost: sent, but no answer came.
        """
        gate = self._gates.get(request.lane)
        if gate is None:
            return await self._send(request, _nothing)
        owner = request.owner
        await gate.enter(owner)
        try:
            return await self._send(request, partial(gate.leave, owner))
        except BaseException:
            gate.leave(owner)
            raise

    async def _send(self, request: UpstreamRequest, on_close: Callable[[], None]) -> UpstreamResponse:
        if not self.breaker.allows():
            raise UpstreamUnavailable(self.breaker.retry_after_s())
        try:
            with upstream_errors():
                response = await self._exchange(request)
        except UpstreamRefused:
            self.breaker.failed()
            raise
        except BaseException:
            self.breaker.abandoned()
            raise
        return UpstreamResponse(response, on_close)

    async def _exchange(self, request: UpstreamRequest) -> aiohttp.ClientResponse:
        body = request.body
        if body is None or (isinstance(body, bytes) and len(body) <= SMALL_BYTES):
            response = await self._request(request, body)
        else:
            upload = Upload(body, request.answer_s)
            async with upload.watched():
                response = await self._request(request, upload.pieces())
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            response.close()
            raise UpstreamLost  # nobody asked for that: Upgrade is not passed on
        _set_read_timeout(response, request.between_s)
        return response

    def _timeout(self, answer_s: float | None) -> aiohttp.ClientTimeout:
        """One object for each duration: there are few, and many requests."""
        timeout = self._timeouts.get(answer_s)
        if timeout is None:
            connect_s = self._config.connect_timeout_s
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=answer_s)
            self._timeouts[answer_s] = timeout
        return timeout

    async def _request(
        self, request: UpstreamRequest, body: bytes | AsyncIterator[bytes] | None
    ) -> aiohttp.ClientResponse:
        session = self._sessions[request.lane]
        timeout = self._timeout(request.answer_s)
        url = URL(self.base_url + request.target, encoded=True)
        attempts = 2 if request.is_repeatable else 1
        while True:
            if session.closed:
                raise UpstreamRefused  # Hapta is stopping
            attempts -= 1
            try:
                return await session.request(
                    request.method,
                    url,
                    headers=request.headers,
                    data=body,
                    timeout=timeout,
                    allow_redirects=False,
                )
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if attempts == 0:
                    raise


class _Request(aiohttp.ClientRequest):
    """A request that has the fields it was given, and none of aiohttp's own.

    What ``skip_auto_headers`` does as well, with two copies of the header section for every request.
    """

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        self._skip_auto_headers = _NO_CONTENT_TYPE


def _set_read_timeout(response: aiohttp.ClientResponse, seconds: float | None) -> None:
    """How long to wait between two pieces from here on; the head had a time of its own."""
    if response.connection is not None and response.connection.protocol is not None:
        protocol = response.connection.protocol
        protocol.read_timeout = seconds
        if seconds is None:
            protocol.start_timeout()  # which stops the one that runs since the head came


def _nothing() -> None:
    """Streams hold no slot."""
