"""The schema as the planner asks it: collections by name, fields, and the way along relations.

The way is that of ``core/record_field_resolver_runner.go`` (processActiveProps): a field of the name comes
first, then a back-relation; a JSON or geo field ends it, the rest being a path within its value; and
``rel.id`` of a single relation is the relation field itself, without a join.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from hapta.filters.paths import BackRelation, back_relation
from hapta.model.schema import Collection, Schema, fold_name

Field: TypeAlias = Mapping[str, Any]
"""One field of a collection, as in PocketBase's API."""

MAX_HOPS = 6
_HOLD_PATHS = frozenset({"json", "geoPoint"})
_MANY = frozenset({"select", "relation", "file"})


class PathError(Exception):
    """PocketBase refuses the path, or we are not sure how it reads it."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where a path leads.

    Attributes:
        hops: collections joined on the way, in order.
        field: the field at its end; ``None`` if it ends at a field that is not there (NULL).
        is_within: the path goes on inside the field's value.
    """

    hops: tuple[Collection, ...]
    field: Field | None
    is_within: bool = False


def is_multiple(field: Field) -> bool:
    """Whether a select, relation or file field may hold several values."""
    return field["type"] in _MANY and (field.get("maxSelect") or 0) > 1


class Lookup:
    """One schema, with its fields by name."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._fields: dict[str, dict[str, Field]] = {}

    def resolve(self, name_or_id: str) -> Collection | None:
        """The collection meant; ``None`` also where an id and a name could both be meant."""
        by_id = self.schema.by_id.get(name_or_id)
        by_name = self.schema.by_name.get(fold_name(name_or_id))
        if by_id is not None and by_name is not None and by_id is not by_name:
            return None
        return by_id or by_name

    def field(self, collection: Collection, name: str) -> Field | None:
        """A field by its exact name."""
        fields = self._fields.get(collection.id)
        if fields is None:
            fields = self._fields[collection.id] = {each["name"]: each for each in collection.fields}
        return fields.get(name)

    def related(self, field: Field) -> Collection | None:
        """The collection a relation field points to."""
        return self.schema.by_id.get(field.get("collectionId", ""))

    def back(self, collection: Collection, found: BackRelation) -> tuple[Collection, Field] | None:
        """The collection and relation field a back-relation to this collection comes from."""
        origin = self.resolve(found.collection)
        if origin is None:
            return None
        field = self.field(origin, found.field)
        if field is None or field["type"] != "relation" or field.get("collectionId") != collection.id:
            return None
        return origin, field

    def way(
        self,
        start: Collection,
        parts: tuple[str, ...],
        *,
        sees_hidden: bool,
        is_lenient: bool = False,
        has_modifier: bool = False,
    ) -> Way:
        """Follow a path.

        Args:
            start: where it begins.
            parts: its parts, without a modifier.
            sees_hidden: hidden fields may be read, as in rules.
            is_lenient: a field that is not there reads as NULL, as under ``@request.auth``.
            has_modifier: a modifier follows, so ``rel.id`` is joined after all.

        Raises:
            PathError: there is no such way.
        """
        hops: list[Collection] = []
        here = start
        for at, part in enumerate(parts):
            field = self.field(here, part)
            if field is not None and field.get("hidden") and not sees_hidden:
                raise PathError(f"{part} of {here.name} is hidden")
            if at == len(parts) - 1:
                if field is None and not is_lenient:
                    raise PathError(f"{here.name} has no field {part}")
                return Way(tuple(hops), field)
            if field is not None and field["type"] in _HOLD_PATHS:
                return Way(tuple(hops), field, is_within=True)
            if at >= MAX_HOPS:
                raise PathError("too many relations")
            if field is None:
                found = back_relation(part)
                if found is None and is_lenient:
                    return Way(tuple(hops), None)
                back = self.back(here, found) if found else None
                if back is None or (back[1].get("hidden") and not sees_hidden):
                    raise PathError(f"{here.name} has no field {part}")
                here = back[0]
            else:
                if field["type"] != "relation":
                    raise PathError(f"{part} of {here.name} is no relation")
                if parts[at + 1 :] == ("id",) and not is_multiple(field) and not has_modifier:
                    return Way(tuple(hops), field)
                target = self.related(field)
                if target is None:
                    raise PathError(f"{part} of {here.name} leads nowhere")
                here = target
            hops.append(here)
        raise PathError("an empty path")
