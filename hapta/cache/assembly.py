"""Records found in rows, replaced there, and rows composed of records, as PocketBase would write them.

How PocketBase writes an ``expand`` (measured on 0.40.6): it stands among the members of a row in their
order, and is there, if empty, in each row a hop was followed from. A relation that shows nothing has no
member in it; one with room for several has an array in the order of its ids, any other the row itself.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from hapta.cache.canonical import Fields, OddBody, parse_array
from hapta.cache.plan import Expand
from hapta.cache.raw_rows import (
    EXPAND,
    ListBody,
    joined,
    own,
    parse_row,
    public_fields,
    render_row,
    values,
    with_own,
)

__all__ = [
    "EXPAND",
    "MAX_COMPOSED",
    "Fields",
    "ListBody",
    "OddBody",
    "Refused",
    "compose",
    "own",
    "parse_row",
    "public_fields",
    "put",
    "render_row",
    "seen",
    "values",
    "with_own",
]

MAX_COMPOSED: Final = 1000
"""Records in the expands of one composed row: a friend's friends' friends are many."""

_decode_text = msgspec.json.Decoder(str).decode
_IDS: Final[msgspec.json.Decoder[str | list[str]]] = msgspec.json.Decoder(str | list[str])


class Refused(Exception):
    """A changed record cannot be put in place: what is expanded from it, or to it, would be another."""


def put(
    row: Fields, expands: tuple[Expand, ...], collection: str, target: tuple[str, str], new: Fields
) -> tuple[Fields, int]:
    """Replace a record wherever a row shows it.

    Who may see the record must be as before: this does not notice one that begins or ceases to be expanded.

    Args:
        row: of a list or view.
        expands: of its plan.
        collection: id of the row's collection.
        target: ids of the record's collection and of the record.
        new: its own members, as everybody is shown them.

    Returns:
        The row, and in how many places the record stands.

    Raises:
        Refused: by the change another record may have to be shown somewhere.
        OddBody: the row is not what the plan expects.
    """
    if any(_leads_anywhere(expand, target[0]) for expand in expands):
        raise Refused(f"{target[0]} is expanded without ids being named")
    return _put(row, expands, collection, target, new)


def seen(row: Fields, expands: tuple[Expand, ...], collection: str) -> Iterator[tuple[str, str, Fields]]:
    """The records a row shows, itself first, each as often as it stands there.

    Yields:
        Id of the collection, id of the record, its own members; these hold the bytes of the whole answer.

    Raises:
        OddBody: the row is not what the plan expects.
    """
    yield collection, _id(row), own(row)
    if not expands or EXPAND not in row:
        return
    shown = parse_row(row[EXPAND])
    for expand in expands:
        if expand.field in shown:
            for record in _shown_rows(shown[expand.field]):
                yield from seen(record, expand.children, expand.target)


def compose(
    own: Fields, expands: tuple[Expand, ...], find: Callable[[str, str], Fields | None]
) -> Fields | None:
    """A row with its expands, as PocketBase would answer if every record it names is there and visible.

    Args:
        own: the row's members.
        expands: of the plan.
        find: gives the own members of a record by ids of its collection and itself, ``None`` if not known.

    Returns:
        ``None`` if not all that would be expanded is known.
    """
    left = MAX_COMPOSED

    def counted(collection: str, record: str) -> Fields | None:
        nonlocal left
        left -= 1
        return find(collection, record) if left >= 0 else None

    try:
        return _composed(own, expands, counted)
    except _NotKnown:
        return None


class _NotKnown(Exception):
    """What an expand shows."""


def _composed(row: Fields, expands: tuple[Expand, ...], find: Callable[[str, str], Fields | None]) -> Fields:
    if not expands:
        return own(row)
    shown: Fields = {}
    for expand in sorted(expands, key=lambda expand: expand.field):
        if expand.relation is None or expand.relation not in row:
            raise _NotKnown(expand.field)
        ids = _ids(row[expand.relation])
        named = [ids] if isinstance(ids, str) else ids
        if len(set(named)) < len(named):
            raise _NotKnown(expand.field)  # PocketBase writes each once
        records = [_found(expand, record, find) for record in named if record]
        if records:
            written = b",".join(records)
            shown[expand.field] = msgspec.Raw(written if isinstance(ids, str) else b"[" + written + b"]")
    return joined(own(row), msgspec.Raw(render_row(shown)))


def _found(expand: Expand, record: str, find: Callable[[str, str], Fields | None]) -> bytes:
    found = find(expand.target, record)
    if found is None:
        raise _NotKnown(record)
    return render_row(_composed(found, expand.children, find))


def _ids(raw: msgspec.Raw) -> str | list[str]:
    try:
        return _IDS.decode(raw)
    except msgspec.DecodeError as exc:
        raise _NotKnown(raw) from exc


def _put(
    row: Fields, expands: tuple[Expand, ...], collection: str, target: tuple[str, str], new: Fields
) -> tuple[Fields, int]:
    places, result = 0, row
    if collection == target[0] and _id(row) == target[1]:
        for expand in expands:
            if not _expands_the_same(expand, row, new):
                raise Refused(f"what {expand.field} leads to may be another")
        places, result = 1, with_own(row, new)
    if not expands or EXPAND not in row:
        return result, places
    shown = parse_row(row[EXPAND])
    inside = 0
    for expand in expands:
        if expand.field not in shown:
            continue
        raw = shown[expand.field]
        changed = [_put(record, expand.children, expand.target, target, new) for record in _shown_rows(raw)]
        count = sum(count for _, count in changed)
        if count:
            written = b",".join(render_row(record) for record, _ in changed)
            shown[expand.field] = msgspec.Raw(b"[" + written + b"]" if _is_array(raw) else written)
            inside += count
    if inside:
        result = {**result, EXPAND: msgspec.Raw(render_row(shown))}
    return result, places + inside


def _leads_anywhere(expand: Expand, collection: str) -> bool:
    """Rows of the collection may come to stand there for reasons the answer does not show."""
    if expand.relation is None and expand.target == collection:
        return True
    return any(_leads_anywhere(child, collection) for child in expand.children)


def _expands_the_same(expand: Expand, row: Fields, new: Fields) -> bool:
    """A back-relation depends on what it leads to alone; of a hidden relation nothing can be told."""
    if expand.relation is None:
        return "_via_" in expand.field or "(" in expand.field
    return expand.relation in row and row[expand.relation] == new.get(expand.relation)


def _shown_rows(raw: msgspec.Raw) -> list[Fields]:
    return [parse_row(record) for record in (parse_array(raw) if _is_array(raw) else (raw,))]


def _is_array(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"["


def _id(row: Fields) -> str:
    try:
        return _decode_text(row["id"])
    except (KeyError, msgspec.DecodeError) as exc:
        raise OddBody(repr(exc)) from exc
