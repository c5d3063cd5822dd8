"""Innermost: ask PocketBase.

A request is finished even when its client leaves, so a write is answered by PocketBase once and for all.
Small answers are read whole before they are sent, which frees the connection to PocketBase however slowly the
client reads; files, backups and answers of unknown routes are passed on as they arrive.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from hapta.config import UpstreamConfig
from hapta.model.address import holder
from hapta.model.clock import Clock
from hapta.model.errors import Overloaded, UpstreamLost, UpstreamRefused
from hapta.model.exchange import Answer, Exchange, Header, RequestBody
from hapta.model.operation import OperationClass
from hapta.records.encode import Encoded
from hapta.stages.streams import EventStream, OpenStreams, Prefixed
from hapta.upstream.client import Lane, UpstreamClient, UpstreamRequest, UpstreamResponse
from hapta.upstream.headers import answer_headers, header, request_headers
from hapta.upstream.messages import READ_BYTES
from hapta.upstream.spool import SpooledBody

WHOLE_BYTES = READ_BYTES
"""Answers up to this size are read whole before they are sent."""

_TRANSFERS = frozenset({OperationClass.FILE, OperationClass.UNKNOWN, OperationClass.DASHBOARD})
_SLOW = frozenset({OperationClass.ADMIN, OperationClass.UNKNOWN})
_PASSED_ON = frozenset({OperationClass.FILE, OperationClass.UNKNOWN})


class UpstreamMeter(Protocol):
    """Counts requests to PocketBase."""

    def upstream_done(self, kind: OperationClass, outcome: str, seconds: float) -> None:
        """One ended: its class, ``2xx`` … ``5xx``, ``refused``, ``lost`` or ``rejected``, and how long it
        took."""


def lane_of(exchange: Exchange) -> Lane:
    """Which connections a request uses."""
    operation = exchange.operation
    if operation.kind is OperationClass.REALTIME_STREAM:
        return Lane.STREAMS
    if operation.kind in _TRANSFERS or operation.action in ("backups", "backup-upload"):
        return Lane.TRANSFERS
    return Lane.RECORDS


class Upstream:
    """The last handler of the pipeline.

    Args:
        client: the door to PocketBase.
        config: the ``[upstream]`` table.
        host: ``Host`` to send; ``None`` passes the client's on.
        streams: where open event streams are registered.
        meter: counts.
        clock: for durations.
    """

    def __init__(
        self,
        client: UpstreamClient,
        config: UpstreamConfig,
        host: str | None,
        *,
        streams: OpenStreams,
        meter: UpstreamMeter,
        clock: Clock,
    ) -> None:
        self._client = client
        self._config = config
        self._host = host
        self._streams = streams
        self._meter = meter
        self._clock = clock

    async def __call__(self, exchange: Exchange) -> Answer:
        """Ask PocketBase.

        Raises:
            Overloaded, UpstreamRefused, UpstreamLost: as :meth:`UpstreamClient.send` says.
            ClientGone: the client left while its streamed body was passed on.
        """
        started = self._clock.monotonic()
        outcome = "lost"
        upload = _Upload(exchange.body) if exchange.body is not None else None
        try:
            response = await self._client.send(self._request(exchange, upload))
            answer = await self._answer(exchange, response)
            exchange.is_answered = True
            outcome = f"{response.status // 100}xx"
            return answer
        except UpstreamLost:
            if upload is not None and upload.error is not None:
                raise upload.error from None  # it was the client that broke off, not PocketBase
            raise
        except UpstreamRefused:
            outcome = "refused"
            raise
        except Overloaded:
            outcome = "rejected"
            raise
        finally:
            exchange.upstream_s = self._clock.monotonic() - started
            self._meter.upstream_done(exchange.operation.kind, outcome, exchange.upstream_s)

    def _request(self, exchange: Exchange, upload: "_Upload | None") -> UpstreamRequest:
        config, kind = self._config, exchange.operation.kind
        headers = request_headers(exchange, self._host)
        body: bytes | AsyncIterator[bytes] | None = None
        if upload is not None:
            body = upload.whole() if upload.whole() is not None else upload.pieces()
            if upload.length is not None:
                headers["Content-Length"] = str(upload.length)
        is_slow = kind in _SLOW
        lane = lane_of(exchange)
        answer_s = config.slow_response_timeout_s if is_slow else config.response_timeout_s
        between_s = config.slow_response_timeout_s if is_slow else config.idle_timeout_s
        return UpstreamRequest(
            exchange.method,
            exchange.upstream_target or exchange.target.raw,
            headers,
            body,
            lane,
            answer_s,
            between_s,
            holder(exchange.client),
        )

    async def _answer(self, exchange: Exchange, response: UpstreamResponse) -> Answer:
        status, headers = response.status, answer_headers(response.headers)
        if exchange.method == "HEAD" or status in (204, 304):
            length = response.length
            response.close()
            return Answer(status, headers, b"", length=length)
        if _is_event_stream(headers):
            return Answer(status, headers, EventStream(response, self._streams), is_event_stream=True)
        length = response.length
        if length is not None and length <= WHOLE_BYTES:
            return Answer(status, headers, await response.read())
        if length is None and exchange.operation.kind not in _PASSED_ON:
            return await _collected(Answer(status, headers), response)
        return Answer(status, headers, response, length=length)


class _Upload:
    """A request body on its way up; remembers why it broke off, of which the library only says that."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self.length = body.length
        self.error: Exception | None = None

    def whole(self) -> bytes | None:
        return self._body.in_memory if isinstance(self._body, SpooledBody | Encoded) else None

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._body.chunks():
                yield piece
        except Exception as exc:
            self.error = exc
            raise


async def _collected(answer: Answer, response: UpstreamResponse) -> Answer:
    """A body of unknown length: whole if it turns out small, else its beginning and the rest as a stream."""
    beginning, is_whole = await response.beginning()
    answer.body = beginning if is_whole else Prefixed([beginning], response, response.chunks())
    return answer


def _is_event_stream(headers: list[Header]) -> bool:
    content_type = header(headers, b"content-type")
    return content_type is not None and content_type.lower().startswith(b"text/event-stream")
