"""What a write may change, as tags: for own writes before they are sent, and for events of the change feed.

Everything that depends on the schema alone is worked out once for it, in :class:`WriteTags`; a write then
costs a look-up and one tag for its record. Besides its row a write reaches

* the views that read the collection, and every view of which it is not known what it reads;
* after a delete, all collections with a relation to it: their rows lose the value or go as well, and with
  them go others (``cascadeDelete``). Nobody knows which rows, so ``all`` of those collections;
* of an auth collection, PocketBase's own collections of what belongs to an identity.

What hooks write besides is told by the feed.

Lists restricted to one value of a field are taken for reached by every write here, by ``anywhere`` of the
collection. Where more is known of the row, :mod:`hapta.cache.known_rows` puts the values in its place.
"""

from collections.abc import Collection as Several
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hapta.cache.plan import Views
from hapta.cache.tags import EVERYTHING, Tag, all_rows, any_row, anywhere, births, record
from hapta.model.operation import Operation, OperationClass, classify_sub_request
from hapta.model.schema import Collection, Schema, fold_name

_K = OperationClass
_READ = frozenset({"GET", "HEAD", "OPTIONS"})
_OF_AN_IDENTITY = ("_externalAuths", "_mfas", "_otps", "_authOrigins")
_EVERYTHING = frozenset({EVERYTHING})
_NOTHING: frozenset[Tag] = frozenset()


@dataclass(frozen=True, slots=True)
class Written:
    """What one request may change.

    Attributes:
        announced: tags to announce before it is sent; empty: it changes nothing that is stored.
        is_unknown: it names a collection that is not in the schema. If the schema, confirmed anew, does not
            have it either, PocketBase answers 404 and the request changes nothing.
        collection: id of the collection of which it creates, updates or deletes one row; ``None`` for
            everything else.
    """

    announced: frozenset[Tag]
    is_unknown: bool = False
    collection: str | None = None


NOTHING: Final = Written(_NOTHING)
ALL: Final = Written(_EVERYTHING)


@dataclass(frozen=True, slots=True)
class _Reach:
    """Tags by what is done to a row of one collection, without those of the row itself."""

    updated: frozenset[Tag]
    created: frozenset[Tag]
    deleted: frozenset[Tag]
    unclear: frozenset[Tag]
    """One row or several, changed or created."""
    sign_in: frozenset[Tag]
    """PocketBase's notes on identities."""


