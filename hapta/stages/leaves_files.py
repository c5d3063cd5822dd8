"""Whether an update certainly leaves a record's files as they are.

A like changes a post and not its pictures: they need not be asked for again. Certain it is of a JSON object
of which no member's name has the name of a file field in it (PocketBase reads ``cover``, ``cover+``,
``cover-`` and ``+cover``; JSON cannot bring files, but it can take some away).
"""

from collections.abc import Collection as Several

import orjson

from hapta.model.exchange import Exchange

_MOST_BYTES = 256 * 1024


async def leaves_files(exchange: Exchange, fields: Several[str]) -> bool:
    """Whether an update of a record changes none of its files.

    Args:
        exchange: a PATCH of a record, its body held whole.
        fields: names of the collection's file fields.
    """
    if not fields:
        return True
    body = exchange.body
    if body is None or body.length is None or not 0 < body.length <= _MOST_BYTES:
        return False
    if not exchange.headers.get("Content-Type", "").startswith("application/json"):
        return False
    try:
        members = orjson.loads(b"".join([piece async for piece in body.chunks()]))
    except orjson.JSONDecodeError:
        return False
    if not isinstance(members, dict):
        return False
    folded = [field.casefold() for field in fields]
    return not any(field in name.casefold() for name in members for field in folded)
