"""An answer becomes bytes on the client's connection.

A body that is whole leaves in one write with its head. A stream is passed on piece by piece, and waits for a
client that reads slowly; a client that takes nothing for ``send_timeout_s`` is cut off. When a stream breaks
in its middle the connection is aborted: a truncated answer must never look like a complete one.
"""

import asyncio
from email.utils import formatdate
from http import HTTPStatus

import orjson

from hapta.model.clock import Clock
from hapta.model.errors import HaptaError
from hapta.model.exchange import Answer, AnswerStream, ClientGone
from hapta.server.protocol import Connection

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}


def error_body(error: HaptaError) -> bytes:
    """PocketBase's error form (``tools/router/error.go``), byte for byte in its key order."""
    return orjson.dumps({"data": error.data, "message": error.message, "status": error.status})


def error_answer(error: HaptaError) -> Answer:
    """The answer a :class:`HaptaError` becomes."""
    headers = [(b"Content-Type", b"application/json"), (b"Vary", b"Origin")]
    headers += [(name.encode(), value.encode("latin-1", "replace")) for name, value in error.headers.items()]
    return Answer(
        error.status,
        headers,
        error_body(error),
        closes_connection=error.closes_connection,
        reason=error.code,
    )


def render_head(
    answer: Answer, *, length: int | None, chunked: bool, connection: bytes | None, date: bytes
) -> bytes:
    """Status line and header section, with the empty line that ends it.

    Args:
        answer: status and header lines.
        length: ``Content-Length``, or ``None`` for none.
        chunked: the body follows in chunked coding.
        connection: what the ``Connection`` header says; ``None`` where the version's default holds.
        date: used where the answer brings no ``Date``.
    """
    pieces = [_STATUS_LINES.get(answer.status) or b"HTTP/1.1 %d Unknown\r\n" % answer.status]
    has_date = False
    for name, value in answer.headers:
        pieces += (name, b": ", value, b"\r\n")
        if len(name) == 4 and name.lower() == b"date":
            has_date = True
    if not has_date:
        pieces += (b"Date: ", date, b"\r\n")
    if length is not None:
        pieces.append(b"Content-Length: %d\r\n" % length)
    if chunked:
        pieces.append(b"Transfer-Encoding: chunked\r\n")
    pieces.append(b"Connection: %s\r\n\r\n" % connection if connection else b"\r\n")
    return b"".join(pieces)


class Transmitter:
    """Writes answers.

    Args:
        send_timeout_s: seconds a client may take without reading anything.
        clock: for the ``Date`` of answers Hapta gives by itself.
    """

    def __init__(self, send_timeout_s: float, clock: Clock) -> None:
        self._send_timeout_s = send_timeout_s
        self._clock = clock
        self._date_of = -1
        self._date_text = b""

    def date_line(self) -> bytes:
        """The ``Date`` of this second, as a line."""
        return b"Date: %s\r\n" % self._date()

    def configure(self, send_timeout_s: float) -> None:
        """Another patience from now on."""
        self._send_timeout_s = send_timeout_s

    def render_error(self, error: HaptaError, request_id: str) -> bytes:
        """A whole response to a request that never became one; the connection closes after it."""
        answer = error_answer(error)
        answer.headers.append((b"X-Request-Id", request_id.encode()))
        body = answer.body
        assert isinstance(body, bytes)
        head = render_head(answer, length=len(body), chunked=False, connection=b"close", date=self._date())
        return head + body

    async def send(
        self, answer: Answer, connection: Connection, *, method: str, is_http_11: bool, keep_alive: bool
    ) -> bool:
        """Write one answer; how far it came stands in ``answer.is_begun`` and ``answer.sent_bytes``.

        Args:
            answer: what to write.
            connection: the client's.
            method: of the request; HEAD gets no body.
            is_http_11: the request came as HTTP/1.1; else as 1.0, which knows no chunked coding.
            keep_alive: the client would send another request.

        Returns:
            Whether the connection stays open.

        Raises:
            ClientGone: the client left or stopped reading before the end.
            UpstreamLost: the stream broke; the connection was aborted.
        """
        keep_alive = keep_alive and not answer.closes_connection
        body = answer.body
        if isinstance(body, bytes):
            length: int | None = len(body)
            if method == "HEAD" or answer.status == 304:
                length, body = answer.length if answer.length is not None else len(body) or None, b""
            elif answer.status == 204:
                length, body = None, b""
            head = self._head(answer, length, is_http_11=is_http_11, keep_alive=keep_alive)
            transport = connection.transport
            if transport is None or transport.is_closing():
                raise ClientGone
            transport.write(head + body if body else head)
            if connection.writing_paused:
                await self._drain(connection)
            answer.is_begun, answer.sent_bytes = True, len(body)
            return keep_alive
        return await self._stream(answer, body, connection, is_http_11=is_http_11, keep_alive=keep_alive)

    def _head(self, answer: Answer, length: int | None, *, is_http_11: bool, keep_alive: bool,
              chunked: bool = False) -> bytes:  # fmt: skip
        says = None if keep_alive and is_http_11 else b"keep-alive" if keep_alive else b"close"
        return render_head(answer, length=length, chunked=chunked, connection=says, date=self._date())

    async def _stream(
        self,
        answer: Answer,
        stream: AnswerStream,
        connection: Connection,
        *,
        is_http_11: bool,
        keep_alive: bool,
    ) -> bool:
        chunked = answer.length is None and is_http_11
        keep_alive = keep_alive and (chunked or answer.length is not None)
        if answer.is_event_stream and connection.is_half_closed:
            stream.abort()
            raise ClientGone
        connection.ends_with_client = answer.is_event_stream
        forget = connection.on_gone(stream.abort)
        try:
            head = self._head(
                answer, answer.length, is_http_11=is_http_11, keep_alive=keep_alive, chunked=chunked
            )
            await self._write(connection, head)
            answer.is_begun = True
            async for piece in stream.chunks():
                await self._write(connection, b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                answer.sent_bytes += len(piece)
            if chunked:
                await self._write(connection, b"0\r\n\r\n")
        except HaptaError:
            if connection.is_gone:
                raise ClientGone from None
            connection.abort()
            raise
        finally:
            connection.ends_with_client = False
            forget()
            stream.abort()
        return keep_alive

    async def _write(self, connection: Connection, data: bytes) -> None:
        transport = connection.transport
        if transport is None or transport.is_closing():
            raise ClientGone
        transport.write(data)
        if connection.writing_paused:
            await self._drain(connection)

    async def _drain(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await connection.drained()
        except TimeoutError:
            connection.abort()
            raise ClientGone from None
        except ConnectionError:
            raise ClientGone from None

    def _date(self) -> bytes:
        """Rendered once a second: that costs more than all other fields of a head together."""
        second = int(self._clock.now())
        if second != self._date_of:
            self._date_of, self._date_text = second, formatdate(second, usegmt=True).encode()
        return self._date_text
