"""What a row shows of its own fields, as the values SQLite compares; shared by conditions and orderings.

A value is a text, a number, or NULL. Only fields are read of which a row shows exactly what is stored, and
all of it: single text-like values, numbers, bools and dates of base and auth collections, not hidden, and
not the e-mail of auth records. Their columns are NOT NULL (PocketBase makes them so), hence an empty text
is never NULL.

Taken for granted is that PocketBase's own record API wrote the rows: SQL written past it can store ``'x'``
in a number, which then shows as 0. Views compute such things by themselves, so nothing is read of their
rows.

Not known is, besides what ``hapta.filters.values`` tells, a date that is not written as PocketBase writes
dates.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from hapta.cache.lookup import Field, Lookup, PathError, is_multiple
from hapta.filters.errors import FilterError
from hapta.filters.paths import Modifier, Path, Root, split_path
from hapta.filters.values import UNKNOWN, Unknown, Value, lower, number_value, text_value, truth_value
from hapta.model.schema import Collection

Row: TypeAlias = Mapping[str, object]
"""A row as PocketBase shows it to everybody, decoded: hidden fields and hidden e-mails are missing."""


Read: TypeAlias = Callable[[Row], Value | Unknown]


_DATE = re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)?")
_TEXTS = frozenset({"text", "email", "url", "editor", "select", "relation"})
_DATES = frozenset({"date", "autodate"})


def field_path(name: str) -> Path | None:
    """The path, if it starts from a field and can be read with certainty."""
    try:
        path = split_path(name)
    except FilterError:
        return None
    return path if path.root is Root.FIELD else None


def first_field(lookup: Lookup, collection: Collection, path: Path) -> str | None:
    """The own field a path starts from; a back-relation starts from none."""
    return path.parts[0] if lookup.field(collection, path.parts[0]) is not None else None


def own_value(lookup: Lookup, collection: Collection, path: Path) -> Read | None:
    """How the path is read, if it is one value that every row shows."""
    if collection.is_view or path.modifier not in (None, Modifier.LOWER):
        return None
    try:
        way = lookup.way(collection, path.parts, sees_hidden=False, has_modifier=path.modifier is not None)
    except PathError:
        return None
    field = way.field
    if field is None or way.hops or way.is_within or is_multiple(field) or field.get("hidden"):
        return None
    if collection.type == "auth" and field["name"] == "email":
        return None
    return _read_lower(field) if path.modifier is Modifier.LOWER else _read_plain(field)


def _read_plain(field: Field) -> Read | None:
    kind, name = field["type"], field["name"]
    if kind in _TEXTS:
        return lambda row: text_value(row.get(name))
    if kind in _DATES:
        return lambda row: _date(row.get(name))
    if kind == "number":
        return lambda row: number_value(row.get(name))
    if kind == "bool":
        return lambda row: truth_value(row.get(name))
    return None


def _read_lower(field: Field) -> Read | None:
    if field["type"] not in _TEXTS:
        return None
    name = field["name"]

    def read(row: Row) -> Value | Unknown:
        text = text_value(row.get(name))
        return lower(text) if isinstance(text, str) else text

    return read


def _date(value: object) -> Value | Unknown:
    return value if isinstance(value, str) and _DATE.fullmatch(value) else UNKNOWN
