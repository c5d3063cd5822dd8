"""How a stored response is told to a client: conditional requests (RFC 9110 §13) and header lines."""

import re
from itertools import compress, product

from multidict import CIMultiDictProxy

from hapta.cache.stored import Stored
from hapta.model.exchange import Header

_ENTITY_TAG = re.compile(r'[ \t]*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|\Z)|[ \t]*,')

_VARY = {
    chosen: (b"Vary", b", ".join(compress((b"Origin", b"Authorization", b"Accept-Encoding"), chosen)))
    for chosen in product((False, True), repeat=3)
}
_CACHE_CONTROL = {
    False: (b"Cache-Control", b"no-cache"),
    True: (b"Cache-Control", b"private, no-cache"),
}
_LONGEST = 1024
"""Characters that are looked through: a hit is not to cost a hundred times as much by a header of 32 KiB."""


def if_none_match(headers: CIMultiDictProxy[str]) -> str | None:
    """All ``If-None-Match`` lines, joined by commas; ``None`` without any."""
    return ", ".join(headers.getall("If-None-Match")) if "If-None-Match" in headers else None


def not_modified(stored: Stored, condition: str | None) -> bool:
    """Whether the client holds these very bytes; ``condition`` as of :func:`matches`."""
    # §13.2.1: conditions are for what would be a 2xx
    return condition is not None and stored.status == 200 and matches(stored.etag, condition)


def matches(entity_tag: bytes, condition: str | None) -> bool:
    """Whether an entity tag is among those the client holds (RFC 9110 §13.1.2, weak comparison).

    Args:
        condition: as of :func:`if_none_match`. What is not a list of entity tags counts as none, and so does
            what is longer than anybody's honest list.
    """
    if condition is None or len(condition) > _LONGEST:
        return False
    if condition.strip(" \t") == "*":
        return True
    etag, position, found = entity_tag.decode(), 0, False
    while position < len(condition):
        match = _ENTITY_TAG.match(condition, position)
        if match is None:
            return False
        found = found or match[1] == etag
        position = match.end()
    return found


def answer_headers(
    stored: Stored,
    *,
    is_private: bool,
    reads_authorization: bool = False,
    varies_by_coding: bool = False,
    now: float,
    is_304: bool = False,
) -> list[Header]:
    """The header lines of an answer from the store, without ``Cache-Status`` and CORS.

    Args:
        is_private: the partition is one identity.
        reads_authorization: the partition depends on who asks.
        varies_by_coding: there may be a gzip variant, now or later.
        now: monotonic seconds.
        is_304: only what a 304 must have (RFC 9110 §15.4.5); it has no body.
    """
    lines = [] if is_304 else list(stored.headers)
    lines += ((b"ETag", stored.etag), _CACHE_CONTROL[is_private])
    varies = stored.varies_by_origin, is_private or reads_authorization, varies_by_coding
    if True in varies:
        lines.append(_VARY[varies])
    age_s = int(now - stored.stored_at)
    lines.append((b"Age", b"%d" % age_s if age_s > 0 else b"0"))
    return lines
