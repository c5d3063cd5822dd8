"""Every key by its dotted name, taken from the structs, and how one value of it is read.

A value from a file keeps the type it has there and must have the right one; a text from the environment or
the command line is converted by the field's type. Both ways end in the same check, one key at a time, so that
all problems of a configuration can be shown at once.
"""

import difflib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

import msgspec
from msgspec import inspect

from hapta.config.schema import Config
from hapta.config.types import FreeTable

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Field:
    """One key.

    Attributes:
        table: name of its table.
        name: name within the table.
        attribute: of the struct; another one where the name is a keyword of Python's.
        annotation: its type, bounds included, as msgspec takes it.
        info: the same, taken apart.
        default: its value when nobody says anything; ``msgspec.NODEFAULT`` when somebody must.
    """

    table: str
    name: str
    attribute: str
    annotation: Any
    info: inspect.Type
    default: object

    @property
    def key(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"HAPTA_{self.table.upper().replace('.', '__')}__{self.name.upper()}"

    @property
    def is_required(self) -> bool:
        """Whether somebody must give it a value."""
        return self.default is msgspec.NODEFAULT


def fields_of(table: str, struct: type) -> list[Field]:
    """The keys of a struct's table; tables within it are none."""
    infos = {info.encode_name: info.type for info in _struct_info(struct).fields}
    return [
        Field(table, field.encode_name, field.name, field.type, infos[field.encode_name], field.default)
        for field in msgspec.structs.fields(struct)
        if get_origin(field.type) is not dict and not _is_struct(field.type)
    ]


FREE: tuple[str, ...] = tuple(
    table.name for table in msgspec.structs.fields(Config) if table.type == dict[str, FreeTable]
)
"""Tables of tables whose keys are not Hapta's, ``[plugins.<name>]``; :mod:`hapta.config.free` reads them."""


def _structs() -> Iterator[tuple[str, type, bool]]:
    """Each table in order: its name, its struct, and whether it is a table of tables of that struct."""
    for table in msgspec.structs.fields(Config):
        if table.name in FREE:
            continue
        if get_origin(table.type) is dict:
            yield table.name, get_args(table.type)[1], True
            continue
        yield table.name, table.type, False
        for field in msgspec.structs.fields(table.type):
            if get_origin(field.type) is dict:
                yield f"{table.name}.{field.name}", get_args(field.type)[1], True
            elif _is_struct(field.type):
                yield f"{table.name}.{field.name}", field.type, False


def _is_struct(annotation: Any) -> bool:
    """Whether it is a table within a table."""
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def _struct_info(struct: type) -> inspect.StructType:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return info


STRUCTS: dict[str, type] = {table: struct for table, struct, _ in _structs()}
"""The struct of each table, in order; of a table of tables (``cache.collections``) that of each."""

NAMED: dict[str, dict[str, Field]] = {
    table: {field.name: field for field in fields_of(f"{table}.<name>", struct)}
    for table, struct, is_named in _structs()
    if is_named
}
"""Tables of tables, ``[limits.<name>]``: the fields each of theirs has, by name."""

FIELDS: dict[str, Field] = {
    field.key: field
    for table, struct, is_named in _structs()
    if not is_named
    for field in fields_of(table, struct)
}
"""By dotted key, in the order of the structs; those of :data:`NAMED` are not among them."""

TABLES: dict[str, list[str]] = {
    table: [field.name for field in FIELDS.values() if field.table == table]
    for table, _, is_named in _structs()
    if not is_named
}
"""The key names of each table, in order."""

EXAMPLES = {
    "limits": "limits.api",
    "cache.collections": "cache.collections.posts",
    "uploads.collections": "uploads.collections.posts",
    "plugins": "plugins.link_limit",
    "validate": "validate.posts",
    "feeds": "feeds.home",
}
"""A table of each of :data:`NAMED` and :data:`FREE`, for messages and the shipped file."""

IS_ENABLED = Field("plugins.<name>", "is_enabled", "is_enabled", bool, inspect.type_info(bool), True)
"""The one key of ``[plugins.<name>]`` that is Hapta's."""


def find(table: str, name: str) -> Field | None:
    """The field a key means; ``table`` is ``limits.api`` for a key of ``[limits.api]``."""
    if table in TABLES:
        return FIELDS.get(f"{table}.{name}")
    field = NAMED.get(table.rpartition(".")[0], {}).get(name)
    return replace(field, table=table) if field is not None else None


class WrongValue(ValueError):
    """A value its field does not take; the text says what it would take, and what it got."""


def expected(field: Field) -> str:
    """What the field takes, in words: ``an integer >= 1 and <= 65535``."""
    info = field.info
    if isinstance(info, inspect.BoolType):
        return "true or false"
    if isinstance(info, inspect.IntType):
        return "an integer" + _bounds(info)
    if isinstance(info, inspect.FloatType):
        return "a number" + _bounds(info)
    if isinstance(info, inspect.LiteralType):
        return "one of " + ", ".join(json.dumps(value) for value in get_args(field.annotation))
    if isinstance(info, inspect.StrType):
        return "a text that is not empty" if info.min_length else "a text"
    return "a list of texts"


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    signs = ((">=", info.ge), (">", info.gt), ("<=", info.le), ("<", info.lt))
    given = [f"{sign} {value:g}" if isinstance(value, float) else f"{sign} {value}" for sign, value in signs
             if value is not None]  # fmt: skip
    return " " + " and ".join(given) if given else ""


def from_value(field: Field, value: object) -> Any:
    """Check a value that already has a type, as a TOML file gives it; lists become tuples, integers floats.

    Raises:
        WrongValue: it is not what the field takes.
    """
    try:
        converted = msgspec.convert(value, field.annotation)
    except (msgspec.ValidationError, OverflowError):
        raise WrongValue(f"expected {expected(field)}, got {shown(value)}") from None
    if isinstance(converted, float) and not math.isfinite(converted):
        raise WrongValue(f"expected {expected(field)}, got {shown(value)}")
    for text in converted if isinstance(converted, tuple) else (converted,):
        if isinstance(text, str) and not text.isprintable():
            raise WrongValue(f"expected a text without control characters, got {shown(value)}")
    return converted


def from_text(field: Field, text: str) -> Any:
    """Convert and check a text from the environment or the command line; a list is separated by commas.

    Raises:
        WrongValue: it is not what the field takes.
    """
    try:
        value = _parse(field.info, text.strip())
    except ValueError:
        kind = "an integer" if isinstance(field.info, inspect.IntType) else expected(field)
        raise WrongValue(f"expected {kind}, got {shown(text)}") from None
    return from_value(field, value)


def _parse(info: inspect.Type, text: str) -> object:
    if isinstance(info, inspect.BoolType):
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ValueError(text)
    if isinstance(info, inspect.IntType | inspect.FloatType):
        if not text.isascii():  # int() and float() take digits of every script
            raise ValueError(text)
        return int(text) if isinstance(info, inspect.IntType) else float(text)
    if isinstance(info, inspect.VarTupleType):
        return [item for item in (part.strip() for part in text.split(",")) if item]
    return text


def shown(value: object) -> str:
    """A value for a message: on one line, of bounded length."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, float):
        return str(value)
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a list nested as deeply
        return "a value too large to show"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def unknown(table: str, name: str | None = None) -> str:
    """What to say about a table, or a key of a table, that does not exist."""
    outer = table if table in TABLES or table in NAMED else table.rpartition(".")[0]
    if outer not in TABLES and outer not in NAMED:
        return "unknown table" + _did_you_mean(table, [*TABLES, *NAMED, *FREE])
    assert name is not None
    tables = [named.removeprefix(f"{outer}.") for named in NAMED if named.startswith(f"{outer}.")]
    if near := _did_you_mean(name, [*(NAMED.get(outer) or TABLES[outer]), *tables]):
        return "unknown key" + near
    elsewhere = [field.key for field in FIELDS.values() if field.name == name]
    return "unknown key" + (f"; did you mean {elsewhere[0]}?" if elsewhere else "")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
