"""Records as everybody is shown them, found again in what is stored or was just written.

A list shows whole records, and so does the answer to a write: a view of one of them need not be asked for,
nor a list of a few of them where another one shows all. Kept is only where a record stands; it is taken from
there when it is needed, if that may still be served. What is taken is as everybody is shown it: only answers
that guests share are noted, and of an own write what :func:`hapta.cache.assembly.public_fields` leaves.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from hapta.cache.assembly import Fields, ListBody, OddBody, own, parse_row, seen, values
from hapta.cache.changes import Change
from hapta.cache.derive import Record as Known
from hapta.cache.generations import Fence, Generations
from hapta.cache.key import Key
from hapta.cache.plan import Expand, Plan
from hapta.cache.store import ResponseStore
from hapta.cache.stored import Stored
from hapta.cache.tags import all_rows, record
from hapta.model.clock import Clock

Record: TypeAlias = tuple[str, str]
"""Ids of a collection and of a record in it."""

MAX_BYTES: Final = 1024 * 1024
"""Of an answer that is taken apart."""
MAX_TARGET: Final = 500
"""Characters of the target of an answer that is noted: with a place stands its key."""
MAX_PLACES: Final = 20_000
MAX_WRITTEN: Final = 2_000
MAX_PARSED: Final = 4
"""Lists kept taken apart."""
MAX_UNIQUE: Final = 256
"""Characters of a value by which a record is found."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record.

    Attributes:
        fields: its own members, without an expand.
        known_at: monotonic seconds: it is no newer.
        is_written: it is known from a write, not from a list or view.
    """

    fields: Fields
    known_at: float
    is_written: bool


@dataclass(frozen=True, slots=True)
class Whole:
    """All records of a collection that everybody may list.

    Attributes:
        records: these.
        shown: they and what is expanded from them, by ids of collection and record.
    """

    records: list[Known]
    shown: Mapping[Record, Fields]


@dataclass(frozen=True, slots=True)
class _Place:
    """An answer that shows a record; of its plan no more than is needed to find it, for a plan is large."""

    slot: Key
    collection: str
    is_view: bool
    expands: tuple[Expand, ...]


class Shelf:
    """Where records stand.

    Args:
        store: what is stored.
        generations: of all tags.
        clock: both times.
    """

    def __init__(self, store: ResponseStore, generations: Generations, clock: Clock) -> None:
        self._store = store
        self._generations = generations
        self._clock = clock
        self._places: OrderedDict[Record, _Place] = OrderedDict()
        self._uniques: OrderedDict[tuple[str, str, str], str] = OrderedDict()
        self._whole: dict[str, tuple[Key, Plan]] = {}
        self._parsed: OrderedDict[Key, tuple[Stored, Whole]] = OrderedDict()
        self._written: OrderedDict[Record, tuple[Change, Fence, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places) + len(self._written)

    def note(self, slot: Key, plan: Plan, body: bytes) -> None:
        """An answer that guests share was stored: a 200 that tells rows as they are."""
        if len(body) > MAX_BYTES or plan.local is None or len(plan.target) > MAX_TARGET:
            return
        try:
            shown, is_whole = _look_over(plan, plan.local.uniques, body)
        except (orjson.JSONDecodeError, msgspec.DecodeError, KeyError, TypeError, AttributeError):
            return  # whatever it is, it is not PocketBase's
        uniques = plan.local.uniques
        place = _Place(slot, plan.collection, plan.record is not None, plan.expands)
        for collection, record_id, row in shown:
            if not isinstance(record_id, str):
                continue
            found = (collection, record_id)
            self._places.pop(found, None)
            self._places[found] = place
            for field in uniques.get(collection, ()):
                value = row.get(field)
                if field != "id" and isinstance(value, str) and len(value) < MAX_UNIQUE:
                    key = (collection, field, value)
                    self._uniques.pop(key, None)
                    self._uniques[key] = record_id
        for table in (self._places, self._uniques):
            while len(table) > MAX_PLACES:
                table.popitem(last=False)
        if is_whole and not plan.parts and not plan.local.is_filtered:
            self._whole[plan.collection] = (slot, plan)

    def clear(self) -> None:
        """The schema is another: what is stored under the same key may show other collections."""
        for table in (self._places, self._uniques, self._whole, self._parsed, self._written):
            table.clear()

    def whole(self, collection: str) -> tuple[Key, Plan] | None:
        """Where a list of all records of a collection that everybody may list is stored, or was."""
        return self._whole.get(collection)

    def records(self, slot: Key, plan: Plan, stored: Stored) -> "Whole | None":
        """What such a list shows; ``None`` if it does not show all any more."""
        parsed = self._parsed.pop(slot, None)
        if parsed is None or parsed[0] is not stored:
            whole = _parse_whole(plan, stored)
            if whole is None:
                self._whole.pop(plan.collection, None)
                return None
            parsed = (stored, whole)
        self._parsed[slot] = parsed
        if len(self._parsed) > MAX_PARSED:
            self._parsed.popitem(last=False)
        return parsed[1]

    def unique(self, collection: str, field: str, value: str) -> str | None:
        """Id of the record that was seen with a value which no two records have."""
        return value if field == "id" else self._uniques.get((collection, field, value))

    def wrote(self, change: Change) -> None:
        """An own write was just closed, and this is all it did."""
        key = (change.collection, change.record)
        self._written.pop(key, None)
        fence = self._generations.fence((record(*key), all_rows(change.collection)))
        if fence is None:
            return
        fence.fetched()
        if change.row is None or change.is_void:
            return
        self._written[key] = (change, fence, self._clock.monotonic())
        if len(self._written) > MAX_WRITTEN:
            self._written.popitem(last=False)

    def find(self, collection: str, record_id: str) -> Found | None:
        """A record as it is now; ``None`` if that is not known."""
        key = (collection, record_id)
        written = self._written.get(key)
        if written is not None:
            change, fence, at = written
            if fence.holds() and change.row is not None:
                return Found(change.row, at, is_written=True)
            del self._written[key]
        place = self._places.get(key)
        if place is None:
            return None
        stored = self._store.peek(place.slot)
        if stored is None or not stored.is_live(self._clock.monotonic(), self._clock.now()):
            return None
        fields = _take(place, stored, key)
        if fields is None:
            del self._places[key]
            return None
        return Found(fields, stored.stored_at, is_written=False)


def _take(place: _Place, stored: Stored, wanted: Record) -> Fields | None:
    if stored.status != 200 or len(stored.body) > MAX_BYTES:
        return None
    try:
        rows = [parse_row(stored.body)] if place.is_view else ListBody.parse(stored.body).rows
        for row in rows:
            for collection, record_id, fields in seen(row, place.expands, place.collection):
                if (collection, record_id) == wanted:
                    return fields
    except OddBody:
        return None
    return None


class _Row(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    """Of a list no more than where its rows stand."""

    items: list[_Row]
    page: int
    perPage: int
    totalItems: int


_NOTHING: Final[frozenset[str]] = frozenset()
_ID: Final = frozenset({"id"})
_NO_VALUES: Final[Mapping[str, Any]] = {}
_decode_list = msgspec.json.Decoder(_List).decode


def _look_over(
    plan: Plan, uniques: Mapping[str, frozenset[str]], body: bytes
) -> tuple[list[tuple[str, Any, Mapping[str, Any]]], bool]:
    """The rows in an answer, by collection and id, and whether these are all there are. Only where values are
    asked for are they decoded."""
    if not plan.expands and not uniques.get(plan.collection, _NOTHING) - _ID:
        if plan.record is None:
            page = _decode_list(body)
            shown = [(plan.collection, row.id, _NO_VALUES) for row in page.items]
            return shown, _is_whole(page.page, page.perPage, page.totalItems, len(shown))
        if b'"id":"%s"' % plan.record.encode() in body:
            return [(plan.collection, plan.record, _NO_VALUES)], False
    answer = orjson.loads(body)
    rows = [(collection, row["id"], row) for collection, row in _shown(plan, answer)]
    return rows, plan.record is None and _is_whole(
        answer["page"], answer["perPage"], answer["totalItems"], len(answer["items"])
    )


def _shown(plan: Plan, answer: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for row in [answer] if plan.record is not None else answer["items"]:
        yield plan.collection, row
        yield from _expanded(row, plan.expands)


def _expanded(row: Mapping[str, Any], expands: tuple[Expand, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    shown: Mapping[str, Any] = row.get("expand") or {}
    for expand in expands:
        value = shown.get(expand.field)
        for each in value if isinstance(value, list) else [value] if value else []:
            yield expand.target, each
            yield from _expanded(each, expand.children)


def _is_whole(page: int, per_page: int, total: int, shown: int) -> bool:
    """Whether a list has all its rows on this page."""
    return page == 1 and (total == shown if total >= 0 else shown < per_page)


def _parse_whole(plan: Plan, stored: Stored) -> Whole | None:
    if stored.status != 200 or len(stored.body) > MAX_BYTES:
        return None
    try:
        page = ListBody.parse(stored.body)
        shown = {
            (collection, record_id): fields
            for row in page.rows
            for collection, record_id, fields in seen(row, plan.expands, plan.collection)
        }
        is_whole = _is_whole(page.page, page.per_page, page.total_items, len(page.rows))
        records = [Known(own(row), values(row)) for row in page.rows]
    except (OddBody, ValueError):
        return None
    return Whole(records, shown) if is_whole else None
