"""``Cache-Status`` (RFC 9211): what the cache did with a request; tells nothing of the key or the user."""

import math
import re
from collections.abc import Iterable
from enum import StrEnum

from hapta.model.exchange import Header

_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")


class Hit(StrEnum):
    """How an answer came to be without PocketBase."""

    SHARED = "shared"
    """It is stored, for all who may have it."""
    PRIVATE = "private"
    """It is stored for one caller."""
    OVERLAY = "overlay"
    """It was made of what others share, with the caller's own e-mail put in."""
    PATCHED = "patched"
    """It was stored, and brought up to date with what own writes did since."""
    REFILLED = "refilled"
    """A view, made of what an own write answered."""
    FROM_LIST = "from-list"
    """It was made of records that other stored answers show."""
    STALE_IF_ERROR = "stale-if-error"
    """It is stale, and PocketBase did not answer."""
    STALE_WHILE_REVALIDATE = "stale-while-revalidate"
    """It is stale, and being fetched anew."""

    __hash__ = str.__hash__  # Enum's own is a function in Python


_PLAIN = (Hit.SHARED, Hit.PRIVATE)


class Forward(StrEnum):
    """Why a request went on to PocketBase (§2.2)."""

    URI_MISS = "uri-miss"
    """Nothing is stored for this target."""
    VARY_MISS = "vary-miss"
    """Something is, for other callers or headers."""
    STALE = "stale"
    """What is stored is too old, or something it depends on was written."""
    BYPASS = "bypass"
    """It is never stored, or not now."""
    METHOD = "method"
    """The method asks for more than a read."""
    REQUEST = "request"
    """The client asked for a fresh answer."""


def hit(ttl_s: float, how: Hit = Hit.SHARED) -> bytes:
    """Served without PocketBase.

    Args:
        ttl_s: seconds for which it stays fresh; negative where it is stale and served all the same.
        how: said where it is more than to look it up.
    """
    value = b"hapta; hit; ttl=%d" % math.floor(ttl_s)
    return value if how in _PLAIN else value + f"; detail={how}".encode()


def forwarded(
    why: Forward, *, is_stored: bool = False, is_collapsed: bool = False, detail: str = ""
) -> bytes:
    """Asked PocketBase.

    Args:
        is_stored: its answer was put into the store.
        is_collapsed: another request's fetch answered this one as well (§2.6).
        detail: a word of ours, such as the reason of a by-pass.

    Raises:
        ValueError: ``detail`` is not a token (RFC 9651 §3.3.4).
    """
    value = f"hapta; fwd={why}"
    if is_stored:
        value += "; stored"
    if is_collapsed:
        value += "; collapsed"
    if detail:
        if not _TOKEN.fullmatch(detail):
            raise ValueError("the detail of a Cache-Status is a token")
        value += f"; detail={detail}"
    return value.encode()


def with_status(headers: Iterable[Header], value: bytes) -> list[Header]:
    """The header lines with ours added; what a cache nearer to the origin said stays, before it (§2)."""
    return [*headers, (b"Cache-Status", value)]
