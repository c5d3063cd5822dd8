"""From a parsed request to an answer on the wire: the one handler behind aiohttp's low-level server.

No router and no middleware: the path grammar is PocketBase's. Framing that two parsers could read differently
is refused here, before anything else looks at the request (RFC 9112 §6, §11.2).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from hapta.model.clock import Clock
from hapta.model.errors import (
    BadFraming,
    ExpectationFailed,
    HaptaError,
    HeadersTooLarge,
    Overloaded,
    TargetTooLong,
    UnsupportedTransferCoding,
)
from hapta.model.exchange import Answer, ClientGone, Exchange, Handler
from hapta.model.operation import Operation, OperationClass, classify
from hapta.model.target import Target, parse_target
from hapta.server.body import IncomingBody
from hapta.server.head import Head, RawHeaders
from hapta.server.protocol import (
    WRITTEN_AND_CLOSING,
    WRITTEN_AND_OPEN,
    Connection,
    Reception,
    new_request_id,
)
from hapta.server.transmit import Transmitter, error_answer

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

_VERSIONS = ((1, 0), (1, 1))
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REMEMBERED_CHARS = 512
CLIENT_LEFT = 0
"""Status in the log of a request whose client was gone before its answer began."""


@dataclass(slots=True)  # frozen ones cost twice as much to make, and one is made for every request
class Finished:
    """One request, over; for log and metrics.

    Attributes:
        seconds: from the request's head to the last byte of the answer.
        upstream_s: of these, waiting for PocketBase; 0.0 when it was not asked.
        status: of the answer, :data:`CLIENT_LEFT` when nobody was there to read it.
        cache: what the cache did with it; empty for what does not concern it.
    """

    request_id: str
    method: str
    target: str
    status: int
    sent_bytes: int
    seconds: float
    upstream_s: float
    kind: OperationClass
    client: str
    reason: str
    cache: str = ""


class Front:
    """Answers requests.

    Attributes:
        handle: the pipeline; set before the first connection is accepted.
        transmitter: writes the answers.
        under_way: requests being answered now.

    Args:
        reception: what the connections share.
        transmitter: writes answers.
        clock: for durations.
        on_finished: told of every request.
        on_crash: told of an exception nobody expected, with the request id.
        on_untrusted_forwarding: told the peer of a request that speaks of a hop before a peer we do not
            trust.
    """

    def __init__(
        self,
        reception: Reception,
        transmitter: Transmitter,
        clock: Clock,
        *,
        on_finished: Callable[[Finished], None],
        on_crash: Callable[[str, BaseException], None],
        on_untrusted_forwarding: Callable[[str], None],
    ) -> None:
        self._reception = reception
        self.handle: Handler = _not_yet
        self.transmitter = transmitter
        self._clock = clock
        self._on_finished = on_finished
        self._on_crash = on_crash
        self._on_untrusted_forwarding = on_untrusted_forwarding
        self.under_way = 0

    async def __call__(self, request: BaseRequest) -> StreamResponse:
        """Answer one request; what aiohttp gets back already stands on the wire."""
        connection = cast("Connection", request.protocol)
        self.under_way += 1
        keeps = False
        try:
            keeps = await self._answer(request, connection)
        finally:
            self.under_way -= 1
            keeps = connection.answered(keeps=keeps)
        return cast("StreamResponse", WRITTEN_AND_OPEN if keeps else WRITTEN_AND_CLOSING)

    async def _answer(self, request: BaseRequest, connection: Connection) -> bool:
        started = self._clock.monotonic()
        alone = connection.take_alone()
        request_id = self._request_id(request)
        exchange: Exchange | None = None
        keep_alive = request.keep_alive
        answer, reason = Answer(CLIENT_LEFT), ""
        try:
            try:
                exchange = self._exchange(request, connection, request_id)
                exchange.is_repeatable = alone is not None and not _is_told_by_stranger(connection)
                answer = await self.handle(exchange)
            except HaptaError as error:
                answer = error_answer(error)
                answer.headers.append((b"X-Request-Id", request_id.encode()))
            except ClientGone:
                raise
            except Exception as exc:
                self._on_crash(request_id, exc)
                answer = error_answer(HaptaError())
                answer.headers.append((b"X-Request-Id", request_id.encode()))
            if self._reception.is_draining:
                keep_alive = False
            elif exchange is None or exchange.headers.get("Upgrade"):
                keep_alive = False  # where the next request would begin is not ours to guess
            reason = answer.reason
            keep_alive = await self.transmitter.send(
                answer,
                connection,
                method=request.method,
                is_http_11=request.version >= (1, 1),
                keep_alive=keep_alive,
            )
            if alone is not None and answer.basis is not None and exchange is not None and keep_alive:
                connection.learn(alone, exchange, answer)
        except ClientGone:
            keep_alive, reason = False, "client_gone"
        except HaptaError as error:
            keep_alive, reason = False, error.code
        except Exception as exc:
            self._on_crash(request_id, exc)
            connection.abort()  # the answer has begun: another one in its middle would be a lie
            keep_alive = False
        finally:
            self._on_finished(
                Finished(
                    request_id,
                    request.method,
                    exchange.target.raw if exchange else request.raw_path,
                    answer.status if answer.is_begun else CLIENT_LEFT,
                    answer.sent_bytes,
                    self._clock.monotonic() - started,
                    exchange.upstream_s if exchange else 0.0,
                    exchange.operation.kind if exchange else OperationClass.UNKNOWN,
                    connection.head.client_text if exchange and connection.head else connection.peer_text,
                    reason,
                    exchange.cache if exchange else "",
                )
            )
        return keep_alive

    @staticmethod
    def _request_id(request: BaseRequest) -> str:
        given = request.headers.get("X-Request-Id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given
        return new_request_id()

    def _exchange(self, request: BaseRequest, connection: Connection, request_id: str) -> Exchange:
        raw_path, method = request.raw_path, request.method
        if len(raw_path) > self._reception.config.max_target_bytes:
            raise TargetTooLong
        head, raw_headers = connection.head, request.raw_headers
        if (
            head is None
            or method == "CONNECT"
            or not head.is_of(raw_headers, request.version, self._reception)
        ):
            head = self._head(request, connection, raw_headers)
        if len(raw_path) <= _REMEMBERED_CHARS and raw_path.startswith("/"):
            target, operation = _understood(method, raw_path)
        else:
            target = parse_target(raw_path, request.headers.get("Host", ""))
            operation = classify(method, target.segments)
        if head.is_forwarded_by_stranger:
            self._on_untrusted_forwarding(connection.peer_text)
        body = self._body(request, connection, head) if request.body_exists else None
        return Exchange(
            method,
            target,
            operation,
            request.headers,
            body,
            head.scheme,
            connection.peer,
            head.client,
            connection.is_peer_trusted,
            head.is_admin,
            request_id,
            connection.on_gone,
        )

    def _head(self, request: BaseRequest, connection: Connection, raw_headers: RawHeaders) -> Head:
        """What the header fields say of the connection; remembered where the next request can say the same.

        Raises:
            HaptaError: they cannot be accepted.
        """
        headers, reception = request.headers, self._reception
        if sum(len(name) + len(value) + 4 for name, value in raw_headers) > reception.config.max_header_bytes:
            raise HeadersTooLarge
        if request.version not in _VERSIONS or request.method == "CONNECT":
            raise BadFraming  # no head of its own, frames of another kind, or a tunnel: not what follows here
        _check_transfer_coding(headers, request.version)
        head = Head.of(
            raw_headers, request.version, headers, connection, reception, _expects_continue(headers)
        )
        connection.head = head
        return head

    def _body(self, request: BaseRequest, connection: Connection, head: Head) -> IncomingBody:
        config, length = self._reception.config, request.headers.get("Content-Length")
        return IncomingBody(
            request,
            connection,
            int(length) if length is not None else None,
            expects_continue=head.expects_continue and request.version >= (1, 1),
            min_bytes_per_s=config.body_min_bytes_per_s,
            grace_s=config.body_grace_s,
            clock=self._clock,
        )


@lru_cache(maxsize=2048)
def _understood(method: str, raw_path: str) -> tuple[Target, Operation]:
    """The same few targets are asked for again and again; those in origin form need no ``Host``."""
    target = parse_target(raw_path, "")
    return target, classify(method, target.segments)


def _is_told_by_stranger(connection: Connection) -> bool:
    """Each request that speaks of somebody else without being one of our proxies is counted."""
    return connection.head is None or connection.head.is_forwarded_by_stranger


async def _not_yet(exchange: Exchange) -> Answer:
    raise Overloaded


def _check_transfer_coding(headers: "CIMultiDictProxy[str]", version: tuple[int, int]) -> None:
    codings = headers.getall("Transfer-Encoding", ())
    if not codings:
        return
    if version < (1, 1):
        raise BadFraming  # RFC 9112 §6.1: chunked in HTTP/1.0 is a smuggling sign
    if len(codings) > 1 or codings[0].strip().lower() != "chunked":
        raise UnsupportedTransferCoding


def _expects_continue(headers: "CIMultiDictProxy[str]") -> bool:
    expect = headers.get("Expect")
    if expect is None:
        return False
    if expect.strip().lower() != "100-continue":
        raise ExpectationFailed
    return True
