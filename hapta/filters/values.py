"""The values PocketBase's language compares: a text, a number, or NULL; or one that is not known.

Not known is:

* a number between 2^53 and 2^63: whether it is stored as an integer, of which a row shows only the nearest
  float;
* a text with NUL, U+FFFD or a lone surrogate: what is stored may be other bytes.
"""

import re
from enum import Enum, auto
from typing import Final, TypeAlias


class Unknown(Enum):
    """The value that is not known."""

    UNKNOWN = auto()


UNKNOWN: Final = Unknown.UNKNOWN
Value: TypeAlias = str | float | None
PLAIN_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
"""A number of an expression that SQLite reads as the float it looks like."""

_LEAST_UNSURE, _GREATEST_UNSURE = 2.0**53, 2.0**63
_UNSURE_TEXT = re.compile("[\0\ufffd\ud800-\udfff]")


def is_sure(text: str) -> bool:
    """Whether it is stored as these very characters."""
    return _UNSURE_TEXT.search(text) is None


def lower(text: str) -> str:
    """As SQLite folds case: ASCII letters only."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def text_value(value: object) -> str | Unknown:
    """What a row shows of a text-like field."""
    return value if isinstance(value, str) and is_sure(value) else UNKNOWN


def number_value(value: object) -> float | Unknown:
    """What a row shows of a number field."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return UNKNOWN
    try:
        number = float(value)
    except OverflowError:
        return UNKNOWN
    is_unsure = _LEAST_UNSURE <= abs(number) <= _GREATEST_UNSURE or number != number
    return UNKNOWN if is_unsure else number


def truth_value(value: object) -> float | Unknown:
    """What a row shows of a bool field."""
    return float(value) if isinstance(value, bool) else UNKNOWN


def any_value(value: object) -> Value | Unknown:
    """What is shown of a field of whichever of these types; lists and objects are not known."""
    if value is None:
        return None
    if isinstance(value, str):
        return text_value(value)
    return truth_value(value) if isinstance(value, bool) else number_value(value)