class WriteTags:
    """Tags of writes under one schema; made anew with each schema and each :data:`Views`.

    Args:
        schema: as last confirmed.
        views: what its views read.
        custom_routes_write: names or ids of collections that requests to unknown routes may change, all
            methods but GET; ``("*",)`` for any.
    """

    def __init__(self, schema: Schema, views: Views, *, custom_routes_write: Several[str] = ("*",)) -> None:
        self._schema = schema
        readers = _readers(schema, views)
        self._rows = {
            collection.id: frozenset(
                {any_row(collection.id), anywhere(collection.id), *readers.get(collection.id, ())}
            )
            for collection in schema.by_id.values()
        }
        self._notes = self._notes_on_identities()
        references = _references(schema)
        self._reach = {
            collection.id: self._reach_of(collection, _fallout(references, collection.id))
            for collection in schema.by_id.values()
        }
        self._custom = self._of_custom_routes(custom_routes_write)

    def of(self, operation: Operation, method: str, *, body_id: str | None = None) -> Written:
        """What a request other than a batch may change.

        Args:
            body_id: the id a create asks for, if it is known.
        """
        kind, action = operation.kind, operation.action
        if kind is _K.RECORD_WRITE and action != "batch":
            return self._record_write(action, operation.collection or "", operation.record or body_id)
        if kind is _K.AUTH_ANSWER or kind is _K.AUTH_ACTION:
            return self._auth(action, operation.collection) if method not in _READ else NOTHING
        if method in _READ:
            return NOTHING
        if kind is _K.ADMIN or kind is _K.RECORD_WRITE:
            return ALL
        return self._custom if kind is _K.UNKNOWN else NOTHING

    def of_batch(self, requests: Iterable[Mapping[str, object]]) -> Written:
        """What a batch may change.

        Args:
            requests: its sub-requests, their members' names in lower case.
        """
        found: set[Tag] = set()
        is_unknown = False
        for request in requests:
            written = self._sub_request(request)
            found |= written.announced
            is_unknown |= written.is_unknown
        return Written(frozenset(found), is_unknown)

    def changed(self, collection: str, record_id: str, action: str) -> frozenset[Tag]:
        """What an event of the change feed says to have changed.

        A delete's cascades have events of their own.

        Args:
            collection: id.
            action: ``create``, ``update`` or ``delete``.
        """
        rows = self._rows.get(collection)
        if rows is None:
            return _EVERYTHING
        if action == "create":
            return rows | {record(collection, record_id), births(collection)}
        return rows | {record(collection, record_id)}

    def _record_write(self, action: str, name_or_id: str, record_id: str | None) -> Written:
        collection = self._schema.resolve(name_or_id)
        if collection is None:
            return Written(_EVERYTHING, is_unknown=True)
        reach = self._reach[collection.id]
        if action == "delete":
            tags = reach.deleted
        elif action == "update":
            tags = reach.updated
        elif action == "create" or record_id is not None:
            tags = reach.created
        else:
            tags = reach.unclear  # an upsert that may name its record in a way not understood here
        one_row = None if action == "upsert" else collection.id
        return Written(
            tags if record_id is None else tags | {record(collection.id, record_id)}, collection=one_row
        )

    def _auth(self, action: str, name_or_id: str | None) -> Written:
        if name_or_id is None or action == "impersonate":
            return NOTHING
        collection = self._schema.resolve(name_or_id)
        if collection is None:
            return Written(_EVERYTHING, is_unknown=True)
        reach = self._reach[collection.id]
        if action in ("auth-with-oauth2", "auth-with-otp") or action.startswith("confirm-"):
            return Written(reach.unclear)
        return NOTHING if action == "auth-refresh" else Written(reach.sign_in)

    def _sub_request(self, request: Mapping[str, object]) -> Written:
        method, url = request.get("method"), request.get("url")
        if not isinstance(method, str) or not isinstance(url, str):
            return ALL
        found = classify_sub_request(method, url)
        if found is None:
            return ALL
        body, action = request.get("body"), found.action
        asked_for = body.get("id") if isinstance(body, Mapping) else None
        if action == "upsert" and asked_for in (None, ""):
            action = "create"
        body_id = asked_for if isinstance(asked_for, str) else None  # of a number PocketBase makes a text
        return self._record_write(action, found.collection, found.record or body_id or None)

    def _reach_of(self, collection: Collection, fallout: frozenset[str]) -> _Reach:
        rows = self._rows[collection.id]
        notes = self._notes if collection.type == "auth" else _NOTHING
        born = births(collection.id)
        unclear = rows | notes | {all_rows(collection.id), born}
        return _Reach(
            updated=rows | notes,
            created=rows | notes | {born},
            deleted=(rows | notes).union(*map(self._some_rows, fallout)),
            unclear=unclear,
            sign_in=notes,
        )

    def _notes_on_identities(self) -> frozenset[Tag]:
        found = (self._schema.by_name.get(fold_name(name)) for name in _OF_AN_IDENTITY)
        return frozenset(
            tag for notes in found if notes for tag in (*self._some_rows(notes.id), births(notes.id))
        )

    def _some_rows(self, collection: str) -> frozenset[Tag]:
        return self._rows[collection] | {all_rows(collection)}

    def _of_custom_routes(self, names: Several[str]) -> Written:
        found: set[Tag] = set()
        for name in names:
            collection = None if name == "*" else self._schema.resolve(name)
            if collection is None:
                return ALL  # "*", or one that may come to be
            reach = self._reach[collection.id]
            found |= reach.unclear | reach.deleted
        return Written(frozenset(found))


def _readers(schema: Schema, views: Views) -> Mapping[str, set[Tag]]:
    """Tags of the views that read a collection, by its id; of a view whose reads are not known or cannot be
    trusted, under every collection."""
    found: dict[str, set[Tag]] = {collection: set() for collection in schema.by_id}
    for view in [collection.id for collection in schema.by_id.values() if collection.is_view]:
        reads = views.get(view)
        read = schema.by_id.keys() if reads is None or reads.trouble else reads.collections
        for collection in read:
            found.setdefault(collection, set()).update((any_row(view), all_rows(view), births(view)))
    return found


def _references(schema: Schema) -> Mapping[str, set[tuple[str, bool]]]:
    """By collection: those with a relation to it, and whether rows go with it. Views have no rows to lose."""
    found: dict[str, set[tuple[str, bool]]] = {}
    for other in schema.by_id.values():
        for field in () if other.is_view else other.fields:
            if field.get("type") == "relation":
                reference = (other.id, bool(field.get("cascadeDelete")))
                found.setdefault(str(field.get("collectionId")), set()).add(reference)
    return found


def _fallout(references: Mapping[str, set[tuple[str, bool]]], collection: str) -> frozenset[str]:
    """Collections of which rows change or go when a row of this one is deleted (``core/record_model.go``
    cascadeRecordDelete)."""
    touched: set[str] = set()
    emptied, todo = {collection}, [collection]
    while todo:
        for other, goes in references.get(todo.pop(), ()):
            touched.add(other)
            if goes and other not in emptied:
                emptied.add(other)
                todo.append(other)
    return frozenset(touched)
