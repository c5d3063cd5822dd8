"""How PocketBase takes a JSON value for a text, a number, a truth or several texts (``spf13/cast``).

Measured on 0.40.6, and only what was: whatever is cast otherwise, or might be in the next release, is not
known. Numbers are Go's float64 whatever they look like.
"""

import re
from typing import Any, Final

from hapta.validation.verdicts import UNKNOWN, Unknown

_PLAIN_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,10})?")
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_LARGEST: Final = 1e15
_SMALLEST: Final = 1e-4
_MOST: Final = 1e300


def number_text(value: float) -> str | Unknown:
    """Digits of a number without an exponent."""
    if value == 0:
        return UNKNOWN if str(value).startswith("-") else "0"
    if not _SMALLEST <= abs(value) < _LARGEST:
        return UNKNOWN
    return str(int(value)) if value == int(value) else repr(float(value))


def text(value: Any) -> str | Unknown:
    """As a text; whatever is no scalar is the empty one."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, int | float) else ""


def number(value: Any) -> float | Unknown:
    """As a number; what cannot be read as one is 0."""
    if isinstance(value, int | float):
        return float(value) if abs(value) <= _MOST else UNKNOWN
    if not isinstance(value, str):
        return 0.0
    if _PLAIN_NUMBER.fullmatch(value):
        return float(value)
    # "inf" and "nan" are numbers to Go, "1_0" and "0x1p-2" too
    is_word = value.isascii() and not any(letter in "0123456789iInN" for letter in value)
    return 0.0 if is_word else UNKNOWN


def truth(value: Any) -> bool:
    """As true or false."""
    if isinstance(value, str):
        return value in _TRUE
    return isinstance(value, int | float) and value != 0


def texts(value: Any, *, is_multiple: bool) -> list[str] | Unknown:
    """As a set of texts that are not empty, in their order: what a select or relation field holds.

    A text with ``[`` in it may be taken for JSON: not known. Of several values a single field takes the last.
    """
    if isinstance(value, list):
        found: dict[str, None] = {}
        for one in value:
            as_text = text(one)
            if isinstance(as_text, Unknown):
                return UNKNOWN
            if as_text:
                found[as_text] = None
        chosen = list(found)
        if is_multiple:
            return chosen
        return UNKNOWN if chosen and "[" in chosen[-1] else chosen[-1:]
    as_text = text(value)
    if isinstance(as_text, Unknown) or "[" in as_text:
        return UNKNOWN
    return [as_text] if as_text else []
