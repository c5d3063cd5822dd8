"""The rows in an answer, found by the schema: the rows themselves, and under ``expand`` those they lead to.

What a row says of itself does not count (``fields`` may leave it out, a JSON field may hold anything): of
which collection it is follows from where it stands. A row that contradicts that, or stands where none can be,
is not understood, and an answer with such a row is not sent. Values stay the bytes they are unless a hook
changes them.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import orjson

from hapta.cache.canonical import Fields
from hapta.cache.lookup import Lookup
from hapta.filters.expands import MAX_HOPS, parse_expand
from hapta.model.schema import Collection
from hapta.stages import split_json
from hapta.stages.altered import NOTHING, Altered
from hapta.stages.viewers import CannotShape

EXPAND: Final = "expand"
FIXED: Final = frozenset({"id", "collectionId", "collectionName", EXPAND})
"""Members of a row that no hook changes: the cache and realtime go by them."""

_MANY_LEVELS: Final = 200
"""What writes JSON here takes 254."""
_NONE: Final = object()
_decode_text = msgspec.json.Decoder(str).decode


@dataclass(slots=True, eq=False)
class Row:
    """One row.

    Attributes:
        collection: it is of.
        fields: its members; that of ``expand`` is a place only.
        expands: what stands under ``expand``.
        via: the field of this row by which the row above it was found from it (a back-relation), else empty.
        hidden: fields the viewer may not read.
        altered: members whose values the request has changed.
    """

    collection: Collection
    fields: Fields
    expands: "list[Expanded]" = field(default_factory=list)
    via: str = ""
    hidden: set[str] = field(default_factory=set)
    altered: Altered = NOTHING
    _seen: dict[str, Any] | None = None

    @property
    def seen(self) -> Mapping[str, Any]:
        """Its own members as they are when this is first asked."""
        if self._seen is None:
            self._seen = self.values()
        return self._seen

    def values(self) -> dict[str, Any]:
        """Its own members, decoded; each call makes new ones. One that cannot be, or could not be written
        again, is left out."""
        own = {name: raw for name, raw in self.fields.items() if name != EXPAND}
        text = object_of(own)
        if text.count(b"[") + text.count(b"{") <= _MANY_LEVELS:
            with suppress(orjson.JSONDecodeError):
                found: dict[str, Any] = orjson.loads(text)
                return found
        return {name: value for name, raw in own.items() if (value := _value(raw)) is not _NONE}

    def render(self) -> bytes:
        """As JSON again."""
        if EXPAND in self.fields:
            shown = [(each.name, each.render()) for each in self.expands if each.is_shown(self)]
            self.fields[EXPAND] = msgspec.Raw(object_of(dict(shown)))
        return object_of(self.fields)


@dataclass(slots=True, eq=False)
class Expanded:
    """One member of ``expand``.

    Attributes:
        name: as written.
        relation: the field of the row above that leads here; empty for a back-relation.
        rows: found here.
        is_list: they stand in a list.
    """

    name: str
    relation: str
    rows: list[Row]
    is_list: bool

    def is_shown(self, parent: Row) -> bool:
        """Whether that these rows are here tells nothing the viewer may not know."""
        return self.relation not in parent.hidden and (not self.rows or bool(self._shown()))

    def render(self) -> bytes:
        rows = [row.render() for row in self._shown()]
        return array_of(rows) if self.is_list else rows[0]

    def _shown(self) -> list[Row]:
        return [row for row in self.rows if row.via not in row.hidden]


class Rows:
    """Takes rows apart under one schema.

    Args:
        altered: members of them whose values the request has changed.
    """

    def __init__(self, lookup: Lookup, altered: Altered = NOTHING) -> None:
        self._lookup = lookup
        self._altered = altered

    def one(self, collection: Collection, raw: bytes | msgspec.Raw, *, via: str = "", depth: int = 0) -> Row:
        """One row and what stands under its ``expand``.

        Raises:
            CannotShape: it is none.
        """
        if depth > MAX_HOPS:
            raise CannotShape("more expands within each other than PocketBase makes")
        row = Row(collection, members(raw), via=via, altered=self._altered)
        claimed = row.fields.get("collectionId")
        if claimed is not None and text_of(claimed) != collection.id:
            raise CannotShape(f"a row stands where one of {collection.name} is expected")
        if EXPAND in row.fields:
            for name, value in members(row.fields[EXPAND]).items():
                row.expands.append(self._expanded(collection, name, value, depth))
        return row

    def _expanded(self, here: Collection, name: str, raw: msgspec.Raw, depth: int) -> Expanded:
        relation, via, target = self._hop(here, name)
        is_list = bytes(raw).startswith(b"[")
        values = elements(raw) if is_list else [raw]
        rows = [self.one(target, value, via=via, depth=depth + 1) for value in values]
        return Expanded(name, relation, rows, is_list)

    def _hop(self, here: Collection, name: str) -> tuple[str, str, Collection]:
        paths = parse_expand(name)
        if len(paths) == 1 and len(paths[0]) == 1 and paths[0][0].name == name:
            back = paths[0][0].back
            found = self._lookup.back(here, back) if back is not None else None
            if found is not None:
                return "", str(found[1]["name"]), found[0]
            relation = self._lookup.field(here, name) if back is None else None
            if relation is not None and relation["type"] == "relation":
                target = self._lookup.related(relation)
                if target is not None:
                    return name, "", target
        raise CannotShape(f"nothing of {here.name} is expanded as {name[:100]!r}")


def everything(rows: list[Row]) -> Iterator[Row]:
    """The rows, and all that stands under them."""
    stack = rows[::-1]
    while stack:
        row = stack.pop()
        yield row
        for expanded in row.expands:
            stack += expanded.rows


def members(raw: bytes | msgspec.Raw) -> Fields:
    """Of an object.

    Raises:
        CannotShape: it is none.
    """
    try:
        return split_json.members(raw)
    except split_json.OddJson:
        raise CannotShape("an answer has another form than PocketBase's") from None


def elements(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """Of an array.

    Raises:
        CannotShape: it is none.
    """
    try:
        return split_json.elements(raw)
    except split_json.OddJson:
        raise CannotShape("an answer has another form than PocketBase's") from None


def _value(raw: msgspec.Raw) -> Any:
    try:
        value = orjson.loads(bytes(raw))
        orjson.dumps(value)
    except (orjson.JSONDecodeError, TypeError):
        return _NONE
    return value


def text_of(raw: msgspec.Raw | None) -> str | None:
    """A string; ``None`` for anything else."""
    if raw is None:
        return None
    try:
        return _decode_text(raw)
    except (msgspec.MsgspecError, ValueError):
        return None


def object_of(fields: Mapping[str, bytes | msgspec.Raw]) -> bytes:
    """An object of members that are JSON already."""
    return b"{%s}" % b",".join([b"%s:%s" % (orjson.dumps(name), bytes(raw)) for name, raw in fields.items()])


def array_of(values: Iterable[bytes | msgspec.Raw]) -> bytes:
    """An array of elements that are JSON already."""
    return b"[%s]" % b",".join([bytes(value) for value in values])
