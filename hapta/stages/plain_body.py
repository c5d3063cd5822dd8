"""The body of a record write, where it is one that PocketBase reads without an error, for certain."""

import json
from typing import Any, Final, NoReturn

import orjson

from hapta.model.exchange import Exchange

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
        orjson.loads(text)  # strict about UTF-8 and surrogates
        value = json.loads(
            text, object_pairs_hook=_once, parse_int=_small, parse_float=_small, parse_constant=_no
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Go refuses an object that has a name twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _small(text: str) -> float:
    """Go refuses numbers beyond its range."""
    if len(text) > 30 or abs(value := float(text)) > 1e300:
        raise ValueError("a number without measure")
    return value


def _no(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
