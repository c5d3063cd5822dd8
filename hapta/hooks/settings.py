"""Settings of plugins: a struct whose values come from ``[plugins.<name>]``, checked like Hapta's own."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from hapta.config.errors import ConfigErrors

RESERVED = frozenset({"is_enabled"})
"""Keys of ``[plugins.<name>]`` that are Hapta's."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a plugin's settings: annotate the keys, give each its default and a docstring below it.

    Types and bounds are msgspec's: ``Annotated[int, msgspec.Meta(ge=1)]``. A key without a default must be
    set. Secrets do not belong here: read them from the environment.
    """


S = TypeVar("S", bound=Settings)


def read_settings(plugin: str, struct: type[S], values: Mapping[str, Any], origins: Mapping[str, str]) -> S:
    """The settings of one plugin.

    Args:
        plugin: its name.
        struct: what it takes.
        values: what stands in its table.
        origins: where each dotted key was set, as in :attr:`hapta.config.Loaded.origins`.

    Raises:
        ConfigErrors: every wrong, unknown and missing key, each with file and line.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    table, problems, good = f"plugins.{plugin}", [], {}
    for key, value in values.items():
        if key in RESERVED:
            continue
        where = origins.get(f"{table}.{key}", f"[{table}]")
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; {_known(fields)}"
            problems.append(f"{where}: {table}.{key}: unknown key{hint}")
            continue
        try:
            good[key] = msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as exc:
            problems.append(f"{where}: {table}.{key}: {_words(exc)}")
    for key, field in fields.items():
        if field.required and key not in values:
            where = origins.get(table, f"[{table}]")
            problems.append(f"{where}: {table}: {key} is missing")
    if problems:
        raise ConfigErrors(problems)
    return msgspec.convert(good, struct)


def _known(fields: Mapping[str, Any]) -> str:
    return f"it takes {', '.join(sorted(fields))}" if fields else "it takes none"


def _words(error: msgspec.ValidationError) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]
