"""The types of fields there are, with the options each is known to have.

An option that is not among them is of another release, and may be a rule: then nothing is certain of the
collection.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from hapta.validation.choices import file_field, relation_field, select_field
from hapta.validation.dates import date_field
from hapta.validation.json_values import json_field
from hapta.validation.numbers import bool_field, geo_point_field, number_field
from hapta.validation.texts import editor_field, email_field, password_field, text_field, url_field
from hapta.validation.verdicts import Check

_Compile: TypeAlias = Callable[[Mapping[str, Any]], Check]
_COMMON: Final = frozenset(["id", "name", "type", "system", "hidden", "presentable", "help", "required"])


def _autodate_field(_: Mapping[str, Any]) -> Check:
    """Nobody sets it, and PocketBase does not look at it."""
    return lambda value, known: None


_TYPES: Final[Mapping[str, tuple[_Compile, frozenset[str]]]] = {
    name: (compile_field, _COMMON | frozenset(options.split()))
    for name, compile_field, options in (
        ("autodate", _autodate_field, "onCreate onUpdate"),
        ("bool", bool_field, ""),
        ("date", date_field, "min max"),
        ("editor", editor_field, "convertURLs maxSize"),
        ("email", email_field, "exceptDomains onlyDomains"),
        ("file", file_field, "maxSelect maxSize mimeTypes protected thumbs"),
        ("geoPoint", geo_point_field, ""),
        ("json", json_field, "maxSize"),
        ("number", number_field, "max min onlyInt"),
        ("password", password_field, "cost max min pattern"),
        ("relation", relation_field, "cascadeDelete collectionId maxSelect minSelect"),
        ("select", select_field, "maxSelect values"),
        ("text", text_field, "autogeneratePattern max min pattern primaryKey"),
        ("url", url_field, "exceptDomains onlyDomains"),
    )
}


def field_check(options: Mapping[str, Any]) -> Check | None:
    """What is looked at in a value of this field; ``None`` where it is not known all of it.

    Args:
        options: the field as in PocketBase's API.
    """
    try:
        compile_field, known = _TYPES[options["type"]]
        return compile_field(options) if options.keys() <= known else None
    except (KeyError, TypeError, ValueError):
        return None
