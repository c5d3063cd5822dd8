"""The request that fetches for the cache, and the answer as it came.

It is made anew, with nothing of the client's but its address and what the plan's key names: no other header
may shape an answer that somebody else will get. It goes the inner way like any other request.
"""

from collections.abc import Callable
from dataclasses import dataclass

from multidict import CIMultiDict, CIMultiDictProxy

from hapta.cache.key import keyed_headers
from hapta.model.exchange import Answer, AnswerStream, Exchange, Handler, Header
from hapta.model.target import parse_target
from hapta.stages.lookup import Look
from hapta.stages.streams import Prefixed

_CORS = b"access-control-"


@dataclass(frozen=True, slots=True)
class Fetched:
    """PocketBase's answer, without the lines meant for one origin.

    Attributes:
        body: whole, or a stream where it is larger than may be stored: then only the reader who asked has it.
    """

    status: int
    headers: tuple[Header, ...]
    body: bytes | AnswerStream
    length: int | None


def fill_request(exchange: Exchange, look: Look, host: str) -> Exchange:
    """The request that fetches what is planned.

    Args:
        exchange: of the reader who asks; of its client only the address is taken, and the request id.
        look: what is planned, and as whom it is asked.
        host: the ``Host`` field, the same for everybody.
    """
    headers: CIMultiDict[str] = CIMultiDict({"Host": host})
    for name, value in keyed_headers(look.plan, exchange.headers):
        headers.add(name, value)
    caller = look.caller
    return Exchange(
        method="GET",
        target=parse_target(look.plan.target, host),
        operation=exchange.operation,
        headers=CIMultiDictProxy(headers),
        body=exchange.body,
        scheme=exchange.scheme,
        peer=exchange.peer,
        client=exchange.client,
        is_peer_trusted=False,
        is_admin_client=exchange.is_admin_client,
        request_id=exchange.request_id,
        on_client_gone=nobody_leaves,
        identity=caller,
        authorization=None if caller is None else caller.upstream_token,
        shaped_for=look.auth_fields,
    )


async def ask(request: Exchange, forward: Handler, max_body_bytes: int) -> Fetched:
    """Send it the inner way.

    Args:
        max_body_bytes: a larger body stays a stream.

    Raises:
        HaptaError: no answer.
    """
    answer = await forward(request)
    headers = tuple(line for line in answer.headers if not line[0].lower().startswith(_CORS))
    await gather(answer, max_body_bytes)
    return Fetched(answer.status, headers, answer.body, answer.length)


async def gather(answer: Answer, max_bytes: int) -> None:
    """Read the body of an answer whole, in place; one of more bytes stays a stream.

    Raises:
        HaptaError: it broke off.
    """
    body = answer.body
    if isinstance(body, bytes) or (answer.length is not None and answer.length > max_bytes):
        return
    pieces: list[bytes] = []
    size = 0
    more = body.chunks()
    async for piece in more:
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            answer.body = Prefixed(pieces, body, more)
            return
    answer.body, answer.length = b"".join(pieces), None


def nobody_leaves(callback: Callable[[], None]) -> Callable[[], None]:
    """Nobody in particular waits for a fetch, so nobody's leaving ends it."""
    del callback
    return _nothing


def _nothing() -> None:
    """Nothing was registered."""
