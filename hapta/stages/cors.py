"""Preflights answered from what PocketBase said to the same origin a moment ago.

A browser asks before almost every request with an ``Authorization`` header. PocketBase answers the same to
every preflight of an origin but for echoing the headers asked for (``apis/middlewares_cors.go``), so its
answer is learned per origin for ``cors.memo_s`` and lasts ``cors.max_age_s`` in the browser. Routes nobody
knows may bring their own CORS; their preflights always go to PocketBase.
"""

from dataclasses import dataclass

from cachetools import TTLCache

from hapta.config import CorsConfig
from hapta.model.clock import Clock
from hapta.model.concerns import only_for
from hapta.model.exchange import Answer, Exchange, Handler, Header, Stage
from hapta.model.operation import OperationClass, classify, is_own_path
from hapta.stages.ranked_request import feed_in_path
from hapta.upstream.headers import header

_ALLOW_ORIGIN = b"access-control-allow-origin"
_ALLOW_HEADERS = b"access-control-allow-headers"
_NOT_LEARNED = frozenset(
    {b"date", _ALLOW_HEADERS, b"access-control-max-age", b"x-request-id", b"content-length"}
)
MAX_ORIGIN_BYTES = 512


@dataclass(frozen=True, slots=True)
class _Learned:
    """PocketBase's answer to the preflights of one origin."""

    status: int
    headers: tuple[Header, ...]


_OWN_GRANT = _Learned(
    204,
    (
        (b"Access-Control-Allow-Origin", b"*"),
        (b"Access-Control-Allow-Methods", b"GET,HEAD,POST,DELETE"),
        (b"Vary", b"Origin"),
    ),
)
"""Hapta's own routes take a token in a header and no cookie: a page of any origin may ask, as at PocketBase.
"""


def _is_preflight(exchange: Exchange) -> bool:
    headers = exchange.headers
    return (
        exchange.operation.kind is OperationClass.PREFLIGHT
        and "Origin" in headers
        and "Access-Control-Request-Method" in headers
        and exchange.body is None
    )


def _is_known_route(exchange: Exchange) -> bool:
    method = exchange.headers["Access-Control-Request-Method"]
    return classify(method, exchange.target.segments).kind is not OperationClass.UNKNOWN


def preflights(config: CorsConfig, clock: Clock) -> Stage:
    """Answers preflights from the memo and learns from PocketBase.

    Args:
        config: the ``[cors]`` table.
        clock: monotonic time for the memo.
    """
    memo: TTLCache[str, _Learned] = TTLCache(config.memo_origins, config.memo_s, timer=clock.monotonic)
    max_age = b"%d" % config.max_age_s

    @only_for(OperationClass.PREFLIGHT, OperationClass.OWN)
    async def cors(exchange: Exchange, forward: Handler) -> Answer:
        if not _is_preflight(exchange):
            answer = await forward(exchange)
            is_own = exchange.operation.kind is OperationClass.OWN and feed_in_path(exchange) is None
            if is_own and "Origin" in exchange.headers:  # rows of a ranked feed have PocketBase's own lines
                answer.headers.append((b"Access-Control-Allow-Origin", b"*"))
            return answer
        origin = exchange.headers["Origin"]
        is_known = len(origin) <= MAX_ORIGIN_BYTES and _is_known_route(exchange)
        learned = memo.get(origin) if is_known else None
        if is_own_path(exchange.target.segments):
            learned = _OWN_GRANT
        # empty asks for nothing; bytes that are not UTF-8 are bytes all the same
        asked = exchange.headers.get("Access-Control-Request-Headers", "").encode("utf-8", "surrogateescape")
        if learned is not None:
            answer = Answer(learned.status, list(learned.headers))
            if asked:
                answer.headers.append((b"Access-Control-Allow-Headers", asked))
        else:
            answer = await forward(exchange)
            if not _is_grant(answer):
                return answer
            echoes = header(answer.headers, _ALLOW_HEADERS) == (asked or None)
            if is_known and echoes:
                kept = tuple(line for line in answer.headers if line[0].lower() not in _NOT_LEARNED)
                memo[origin] = _Learned(answer.status, kept)
        if header(answer.headers, b"access-control-max-age") is None:
            answer.headers.append((b"Access-Control-Max-Age", max_age))
        return answer

    return cors


def _is_grant(answer: Answer) -> bool:
    return answer.status == 204 and not answer.body and header(answer.headers, _ALLOW_ORIGIN) is not None
