"""Date fields: the two forms that PocketBase and its SDKs write are read here, and what is no date at all.

PocketBase takes many more forms, and what it cannot read for the blank date.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from hapta.validation.verdicts import REQUIRED, UNKNOWN, Check, Finding, Invalid, Record, Unknown

_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_DIGIT: Final = re.compile(r"\d")
_ZERO: Final = datetime(1, 1, 1, tzinfo=UTC)


def date_field(options: Mapping[str, Any]) -> Check:
    """A date field.

    Raises:
        ValueError: its bounds are in no form known here.
    """
    least, most = _bound(options["min"]), _bound(options["max"])
    too_early = _invalid("validation_min_greater_equal_than_required", "Must be no less than", least)
    too_late = _invalid("validation_max_less_equal_than_required", "Must be no greater than", most)
    blank = REQUIRED if options["required"] else None

    def check(value: Any, _: Record | None) -> Finding:
        if not isinstance(value, str):
            # numbers are none to PocketBase up to 0.40.6
            return blank if value is None else UNKNOWN
        if not value or (value.isascii() and not _DIGIT.search(value)):
            return blank
        instant = _read(value)
        if isinstance(instant, Unknown):
            return UNKNOWN
        if instant == _ZERO:
            return blank
        if least is not None and instant < least:
            return too_early
        return too_late if most is not None and instant > most else None

    return check


def _read(value: str) -> datetime | Unknown:
    if not _FORM.fullmatch(value):
        return UNKNOWN
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return UNKNOWN


def _bound(value: str) -> datetime | None:
    if not value:
        return None
    instant = _read(value)
    if isinstance(instant, Unknown):
        raise ValueError(value)
    return instant


def _invalid(code: str, words: str, bound: datetime | None) -> Finding:
    if bound is None:
        return None
    fraction = f".{bound.microsecond // 1000:03}".rstrip("0").rstrip(".")
    day, time = f"{bound:%Y-%m-%d}".rjust(10, "0"), f"{bound:%H:%M:%S}{fraction}"
    return Invalid(code, f"{words} {day} {time} +0000 UTC.", {"threshold": f"{day}T{time}Z"})
