"""Requests over a pool of plain connections: sent once, and some of them once more.

A GET or HEAD without body is sent again, once, when its connection ends before the head of its answer: it may
have been closed while it was idle. Nothing else ever is.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from urllib.parse import urlsplit

from hapta.config import UpstreamConfig
from hapta.model.errors import UpstreamLost
from hapta.model.tasks import TaskSet
from hapta.upstream.messages import UpstreamRequest
from hapta.upstream.upload import SMALL_BYTES, Upload
from hapta.upstream.wire.connection import Dropped, WireConnection, WireResponse
from hapta.upstream.wire.head import render_request
from hapta.upstream.wire.pool import WirePool


class WireClient:
    """Speaks to one server over plain TCP.

    Args:
        base_url: ``http``, host and port.
        config: the ``[upstream]`` table.
        on_connected: called whenever a request has its connection.
    """

    def __init__(self, base_url: str, config: UpstreamConfig, on_connected: Callable[[], None]) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None, "the configuration was checked"
        self._host = parts.netloc
        self._pool = WirePool(
            parts.hostname,
            parts.port or 80,
            connect_timeout_s=config.connect_timeout_s,
            keepalive_s=config.keepalive_s,
        )
        self._on_connected = on_connected
        self._uploads = TaskSet()

    async def open(self) -> None:
        """Nothing is made before it is needed."""

    async def close(self) -> None:
        """Close all connections."""
        await self._uploads.cancel()
        await self._pool.close()

    async def exchange(self, request: UpstreamRequest) -> WireResponse:
        """Send a request and wait for the head of its answer.

        Raises:
            UpstreamRefused: no connection; not sent.
            UpstreamLost: sent, but no answer came.
        """
        body = request.body
        head = render_request(request.method, request.target, request.headers, body, self._host)
        if body is None or (isinstance(body, bytes) and len(body) <= SMALL_BYTES):
            message = head + body if body else head
            if not request.is_repeatable:
                return await self._send(request, message)
            try:
                return await self._send(request, message)
            except Dropped:
                return await self._send(request, message)
        upload = Upload(body, request.answer_s)
        try:
            async with upload.watched():
                return await self._send(request, head, upload)
        except TimeoutError as exc:
            raise UpstreamLost from exc

    async def _send(
        self, request: UpstreamRequest, data: bytes, upload: Upload | None = None
    ) -> WireResponse:
        connection = self._pool.take() or await self._pool.connect()
        self._on_connected()
        response = connection.begin(request.between_s, is_head=request.method == "HEAD")
        try:
            connection.write(data)
            if upload is None:
                connection.sent(request.answer_s)
            else:
                task = self._upload(request, connection, response, upload.pieces())
                connection.is_uploaded_by(self._uploads.spawn(task, name="upload"))
            await response.arrive()
        except BaseException as exc:
            connection.give_up(response, ConnectionAbortedError("given up"))
            if isinstance(exc, ConnectionError):
                raise Dropped from exc
            raise
        return response

    async def _upload(
        self,
        request: UpstreamRequest,
        connection: WireConnection,
        response: WireResponse,
        pieces: AsyncGenerator[bytes, None],
    ) -> None:
        """Write a body; what stands in its way is the end of the exchange."""
        try:
            await _write(request, connection, pieces)
        except Exception as exc:
            # PocketBase must not take what it has for the whole
            connection.give_up(response, RuntimeError(f"the upload broke off: {exc!r}"))
        else:
            connection.sent(request.answer_s)


async def _write(
    request: UpstreamRequest, connection: WireConnection, pieces: AsyncGenerator[bytes, None]
) -> None:
    given = request.headers.get("Content-Length")
    if isinstance(request.body, bytes):
        left: int | None = len(request.body)
    else:
        left = None if given is None else int(given)
    async with aclosing(pieces):
        async for piece in pieces:
            if left is None:
                if not piece:
                    continue
                piece = b"%x\r\n%s\r\n" % (len(piece), piece)
            else:
                left -= len(piece)
                if left < 0:
                    raise ValueError("more than was announced")
            connection.write(piece)
            await connection.drained()
    if left:
        raise ValueError("less than was announced")
    if left is None:
        connection.write(b"0\r\n\r\n")
