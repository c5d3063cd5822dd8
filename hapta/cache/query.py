"""The query string as PocketBase reads it, and one canonical form of it.

PocketBase takes ``net/url``'s reading: pairs are split at ``&`` alone, a pair with a ``;`` or an escape that
does not decode is dropped without a word, ``+`` is a space, and of a repeated name the first value counts.
Whoever reads it otherwise (``urllib`` keeps broken escapes) would plan for another request than the one that
is answered.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

MAX_LENGTH = 12_288
"""Characters of a query that are looked at; a filter of 3,500 bytes fits in, escaped as it may be."""
MAX_PAIRS = 64

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Query:
    """A query, read.

    Attributes:
        values: the first value of each name, in order of appearance.
        is_plain: nothing was dropped and no name came twice, so ``values`` tells all that was sent.
    """

    values: Mapping[str, str]
    is_plain: bool = True


_EMPTY = Query({})


def _decode(text: str) -> str | None:
    """One name or value, or ``None`` for bytes that are not UTF-8 or hold a NUL."""
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text or not text.isascii():
        try:
            text = unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
        except UnicodeError:
            return None
    return None if "\0" in text else text


def parse_query(raw: str) -> Query | None:
    """Read a query as ``net/url`` does.

    Args:
        raw: what stands after the ``?``, escapes kept.

    Returns:
        ``None`` for what cannot be had in a canonical form: too long, too many pairs, not UTF-8.
    """
    if not raw:
        return _EMPTY
    if len(raw) > MAX_LENGTH or raw.count("&") >= MAX_PAIRS:
        return None
    values: dict[str, str] = {}
    is_plain = True
    for pair in raw.split("&"):
        if not pair:
            continue
        if ";" in pair or _BAD_ESCAPE.search(pair):
            is_plain = False
            continue
        raw_name, _, raw_value = pair.partition("=")
        name, value = _decode(raw_name), _decode(raw_value)
        if name is None or value is None:
            return None
        if name in values:
            is_plain = False
        else:
            values[name] = value
    return Query(values, is_plain)


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """The one way in which these pairs are written; reading it gives them back."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
