"""Which fields a client's filter or sort names: each may tell something of its values.

By whether a row is in a list, or where, everything can be found out about a field that a filter or sort
names, however it is written: with a modifier, as an argument, as a step on the way to another row. A relation
that is followed counts as named, and so does the one a back-relation comes from.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from hapta.cache.lookup import MAX_HOPS, Lookup
from hapta.filters.errors import FilterError
from hapta.filters.nodes import Call, Comparison, Group, Identifier, Operand
from hapta.filters.parser import MAX_CLIENT_BYTES, parse
from hapta.filters.paths import Path, Root, back_relation, split_path
from hapta.filters.sorts import parse_sort
from hapta.model.schema import Collection, Schema

Named: TypeAlias = tuple[str, str]
"""Id of a collection and name of a field of it."""

_HOLD_PATHS = frozenset({"json", "geoPoint"})


class NotCertain(Exception):
    """It cannot be told; mostly PocketBase refuses it as well."""


def named_in_filter(lookup: Lookup, base: Collection, text: str) -> frozenset[Named]:
    """The fields a filter names.

    Raises:
        NotCertain: it cannot be read, or not all it names can be found.
    """
    try:
        names = list(_identifiers(parse(text, max_bytes=MAX_CLIENT_BYTES)))
        paths = [(split_path(name), name) for name in names]
    except FilterError as error:
        raise NotCertain from error
    found: set[Named] = set()
    for path, name in paths:
        if path.keyword is None or lookup.field(base, name) is not None:
            found.update(_on_the_way(lookup, base, path))
    return frozenset(found)


def named_in_sort(lookup: Lookup, base: Collection, text: str) -> frozenset[Named]:
    """The fields a sort names.

    Raises:
        NotCertain: as :func:`named_in_filter`.
    """
    try:
        terms = parse_sort(text)
    except FilterError as error:
        raise NotCertain from error
    return frozenset(
        named for term in terms if term.path is not None for named in _on_the_way(lookup, base, term.path)
    )


def reachable(schema: Schema, base: Collection) -> frozenset[str]:
    """Ids of all collections that a path from this one may lead to, either way along relations."""
    neighbours: dict[str, set[str]] = {each: set() for each in schema.by_id}
    for collection in schema.by_id.values():
        for field in collection.fields:
            target = field.get("collectionId")
            if field.get("type") == "relation" and target in neighbours:
                neighbours[collection.id].add(target)
                neighbours[target].add(collection.id)
    seen, todo = {base.id}, [base.id]
    while todo:
        for other in neighbours.get(todo.pop(), ()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return frozenset(seen)


def _identifiers(group: Group) -> Iterator[str]:
    stack: list[Group | Comparison | Operand] = [group]
    while stack:
        here = stack.pop()
        if isinstance(here, Group):
            stack += [term.item for term in here.terms]
        elif isinstance(here, Comparison):
            stack += [here.left, here.right]
        elif isinstance(here, Call):
            stack += here.arguments
        elif isinstance(here, Identifier):
            yield here.name


def _on_the_way(lookup: Lookup, base: Collection, path: Path) -> Iterable[Named]:
    """What a path names, in the order of :meth:`hapta.cache.lookup.Lookup.way`."""
    if path.root is Root.MACRO:
        return
    if path.root is not Root.FIELD:
        raise NotCertain(f"only for superusers: {path.root}")
    here = base
    for at, part in enumerate(path.parts):
        field, is_last = lookup.field(here, part), at == len(path.parts) - 1
        if at > MAX_HOPS:
            raise NotCertain("too many relations")
        if field is not None:
            yield here.id, part
            if is_last or field["type"] in _HOLD_PATHS:
                return
            target = lookup.related(field) if field["type"] == "relation" else None
        else:
            found = back_relation(part)
            back = lookup.back(here, found) if found is not None else None
            if back is None or is_last:
                raise NotCertain(f"{here.name} has no field {part}")
            target = back[0]
            yield target.id, str(back[1]["name"])
        if target is None:
            raise NotCertain(f"{part} of {here.name} leads nowhere")
        here = target
    raise NotCertain("an empty path")
