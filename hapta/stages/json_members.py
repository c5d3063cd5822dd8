"""The members of a small JSON object that a client sends: what a write asks for, as far as it is plain."""

from collections.abc import Mapping
from typing import Any

import orjson

from hapta.model.exchange import Exchange

_MOST_BYTES = 256 * 1024


async def json_members(exchange: Exchange) -> Mapping[str, Any] | None:
    """The body of a request, held whole, as an object; ``None`` for one that is larger, or no JSON object.

    Of a name that stands twice the last value counts, as at PocketBase.
    """
    body = exchange.body
    if body is None or body.length is None or not 0 < body.length <= _MOST_BYTES:
        return None
    if not exchange.headers.get("Content-Type", "").startswith("application/json"):
        return None
    try:
        members = orjson.loads(b"".join([piece async for piece in body.chunks()]))
    except orjson.JSONDecodeError:
        return None
    return members if isinstance(members, dict) else None
