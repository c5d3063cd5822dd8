"""What PocketBase stores for a value it is given.

Sources: PocketBase ``core/field_*.go`` (PrepareValue, setters), ``tools/list`` ToUniqueStringSlice,
``tools/types`` DateTime and GeoPoint, ``github.com/spf13/cast``; each line of it measured. PocketBase sets
a value several times on its way (``ReplaceModifiers``, ``form.Load``, DriverValue), so a value counts as
known only where setting it again does not change it.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from hapta.records import strict_json
from hapta.records.errors import Unsure
from hapta.records.forms import format_number

_DECIMAL = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?")
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_NUMBER_LIKE = re.compile(r"[0-9A-Za-z ,:+.-]*")
_GO_ONLY = frozenset(chr(code) for code in range(0x20)) - frozenset("\b\f\n\r\t") | {"\x7f"}


def normalise(field: Mapping[str, Any], value: Any) -> Any:
    """The value PocketBase stores in ``field``, as its API shows it.

    Args:
        field: of a collection, as in PocketBase's API.
        value: as read from a body (:mod:`hapta.records.body`), without modifier.

    Raises:
        Unsure: it is not known for certain.
    """
    of_type = _TYPES.get(field["type"])
    if of_type is None:
        raise Unsure(f"a field of type {field['type']}")
    return of_type(field, value)


def to_text(value: Any) -> str:
    """Go ``cast.ToString`` of a JSON value."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return format_number(value)
    return ""


def to_number(value: Any) -> int | float:
    """Go ``cast.ToFloat64`` of a JSON value.

    Raises:
        Unsure: a text that is no plain decimal number.
    """
    match value:
        case bool() | int() | float():
            return strict_json.exact(float(value) + 0.0)  # no negative zero
        case str() if value:
            if not _DECIMAL.fullmatch(value):
                raise Unsure("a number written oddly")
            number = float(value)
            if abs(number) == float("inf"):
                raise Unsure("a number beyond a double")
            return strict_json.exact(number + 0.0)
    return 0


def to_texts(value: Any) -> list[str]:
    """PocketBase ``list.ToUniqueStringSlice`` of a JSON value.

    Raises:
        Unsure: a text that might be taken for a JSON list.
    """
    match value:
        case str() if "[" in value:
            found = _listed(value)
        case list():
            if any(isinstance(item, list | dict) for item in value):
                return []
            found = [to_text(item) for item in value]
        case _:
            found = [to_text(value)]
    return list(dict.fromkeys(text for text in found if text))


def _listed(text: str) -> list[str]:
    if not text.lstrip(" \t\r\n").startswith("["):
        return [text]
    try:
        found = strict_json.parse(text.encode())
    except ValueError as exc:
        raise Unsure("a text that is nearly a list") from exc
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise Unsure("a text that is a list of other things than texts")
    return found


def is_multiple(field: Mapping[str, Any]) -> bool:
    """Whether a select, relation or file field holds a list."""
    return int(field.get("maxSelect") or 0) > 1


def _text(field: Mapping[str, Any], value: Any) -> str:
    return to_text(value)


def _number(field: Mapping[str, Any], value: Any) -> int | float:
    return to_number(value)


def _bool(field: Mapping[str, Any], value: Any) -> bool:
    if isinstance(value, str):
        return value in _TRUE
    return isinstance(value, bool | int | float) and value != 0


def _choice(field: Mapping[str, Any], value: Any) -> str | list[str]:
    found = to_texts(value)
    if is_multiple(field):
        return found
    last = found[-1] if found else ""
    if to_texts(last)[-1:] != ([last] if last else []):
        raise Unsure("a text that is read as a list the second time")
    return last


def _file(field: Mapping[str, Any], value: Any) -> str | list[str]:
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, list | dict) or (isinstance(item, str) and "[" in item) for item in items):
        raise Unsure("file names within lists")
    found = to_texts(items)
    return found if is_multiple(field) else (found[-1] if found else "")


def _date(field: Mapping[str, Any], value: Any) -> str:
    if not isinstance(value, str):
        return ""
    if not value:
        return ""
    found = _DATE.fullmatch(value)
    if found is None:
        if _NUMBER_LIKE.fullmatch(value):
            raise Unsure("a date written oddly")
        return ""
    year, month, day, hour, minute, second = (int(group or 0) for group in found.groups()[:6])
    if not 1 < year < 9999:
        raise Unsure("a date at the end of time")
    zone = UTC
    offset = found[8]
    if offset and offset != "Z":
        hours, minutes = int(offset[1:3]), int(offset[4:6])
        if hours > 23 or minutes > 59:
            raise Unsure("an odd time zone")
        ahead = timedelta(hours=hours, minutes=minutes)
        zone = timezone(-ahead if offset[0] == "-" else ahead)
    micros = int((found[7] or "0")[:3].ljust(3, "0")) * 1000
    try:
        moment = datetime(year, month, day, hour, minute, second, micros, zone).astimezone(UTC)
    except ValueError:
        return ""
    return f"{moment.year:04d}-{moment:%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _json(field: Mapping[str, Any], value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    if value in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[value]
    if value[0] in '0123456789-"[{':
        try:
            parsed = strict_json.parse(value.encode())
        except ValueError as exc:
            if _is_lenient_json(value):
                raise Unsure("a text that some read as JSON") from exc
        else:
            if json.loads(value) != parsed:
                raise Unsure("digits beyond a double, which are kept")
            return parsed
    if any(char in _GO_ONLY or (ord(char) > 0xFFFF and not char.isprintable()) for char in value):
        raise Unsure("a text Go quotes as no JSON reader reads it")
    return value


def _is_lenient_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    except RecursionError:
        return True
    return True


def _geo_point(field: Mapping[str, Any], value: Any) -> dict[str, int | float]:
    if value is None or value == "":
        return {"lon": 0, "lat": 0}
    if not isinstance(value, dict) or not value.keys() <= {"lon", "lat"}:
        raise Unsure("a point written oddly")
    point: dict[str, int | float] = {}
    for name in ("lon", "lat"):
        number = value.get(name, 0)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise Unsure("a point written oddly")
        point[name] = to_number(number)
    return point


_TYPES: Final[Mapping[str, Callable[[Mapping[str, Any], Any], Any]]] = {
    "text": _text,
    "editor": _text,
    "email": _text,
    "url": _text,
    "password": _text,
    "number": _number,
    "bool": _bool,
    "date": _date,
    "select": _choice,
    "relation": _choice,
    "file": _file,
    "json": _json,
    "geoPoint": _geo_point,
}
