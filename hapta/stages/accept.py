"""Outermost: every answer leaves with the request id, and browsers may read Hapta's own headers."""

from hapta.model.errors import HaptaError
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.server.transmit import error_answer
from hapta.upstream.headers import header

EXPOSED = b"X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, Cache-Status, ETag"
"""What a page's script may see besides the CORS-safelisted fields (Fetch standard, §3.3.6)."""


async def accept(exchange: Exchange, forward: Handler) -> Answer:
    """Turn what the stages refuse into an answer in PocketBase's form, and label every answer."""
    try:
        answer = await forward(exchange)
    except HaptaError as error:
        answer = error_answer(error)
        if "Origin" in exchange.headers:
            # a page must be able to read why it was refused; Hapta's own errors hold nothing of anybody's
            answer.headers.append((b"Access-Control-Allow-Origin", b"*"))
    answer.headers.append((b"X-Request-Id", exchange.request_id.encode()))
    if "Origin" in exchange.headers:
        _expose(answer)
    return answer


def _expose(answer: Answer) -> None:
    headers = answer.headers
    if header(headers, b"access-control-allow-origin") is None:
        return
    given = header(headers, b"access-control-expose-headers")
    if given is None:
        headers.append((b"Access-Control-Expose-Headers", EXPOSED))
        return
    if given.strip() == b"*":
        return
    name = b"access-control-expose-headers"
    headers[:] = [line for line in headers if line[0].lower() != name]
    headers.append((b"Access-Control-Expose-Headers", given + b", " + EXPOSED))
