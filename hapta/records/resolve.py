"""What a write makes of a record, and the same write in canonical words.

PocketBase resolves modifiers against the record it finds, shorter names first, and names of equal length in
any order (``core/record_model.go`` ReplaceModifiers); files join after that (``apis/record_crud.go``
recordDataFromRequest), and hidden fields are dropped for all but superusers, except the password of an auth
record.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from hapta.model.by_collection import ByCollection
from hapta.model.schema import Collection
from hapta.records.content import FilePart
from hapta.records.errors import Unsure
from hapta.records.normal import is_multiple, normalise, to_number, to_text, to_texts

_LISTS: Final = frozenset({"select", "relation", "file"})
_AUTOGENERATE = ":autogenerate"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A write, understood.

    Attributes:
        fields: by name, the collection's fields it sets and that are known, as the record will have them;
            of a file field the names that stay, without :attr:`uploads`.
        unsure: why, by name, of fields it sets to what is not known for certain.
        uploads: files that join, by field; of a single one the last only.
        members: what is to be sent: normal values, modifiers still on their names, all else as it was.
    """

    fields: Mapping[str, Any]
    unsure: Mapping[str, str]
    uploads: Mapping[str, tuple[FilePart, ...]]
    members: Mapping[str, Any]

    @property
    def touched(self) -> frozenset[str]:
        """All fields it sets."""
        return frozenset(self.fields) | frozenset(self.unsure) | frozenset(self.uploads)


def needs_old(collection: Collection, names: Iterable[str]) -> bool:
    """Whether what a write sets depends on the record as it is.

    Args:
        collection: the record's.
        names: of its members and its files.
    """
    keys = _keys(collection)
    return any(name in keys and keys[name][1] in _ON_OLD for name in names)


def field_named(collection: Collection, name: str) -> Mapping[str, Any] | None:
    """The field that a member of this name sets, whatever its modifier."""
    found = _keys(collection).get(name)
    return None if found is None else found[0]


def untouched(collection: Collection) -> Mapping[str, Any]:
    """A new record before a write sets anything, as far as it is known."""
    found: dict[str, Any] = {"collectionId": collection.id, "collectionName": collection.name}
    for field in collection.fields:
        if field["type"] in ("autodate", "password") or field.get("autogeneratePattern"):
            continue  # PocketBase makes them
        with suppress(Unsure):
            found[field["name"]] = normalise(field, None)
    return found


def resolve(
    collection: Collection,
    members: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    *,
    is_superuser: bool,
    files: Mapping[str, Sequence[FilePart]] | None = None,
) -> Resolved:
    """Understand a write.

    Args:
        collection: the record's.
        members: as read from the body.
        old: the record as a superuser sees it, ``None`` for a create.
        is_superuser: who writes may set hidden fields.
        files: as read from the body.
    """
    keys = _keys(collection)
    setting = _Setting(old)
    by_field: dict[str, list[str]] = {}
    canonical = dict(members)
    for name in members:
        if name in keys:
            field, modifier = keys[name]
            by_field.setdefault(field["name"], []).append(name)
            canonical[name] = _canonical(field, modifier, members[name])
    files_by_field: dict[str, list[str]] = {}
    for name in files or ():
        if name in keys and keys[name][0]["type"] == "file" and keys[name][1] in ("", *_JOINING):
            files_by_field.setdefault(keys[name][0]["name"], []).append(name)
    uploads: dict[str, tuple[FilePart, ...]] = {}
    for field in collection.fields:
        name = field["name"]
        if not _may_set(collection, field, old, is_superuser=is_superuser):
            continue
        if name in by_field:
            setting.set(field, [(keys[key][1], key, members[key]) for key in by_field[name]])
        if name in files_by_field and files is not None:
            uploads[name] = setting.add(
                field, members, {keys[key][1]: files[key] for key in files_by_field[name]}
            )
    return Resolved(setting.fields, setting.unsure, uploads, canonical)


_JOINING: Final = ("+x", "x+")
_ON_OLD: Final = ("+x", "x+", "x-")


def _names(collection: Collection) -> Mapping[str, tuple[Mapping[str, Any], str]]:
    """Every name a write may use, with its field and its modifier."""
    found: dict[str, tuple[Mapping[str, Any], str]] = {}
    for field in collection.fields:
        name, kind = field["name"], field["type"]
        found[name] = field, ""
        if kind == "number" or kind in _LISTS:
            found[f"{name}+"] = field, "x+"
            found[f"{name}-"] = field, "x-"
        if kind in _LISTS:
            found[f"+{name}"] = field, "+x"
        if kind == "text":
            found[name + _AUTOGENERATE] = field, _AUTOGENERATE
    return found


_keys: Final = ByCollection(_names)


