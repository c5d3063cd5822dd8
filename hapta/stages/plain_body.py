"""The body of a record write, where it is one that PocketBase reads without an error, for certain."""

from typing import Any, Final

from hapta.model.exchange import Exchange
from hapta.records import strict_json

MAX_BODY_BYTES: Final = 16 * 1024
"""A longer body is not read here to save PocketBase from reading it."""


async def plain_body(exchange: Exchange) -> bytes | None:
    """The bytes of a body that says it is JSON and is not long; empty where there is none.

    Returns:
        ``None`` where it is another.
    """
    body = exchange.body
    if body is None or body.length == 0:
        return b""
    types = exchange.headers.getall("Content-Type", [])
    if len(types) != 1 or types[0].partition(";")[0].strip() != "application/json":
        return None
    if body.length is None or body.length > MAX_BODY_BYTES:
        return None
    return b"".join([piece async for piece in body.chunks()])


def plain_members(text: bytes) -> dict[str, Any] | None:
    """The members of one JSON object that Go reads as we do; none where the body is empty.

    Returns:
        ``None`` where it is no such object.
    """
    if not text:
        return {}
    try:
        value = strict_json.parse(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
