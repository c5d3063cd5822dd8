r"""Values in filters: ``{:name}`` is replaced by what stands for the value in PocketBase's language.

As the JavaScript SDK's ``pb.filter`` does it, with two differences. A backslash is escaped as well: the SDK
writes ``\'`` as ``\\'``, which ends the text, and the rest of the value would be read as a filter. And all
names are replaced in one go, so a value that looks like a placeholder stays a value.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import orjson

_PLACEHOLDER: Final = re.compile(r"\{:([A-Za-z0-9_]+)\}")
_UNREADABLE: Final = re.compile("[\0\ud800-\udfff]")


def filled_in(filter: str, params: Mapping[str, Any]) -> str:
    """The filter with its values.

    Args:
        filter: with placeholders, none of them within quotes.
        params: texts, numbers, booleans, ``None``, moments with a time zone, and what JSON takes.

    Raises:
        ValueError: a value is missing, or cannot be written in a filter.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in params:
            raise ValueError(f"the filter has {found[0]}, the params have no {found[1]}")
        return quoted(params[found[1]])

    return _PLACEHOLDER.sub(value, filter)


def quoted(value: Any) -> str:
    """One value as it is written in a filter.

    Raises:
        ValueError: it cannot be.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be written in a filter")
        return format(Decimal(repr(value)), "f")  # PocketBase knows no exponents
    text = value if isinstance(value, str) else _text(value)
    if _UNREADABLE.search(text):
        raise ValueError("a NUL or half a character cannot be written in a filter")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def date_text(moment: datetime) -> str:
    """As PocketBase writes dates.

    Raises:
        ValueError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment in a filter needs a time zone")
    return moment.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return date_text(value)
    try:
        return orjson.dumps(value).decode()
    except TypeError as exc:
        raise ValueError(f"{type(value).__name__} cannot be written in a filter") from exc