def _may_set(
    collection: Collection, field: Mapping[str, Any], old: Mapping[str, Any] | None, *, is_superuser: bool
) -> bool:
    name = field["name"]
    if field["type"] == "autodate" or (name == "id" and old is not None):
        return False
    if is_superuser or not field.get("hidden"):
        return True
    return collection.type == "auth" and name == "password"


def _canonical(field: Mapping[str, Any], modifier: str, value: Any) -> Any:
    """What PocketBase takes for the same; the value itself where that is not known."""
    if field["type"] in ("json", "autodate"):
        return value  # a text is taken for the JSON it holds, to the last digit
    try:
        if modifier == _AUTOGENERATE:
            return to_text(value)
        if modifier:
            return to_number(value) if field["type"] == "number" else _operand(field, value)
        return normalise(field, value)
    except Unsure:
        return value


def _operand(field: Mapping[str, Any], value: Any) -> list[str]:
    if field["type"] != "file":
        return to_texts(value)
    names = normalise({**field, "maxSelect": 2}, value)
    return list(names)


class _Setting:
    """Sets fields as PocketBase does, one after another."""

    def __init__(self, old: Mapping[str, Any] | None) -> None:
        self._old = old
        self.fields: dict[str, Any] = {}
        self.unsure: dict[str, str] = {}

    def set(self, field: Mapping[str, Any], settings: list[tuple[str, str, Any]]) -> None:
        """Set one field by (modifier, name as sent, value)."""
        name = field["name"]
        if len(settings) > 1:
            lengths = {len(key.encode()) for _, key, _ in settings}
            if len(lengths) != len(settings):
                self._doubt(name, "several modifiers, in any order")
                return
            settings = sorted(settings, key=lambda setting: len(setting[1].encode()))
        try:
            value = self._before(field, settings[0][0] if len(settings) == 1 else None)
            for modifier, _, operand in settings:
                value = self._apply(field, modifier, value, operand)
            if self._old is None and value == "" and field.get("autogeneratePattern"):
                raise Unsure("made by PocketBase")
            self.fields[name] = value
        except Unsure as exc:
            self._doubt(name, str(exc))

    def add(
        self, field: Mapping[str, Any], members: Mapping[str, Any], files: Mapping[str, Sequence[FilePart]]
    ) -> tuple[FilePart, ...]:
        """Let files join a field, by modifier; which they are."""
        name = field["name"]
        joining = [file for modifier in ("", *_JOINING) for file in files.get(modifier, ())]
        if all(modifier in files for modifier in _JOINING):
            self._doubt(name, "several modifiers, in any order")
            return tuple(joining)
        try:
            if name in self.unsure:
                raise Unsure(self.unsure[name])
            if "" in files:  # they replace, with the names sent beside them
                sent = members.get(name)
                kept = normalise({**field, "maxSelect": 2}, sent) if sent is not None else []
            elif name in self.fields:
                kept = _as_list(self.fields[name])
            else:
                kept = _as_list(self._before(field, "x+"))
            if is_multiple(field):
                self.fields[name] = kept
                return tuple(joining)
            if "+x" in files and "" not in files and kept:
                raise Unsure("the old file is the last one")
            self.fields[name] = ""
            return tuple(joining[-1:])
        except Unsure as exc:
            self._doubt(name, str(exc))
            return tuple(joining)

    def _doubt(self, name: str, why: str) -> None:
        self.fields.pop(name, None)
        self.unsure[name] = why

    def _before(self, field: Mapping[str, Any], modifier: str | None) -> Any:
        """The value modifiers work on."""
        if modifier in ("", _AUTOGENERATE):
            return None
        if self._old is not None:
            if field["name"] not in self._old:
                if modifier is None:
                    return None
                raise Unsure("the old value is not known")
            return self._old[field["name"]]
        return 0 if field["type"] == "number" else ([] if is_multiple(field) else "")

    def _apply(self, field: Mapping[str, Any], modifier: str, value: Any, operand: Any) -> Any:
        if not modifier:
            return normalise(field, operand)
        if modifier == _AUTOGENERATE:
            if field.get("autogeneratePattern"):
                raise Unsure("made by PocketBase")
            return to_text(operand)
        if field["type"] == "number":
            change = to_number(operand)
            total = to_number(value) + (change if modifier == "x+" else -change)
            return to_number(_finite(total))
        before, change_of = _as_list(value), _operand(field, operand)
        if modifier == "x+":
            after = [*before, *change_of]
        elif modifier == "+x":
            after = [*change_of, *before]
        else:
            after = [item for item in before if item not in change_of]
        return normalise(field, after)


def _finite(number: float) -> float:
    if abs(float(number)) == float("inf"):
        raise Unsure("beyond a double")
    return number


def _as_list(value: Any) -> list[str]:
    return list(value) if isinstance(value, list) else [value] if value else []
