"""PocketBase over aiohttp's client: for an upstream behind TLS.

aiohttp's client repeats PUT and DELETE by itself when a kept-alive connection drops before the answer. That
switch has no public name; it is turned off here and a test against a dropping server holds it off. Only a GET
or HEAD without body is sent again, once.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from http import HTTPStatus

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from hapta.config import UpstreamConfig
from hapta.model.errors import UpstreamLost, UpstreamRefused
from hapta.upstream.connector import Connector
from hapta.upstream.errors import upstream_errors
from hapta.upstream.messages import MAX_HEAD_BYTES, READ_BYTES, Lane, UpstreamRequest, UpstreamResponse
from hapta.upstream.upload import SMALL_BYTES, Upload

_NO_CONTENT_TYPE: CIMultiDict[None] = CIMultiDict({"Content-Type": None})


class LibraryResponse(UpstreamResponse):
    """An answer as aiohttp reads it."""

    __slots__ = ("_is_closed", "_response")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        super().__init__()
        self._response = response
        self._is_closed = False
        self.status = response.status
        self.headers = response.raw_headers
        self.length = response.content_length

    async def read(self) -> bytes:
        try:
            with upstream_errors():
                return await self._response.read()
        finally:
            self.close()

    async def beginning(self) -> tuple[bytes, bool]:
        pieces: list[bytes] = []
        size = 0
        try:
            with upstream_errors():
                while size < READ_BYTES and (piece := await self._response.content.readany()):
                    pieces.append(piece)
                    size += len(piece)
        except BaseException:
            self.close()
            raise
        is_whole = self._response.content.at_eof()
        if is_whole:
            self.close()
        return b"".join(pieces), is_whole

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            with upstream_errors():
                async for piece in self._response.content.iter_any():
                    yield piece
        finally:
            self.close()

    def becomes_stream(self) -> None:
        _set_read_timeout(self._response, None)
        self.gives_slot_back()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if not self._response.closed:  # read to its end, it has given its connection back by itself
                self._release()
            self.gives_slot_back()

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


class LibraryClient:
    """Speaks to one server; each lane has a pool of connections of its own.

    Args:
        base_url: scheme, host and port.
        config: the ``[upstream]`` table.
        on_connected: called whenever a request has its connection.
        tls: whose certificates are taken; by default the system's trust store.
    """

    def __init__(
        self,
        base_url: str,
        config: UpstreamConfig,
        on_connected: Callable[[], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._base_url = base_url
        self._config = config
        self._on_connected = on_connected
        self._sessions: dict[Lane, aiohttp.ClientSession] = {}
        self._timeouts: dict[float | None, aiohttp.ClientTimeout] = {}

    async def open(self) -> None:
        """Make the connection pools; needs the running event loop."""
        for lane in Lane:
            session = aiohttp.ClientSession(
                connector=Connector(self._config.keepalive_s, self._on_connected, self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                request_class=_Request,
                max_line_size=MAX_HEAD_BYTES,
                max_field_size=MAX_HEAD_BYTES,
                read_bufsize=READ_BYTES,
                trust_env=False,
            )
            session._retry_connection = False
            self._sessions[lane] = session

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

    async def exchange(self, request: UpstreamRequest) -> LibraryResponse:
        """Send a request and wait for the head of its answer.

        Raises:
            UpstreamRefused: no connection; not sent.
            UpstreamLost: sent, but no answer came.
        """
        with upstream_errors():
            return LibraryResponse(await self._exchange(request))

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
        url = URL(self._base_url + request.target, encoded=True)
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
