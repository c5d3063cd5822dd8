"""A database that is a dictionary."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from secrets import choice
from string import ascii_lowercase, digits
from typing import Any, Final

from hapta.filters.errors import FilterError
from hapta.hooks.change import NOTHING, Record
from hapta.hooks.database import BatchWrite, DatabaseError
from hapta.hooks.filter_params import date_text, filled_in
from hapta.testing.filters import matches

_ID_CHARACTERS: Final = ascii_lowercase + digits
_UNIQUE = re.compile(r"CREATE UNIQUE INDEX .*?\((.*)\)\s*\Z", re.IGNORECASE | re.DOTALL)


class MemoryDatabase:
    """A :class:`~hapta.hooks.database.Database` for tests.

    It keeps whatever fields it is given: it knows no schema, so it checks no field, fills in no default and
    sets no date; a moment comes back as PocketBase writes it. It does not expand, deletes nothing along with
    a row, and filters by plain fields alone (:mod:`hapta.testing.filters`). Modifiers (``count+``, ``tags-``)
    work on numbers and lists. Ids are unique; so is what a collection made by :meth:`ensure_collection` has a
    unique index on.

    Args:
        rows: to begin with, by collection; a row without ``id`` gets one.
        has_batch: PocketBase's batch API is on.

    Attributes:
        rows: by collection and id.
        requests: what was asked for, in order: ``list posts``, ``create tags``, ``batch`` …
        collections: made by :meth:`ensure_collection`, by name.
    """

    def __init__(
        self, rows: Mapping[str, Sequence[Mapping[str, Any]]] = NOTHING, *, has_batch: bool = True
    ) -> None:
        self.rows: dict[str, dict[str, dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.collections: dict[str, Mapping[str, Any]] = {}
        self._has_batch = has_batch
        for collection, given in rows.items():
            for row in given:
                self._create(collection, row)

    async def view(self, collection: str, record: str, *, expand: str = "") -> Record | None:
        self._note(f"view {collection}", expand)
        row = self._of(collection).get(record)
        return None if row is None else dict(row)

    async def list(
        self,
        collection: str,
        *,
        filter: str = "",
        params: Mapping[str, Any] = NOTHING,
        sort: str = "",
        page: int = 1,
        per_page: int = 200,
        expand: str = "",
    ) -> Sequence[Record]:
        self._note(f"list {collection}", expand)
        condition = filled_in(filter, params)
        try:
            found = [dict(row) for row in self._of(collection).values() if matches(condition, row)]
        except FilterError as exc:
            raise DatabaseError(400, f"the filter cannot be read: {exc}") from exc
        for name in reversed([name.strip() for name in sort.split(",") if name.strip()]):
            found.sort(key=_by(name.lstrip("+-")), reverse=name.startswith("-"))
        return found[(page - 1) * per_page : page * per_page]

    async def create(self, collection: str, fields: Mapping[str, Any]) -> Record:
        self._note(f"create {collection}")
        return self._create(collection, fields)

    async def update(self, collection: str, record: str, fields: Mapping[str, Any]) -> Record:
        self._note(f"update {collection}")
        return self._update(collection, record, fields)

    async def delete(self, collection: str, record: str) -> None:
        self._note(f"delete {collection}")
        self._delete(collection, record)

    async def batch(self, writes: Sequence[BatchWrite]) -> Sequence[Record | None]:
        self._note("batch")
        if not self._has_batch:
            raise DatabaseError(403, "PocketBase's batch API is off")
        before = {name: {id: dict(row) for id, row in rows.items()} for name, rows in self.rows.items()}
        done: list[Record | None] = []
        for number, write in enumerate(writes):
            try:
                done.append(self._carry_out(write))
            except DatabaseError as exc:
                self.rows = before
                data = {"requests": {str(number): {"response": {"status": exc.status, "data": exc.data}}}}
                raise DatabaseError(400, "Batch transaction failed.", data) from exc
        return done

    async def ensure_collection(self, collection: Mapping[str, Any]) -> None:
        name = str(collection.get("name", ""))
        if not name.startswith("hapta_"):
            raise ValueError(f"the name of a plugin's collection begins with hapta_, not {name!r}")
        self._note(f"ensure {name}")
        self.collections[name] = collection

    def all(self, collection: str) -> Sequence[Record]:
        """The rows of a collection, in the order in which they were made; not noted in ``requests``."""
        return [dict(row) for row in self._of(collection).values()]

    def _note(self, request: str, expand: str = "") -> None:
        if expand:
            raise ValueError("hapta.testing does not expand")
        self.requests.append(request)

    def _of(self, collection: str) -> dict[str, dict[str, Any]]:
        return self.rows.setdefault(collection, {})

    def _carry_out(self, write: BatchWrite) -> Record | None:
        if write.action == "delete":
            self._delete(write.collection, write.id)
            return None
        if write.action == "update":
            return self._update(write.collection, write.id, write.fields)
        known = write.action == "upsert" and write.fields.get("id") in self._of(write.collection)
        if known:
            return self._update(write.collection, write.fields["id"], write.fields)
        return self._create(write.collection, write.fields)

    def _create(self, collection: str, fields: Mapping[str, Any]) -> Record:
        id = str(fields.get("id") or "".join(choice(_ID_CHARACTERS) for _ in range(15)))
        if id in self._of(collection):
            raise _taken("id")
        row = _changed({"collectionName": collection, "id": id}, {**fields, "id": id})
        self._check_unique(collection, row)
        self._of(collection)[id] = row
        return dict(row)

    def _update(self, collection: str, record: str, fields: Mapping[str, Any]) -> Record:
        row = _changed(self._existing(collection, record), fields)
        self._check_unique(collection, row)
        self._of(collection)[record] = row
        return dict(row)

    def _delete(self, collection: str, record: str) -> None:
        self._existing(collection, record)
        del self._of(collection)[record]

    def _existing(self, collection: str, record: str) -> dict[str, Any]:
        row = self._of(collection).get(record)
        if row is None:
            raise DatabaseError(404, "The requested resource wasn't found.")
        return row

    def _check_unique(self, collection: str, row: Mapping[str, Any]) -> None:
        for index in self.collections.get(collection, {}).get("indexes", ()):
            unique = _UNIQUE.match(index)
            if unique is None:
                continue
            names = [name.strip(" `\"'[]") for name in unique[1].split(",")]
            for other in self._of(collection).values():
                if other["id"] != row["id"] and all(other.get(name) == row.get(name) for name in names):
                    raise _taken(names[0])


def _taken(field: str) -> DatabaseError:
    wrong = {"code": "validation_not_unique", "message": "Value must be unique."}
    return DatabaseError(400, "Failed to create record.", {field: wrong})


def _changed(row: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(row)
    for name, given in fields.items():
        plain, value = name.strip("+-"), _stored(given)
        if plain == name:
            made[name] = value
        elif name.endswith("-"):
            made[plain] = _without(made.get(plain), value)
        elif isinstance(made.get(plain), list) or isinstance(value, list | str):
            before, added = _listed(made.get(plain)), _listed(value)
            new = [each for each in added if each not in before]
            made[plain] = [*new, *before] if name.startswith("+") else [*before, *new]
        else:
            made[plain] = (made.get(plain) or 0) + value
    return made


def _stored(value: Any) -> Any:
    """As it comes back."""
    if isinstance(value, datetime):
        return date_text(value)
    if isinstance(value, Mapping):
        return {name: _stored(each) for name, each in value.items()}
    return [_stored(each) for each in value] if isinstance(value, list | tuple) else value


def _without(before: Any, value: Any) -> Any:
    if isinstance(before, list) or isinstance(value, list | str):
        gone = _listed(value)
        return [each for each in _listed(before) if each not in gone]
    return (before or 0) - value


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value is None or value == "" else [value]


def _by(name: str) -> Callable[[Mapping[str, Any]], tuple[int, Any]]:
    """As SQLite sorts: nothing, numbers, texts; anything else as the text it is."""

    def key(row: Mapping[str, Any]) -> tuple[int, Any]:
        value = row.get(name)
        if value is None:
            return 0, 0
        return (1, value) if isinstance(value, int | float) else (2, str(value))

    return key
