"""Fields that point at something: select, relation, file.

Whether a record that is pointed at exists only PocketBase knows, but for the caller's own; and a name of a
file in a JSON body is its matter too.
"""

from collections.abc import Mapping
from typing import Any, Final

from hapta.validation.casts import texts
from hapta.validation.verdicts import REQUIRED, UNKNOWN, Check, Finding, Invalid, Record, Unknown

_NO_FILES: Final[tuple[Any, ...]] = ("", [], {})


def select_field(options: Mapping[str, Any]) -> Check:
    """A select field."""
    most = max(int(options["maxSelect"]), 1)
    too_many = _too_many(most)
    values = frozenset(options["values"])
    blank = REQUIRED if options["required"] else None

    def check(value: Any, _: Record | None) -> Finding:
        if value.__class__ is str and value in values and "[" not in value:
            return None
        chosen = texts(value, is_multiple=most > 1)
        if isinstance(chosen, Unknown):
            return UNKNOWN
        if not chosen:
            return blank
        if len(chosen) > most:
            return too_many
        strange = next((one for one in chosen if one not in values), None)
        return None if strange is None else _strange(strange)

    return check


def _strange(value: str) -> Finding:
    if not value.isprintable():
        return UNKNOWN  # how it is escaped and trimmed
    message = f"Invalid value {value}".rstrip(" ")
    if message[-1] not in ".?!":
        message += "."
    return Invalid("validation_invalid_value", message, {"value": value})


def relation_field(options: Mapping[str, Any]) -> Check:
    """A relation field."""
    least, most = int(options["minSelect"]), max(int(options["maxSelect"]), 1)
    too_few = Invalid("validation_not_enough_values", f"Select at least {least}.", {"minSelect": least})
    too_many = _too_many(most)
    target = options["collectionId"]
    blank = REQUIRED if options["required"] else None

    def check(value: Any, known: Record | None) -> Finding:
        ids = texts(value, is_multiple=most > 1)
        if isinstance(ids, Unknown):
            return UNKNOWN
        if not ids:
            return blank
        if len(ids) < least:
            return too_few
        if len(ids) > most:
            return too_many
        return None if known is not None and len(ids) == 1 and known == (target, ids[0]) else UNKNOWN

    return check


def file_field(options: Mapping[str, Any]) -> Check:
    """A file field in a JSON body."""
    blank = REQUIRED if options["required"] else None

    def check(value: Any, _: Record | None) -> Finding:
        return blank if value is None or value in _NO_FILES else UNKNOWN

    return check


def _too_many(most: int) -> Invalid:
    return Invalid("validation_too_many_values", f"Select no more than {most}.", {"maxSelect": most})
