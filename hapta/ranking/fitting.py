"""Asking a schema for what a configuration names; what is not there, or does not fit, is noted."""

from collections.abc import Iterable
from typing import Final

from hapta.cache.lookup import Field, Lookup
from hapta.config.problems import did_you_mean
from hapta.model.schema import Collection, Schema

ID: Final = "id"


class Fitting:
    """One configuration held against one schema.

    Attributes:
        problems: keys, each with what is wrong.
        reads: by id of the collection, the fields of its rows that were asked for.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.lookup = Lookup(schema)
        self.problems: list[tuple[str, str]] = []
        self.reads: dict[str, set[str]] = {}

    def add(self, key: str, problem: str) -> None:
        """Something is wrong at a key."""
        self.problems.append((key, problem))

    def read(self, collection: Collection, names: Iterable[str]) -> None:
        """Its rows are needed, with these fields."""
        self.reads.setdefault(collection.id, {ID}).update(names)

    def collection(self, key: str, name: str) -> Collection | None:
        """A collection whose rows can be followed."""
        found = self.lookup.resolve(name)
        if found is None:
            names = [each.name for each in self.schema.by_id.values() if not each.is_system]
            self.add(key, f"there is no collection {name}{did_you_mean(name, names)}")
        elif found.is_system:
            self.add(key, f"{found.name} is one of PocketBase's own collections")
            return None
        elif found.is_view:
            self.add(key, f"{found.name} is a view: PocketBase does not tell when its rows change")
            return None
        return found

    def field(self, key: str, collection: Collection, name: str) -> Field | None:
        """A field that is there; it will be read."""
        found = self.lookup.field(collection, name)
        if found is None:
            known = [each["name"] for each in collection.fields]
            self.add(key, f"{collection.name} has no field {name}{did_you_mean(name, known)}")
            return None
        self.read(collection, [name])
        return found

    def typed(
        self, key: str, collection: Collection, name: str, kinds: Iterable[str], words: str
    ) -> Field | None:
        """A field of one of these types; ``words`` say which."""
        found = self.field(key, collection, name)
        if found is not None and found["type"] not in kinds:
            self.add(key, f"{name} of {collection.name} is of type {found['type']}: expected {words}")
            return None
        return found

    def relation(self, key: str, collection: Collection, name: str, target: Collection, whose: str) -> bool:
        """Whether a field leads to a collection."""
        found = self.typed(key, collection, name, {"relation"}, "a relation")
        if found is None:
            return False
        if found.get("collectionId") != target.id:
            related = self.lookup.related(found)
            where = "nowhere" if related is None else f"to {related.name}"
            problem = f"leads {where}: expected a relation to {target.name}, {whose}"
            self.add(key, f"{name} of {collection.name} {problem}")
            return False
        return True

    def callers(self, key: str, source: Collection, name: str) -> Collection | None:
        """The auth collection an edge begins at."""
        found: Collection | None = source
        if name != ID:
            field = self.typed(key, source, name, {"relation"}, "a relation")
            if field is None:
                return None
            found = self.lookup.related(field)
        if found is None or found.type != "auth" or found.is_system:
            what = "id" if name == ID else f"{name} of {source.name}"
            where = "nowhere" if found is None else f"to {found.name}"
            self.add(key, f"{what} leads {where}: expected a collection of users")
            return None
        return found
