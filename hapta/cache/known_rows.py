"""What rows are known to have in the fields some list is restricted by, so that a write reaches those lists.

**The argument.** A list of the rows with ``field = constant`` (:mod:`hapta.cache.restrictions`) is made wrong
by a write to a row only if the row had the constant before or has it after: else it neither was in the list
nor is, nor is it counted, whatever else the filter asks. So a write to a row has to move
:func:`~hapta.cache.tags.restricted` of every such field with every value the row had or has:

* *Before.* Kept is, by row, the **set** of values seen, not the last one: a change around Hapta may be under
  way of which nothing was heard, and events come in any order. Values come from stored answers (under a fence
  that holds), from answers to own writes and from events, and are added to those before. A delete takes
  nothing away either. Only an own update that no other overlapped settles the row: whatever list was stored
  on the strength of an older value its close has made unusable, and who sets another value will name it.
* *After.* The new values are in the answer of an own write, which moves them before it leaves, and in the
  event of any other. An answer or event that does not show them reaches all restricted lists of the
  collection, by :func:`~hapta.cache.tags.anywhere`.
* *Not known.* A row that was never seen, was forgotten, or lacks a field reaches all of them as well. What is
  known of a row is void once its own tag, that of all rows or that of everything moved without its being told
  here: a cascade, a batch, a gap of the feed, a lost write.
* *Lost.* A lost write may land with any values: besides its own tags ``anywhere`` is in doubt. While a row is
  in doubt nothing is learned of it.
* *Young.* A row seen for the first time may have been seen *after* a change whose event is still on its way;
  what it had before that is in no set. So for :attr:`KnownRows.young_s` after its first sight every event
  that is not the echo of an own write reaches all restricted lists. Each committed own write has one event;
  they are counted. The event of a create needs no before.
* *Watched too late.* An own write that began before lists were restricted by a field at all has announced
  ``anywhere``, or finds at its end that the row lacks the field, and then moves it.

**The limit.** The rows a list shows it depends on by name. Of a row on another of its pages it may happen
that somebody changes it around Hapta and an own write follows before the event of that change came: then the
value in between is unknown for as long as the event takes. That is the feed's delay, which is what is
promised of changes around Hapta.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from hapta.cache.changes import Change
from hapta.cache.generations import Generations, Mark, Write
from hapta.cache.restrictions import Restriction, normal_form, restrictable
from hapta.cache.tags import Tag, all_rows, anywhere, record, restricted
from hapta.model.clock import Clock
from hapta.model.schema import Schema

Row: TypeAlias = Mapping[str, Any]
"""A row as PocketBase shows it."""
Values: TypeAlias = Mapping[str, str]
"""By field, in the form they have in tags."""

MAX_BYTES: Final = 16 * 1024 * 1024
YOUNG_S: Final = 10.0
MAX_VALUES: Final = 8
"""Values of one field of one row; one that moves on is forgotten, and so reaches all lists once."""
_ROW_BYTES = 900
"""Memory of one row without its values: its entry, its tag, the state of that and a mark."""
_VALUE_BYTES = 160


class _Known:
    """One row.

    Attributes:
        mark: where the tags stood under which this was last true.
        since: when the youngest of its fields was first seen.
        values: by field, what it has or may have had.
        open: own writes to it under way.
        is_contended: own writes under way overlapped, or an event came meanwhile: nobody knows who was last.
        echoes: events of own writes still to come; below 0 while they come before the answers.
        weight: bytes it takes.
    """

    __slots__ = ("echoes", "is_contended", "mark", "open", "since", "values", "weight")

    def __init__(self, mark: Mark, since: float) -> None:
        self.mark = mark
        self.since = since
        self.values: dict[str, set[str]] = {}
        self.open = 0
        self.is_contended = False
        self.echoes = 0
        self.weight = _ROW_BYTES


class RowWrite:
    """An own write under way; made by :meth:`KnownRows.begin`, ended once by one of its methods.

    Args:
        collection: id, where it is known and lists of it are restricted.
        action: ``create``, ``update`` or ``delete``.
        known: what was known of the row when its values were announced.
    """

    __slots__ = ("_action", "_collection", "_known", "_record", "_rows", "_write")

    def __init__(
        self,
        rows: "KnownRows",
        write: Write,
        collection: str | None = None,
        record_id: str = "",
        action: str = "",
        known: _Known | None = None,
    ) -> None:
        self._rows = rows
        self._write = write
        self._collection = collection
        self._record = record_id
        self._action = action
        self._known = known
        if known is not None:
            known.is_contended = known.open > 0
            known.open += 1

    @property
    def is_of_one_row(self) -> bool:
        """Its row is followed: what the answer shows of it is worth knowing."""
        return self._collection is not None

    @property
    def began_at(self) -> int:
        """As of :class:`~hapta.cache.generations.Write`."""
        return self._write.began_at

    def close(
        self,
        *,
        has_changed: bool,
        row: Row | None = None,
        change: Change | None = None,
        is_sole: bool = True,
    ) -> None:
        """It was answered.

        Args:
            has_changed: ``False`` only where it is certain that nothing was committed.
            row: as the answer shows it, of a delete an empty one; ``None`` where the answer does not tell
                what became of the row.
            change: all that it did to rows of the collection, where that is known.
            is_sole: as far as is known no other write changed the row meanwhile.
        """
        collection, rows = self._collection, self._rows
        if collection is None:
            self._write.close(has_changed=has_changed, change=change)
            return
        known = self._known
        settles = self._action == "update" and known is not None and not known.is_contended and is_sole
        is_mistaken = self._release(is_echoed=has_changed and row is not None)
        if not has_changed:
            self._write.close(has_changed=False)
            if is_mistaken:
                rows.reach_all(collection)
            return
        record_id, values = self._outcome(collection, row)
        known = rows.get(collection, record_id)
        is_known = self._action == "create" or (known is self._known and rows.is_complete(collection, known))
        further = rows.tags(collection, known, values)
        if values is None or is_mistaken or not is_known:
            further.add(anywhere(collection))
        self._write.close(further=further, change=None if is_mistaken else change)
        rows.keep(collection, record_id, known if is_known else None, values, settles=settles)

    def lose(self, doubted_for_s: float) -> None:
        """Its answer was lost."""
        further: tuple[Tag, ...] = ()
        if self._collection is not None:
            self._release(is_echoed=False)
            self._rows.keep(self._collection, self._record, None, None)
            further = (anywhere(self._collection),)
        self._write.lose(doubted_for_s, further=further)

    def _outcome(self, collection: str, row: Row | None) -> tuple[str, Values | None]:
        if row is None:
            return self._record, None
        if self._action == "delete":
            return self._record, {}
        record_id = row.get("id")
        if not isinstance(record_id, str) or (self._action == "update" and record_id != self._record):
            return self._record, None
        return record_id, self._rows.values_of(collection, row)

    def _release(self, *, is_echoed: bool) -> bool:
        """Whether an event was taken for an echo of it that cannot have been one, and mattered."""
        known = self._known
        if known is None:
            return False
        known.open -= 1
        known.echoes += is_echoed
        if is_echoed:
            self._rows.await_echo(known)
        if known.open or known.echoes >= 0:
            return False
        known.echoes = 0
        return self._rows.is_young(known)


class KnownRows:
    """What is known of rows, of all collections of which some list is restricted.

    Args:
        generations: of all tags.
        clock: monotonic time.
        max_bytes: memory for what is known; those asked about longest ago are forgotten first.
        young_s: longest time an event may take.
        on_watched: told when :attr:`collections` has grown.
    """

    def __init__(
        self,
        generations: Generations,
        clock: Clock,
        *,
        max_bytes: int = MAX_BYTES,
        young_s: float = YOUNG_S,
        on_watched: Callable[[], None] | None = None,
    ) -> None:
        self.young_s = young_s
        self._generations = generations
        self._clock = clock
        self._max_bytes = max_bytes
        self._on_watched = on_watched
        self._watched: dict[str, dict[str, str]] = {}
        self._rows: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._weight = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def weight(self) -> int:
        """Bytes, about; never above the budget."""
        return self._weight

    @property
    def collections(self) -> frozenset[str]:
        """Ids of the collections of which lists are restricted."""
        return frozenset(self._watched)

    def watch(self, collection: str, restriction: Restriction) -> None:
        """From now on lists may be restricted by this field."""
        is_new = collection not in self._watched
        self._watched.setdefault(collection, {})[restriction.field] = restriction.kind
        if is_new and self._on_watched is not None:
            self._on_watched()

    def keep_up(self, schema: Schema) -> None:
        """Watch no field that is gone or of another kind; whatever depended on it is void by then."""
        for collection in tuple(self._watched):
            found = schema.by_id.get(collection)
            kinds = {} if found is None else restrictable(found)
            fields = self._watched.pop(collection)
            fields = {name: kind for name, kind in fields.items() if kinds.get(name) == kind}
            if fields:
                self._watched[collection] = fields

    def learn(self, collection: str, rows: Iterable[Row]) -> None:
        """Rows of an answer; each covered by a fence that holds now."""
        if collection not in self._watched:
            return
        for row in rows:
            record_id, values = row.get("id"), self.values_of(collection, row)
            if isinstance(record_id, str) and values is not None:
                self.keep(collection, record_id, self.get(collection, record_id), values)

    def begin(
        self,
        announced: frozenset[Tag],
        collection: str | None,
        record_id: str | None,
        action: str,
        *,
        is_open: bool = True,
        keeps_files: bool = False,
    ) -> RowWrite:
        """Announce an own write.

        Args:
            announced: its tags, ``anywhere`` of the collection among them.
            collection: id; ``None`` where the write is none to a single row of a known collection.
            record_id: the row's; ``None`` for a create.
            action: ``create``, ``update`` or ``delete``.
            is_open: as of :meth:`~hapta.cache.generations.Generations.begin`.
            keeps_files: likewise.
        """
        if collection is None or collection not in self._watched:
            write = self._generations.begin(announced, is_open=is_open, keeps_files=keeps_files)
            return RowWrite(self, write)
        known = None if action == "create" or not record_id else self.get(collection, record_id)
        if not self.is_complete(collection, known):
            known = None
        if action == "create" or known is not None:
            announced = announced - {anywhere(collection)} | self.tags(collection, known, None)
        write = self._generations.begin(announced, keeps_files=keeps_files)
        return RowWrite(self, write, collection, record_id or "", action, known)

    def told(
        self,
        changed: frozenset[Tag],
        collection: str,
        record_id: str,
        action: str,
        row: Row | None,
        *,
        keeps_files: bool = False,
        change: Change | None = None,
    ) -> None:
        """An event came that is not known to be an echo: move what it changed.

        Args:
            changed: its tags, ``anywhere`` of the collection among them.
            row: the event's payload; ``None`` where it shows the id only.
            keeps_files, change: as of :meth:`~hapta.cache.generations.Generations.move`.
        """
        if collection not in self._watched:
            self._generations.move(changed, keeps_files=keeps_files, change=change)
            return
        known = self.get(collection, record_id)
        values = None if row is None else self.values_of(collection, row)
        is_known = action == "create"
        if known is not None:
            known.is_contended = known.open > 0
        if known is not None and not is_known:
            is_echo = known.open > 0 or known.echoes > 0
            known.echoes -= is_echo
            is_known = self.is_complete(collection, known) and (is_echo or not self.is_young(known))
        if values is not None and is_known:
            changed -= {anywhere(collection)}
        changed |= self.tags(collection, known, values)
        self._generations.move(changed, keeps_files=keeps_files, change=change)
        self.keep(collection, record_id, known, values)

    def held(self, collection: str, record_id: str, action: str, row: Row | None) -> None:
        """An event came that may be the echo of the own write to the row under way, and is told when that is
        answered. If it is none, it may have brought the row to lists that are not open: these are moved now.
        """
        if collection not in self._watched or action == "create":
            return
        values = None if row is None else self.values_of(collection, row)
        if values is None:
            self.reach_all(collection)
            return
        brought = self.tags(collection, None, values)
        brought -= self.tags(collection, self.get(collection, record_id), None)
        if brought:
            self._generations.move(brought)

    def echoed(self, collection: str, record_id: str) -> None:
        """The event of an own write came: it says nothing new."""
        known = self.get(collection, record_id)
        if known is not None:
            known.echoes -= 1

    # for writes

    def mark(self, collection: str, record_id: str) -> Mark | None:
        """Where the tags of a row stand; ``None`` while they are in doubt."""
        return self._generations.mark((record(collection, record_id), all_rows(collection)))

    def get(self, collection: str, record_id: str) -> _Known | None:
        """What is known of a row and not void."""
        key = (collection, record_id)
        known = self._rows.get(key)
        if known is not None:
            self._rows.move_to_end(key)
            if not known.mark.is_current():
                self._forget(key)
                return None
        return known

    def keep(
        self,
        collection: str,
        record_id: str,
        known: _Known | None,
        values: Values | None,
        *,
        settles: bool = False,
    ) -> None:
        """Add what was just seen of a row, whose tags may just have moved.

        Args:
            known: what was known before and holds on; ``None``: nothing does.
            values: ``None``: nobody knows what it has now.
            settles: what it had before is in no list any more.
        """
        key = (collection, record_id)
        old = self._forget(key)
        mark = self.mark(collection, record_id)
        if mark is None or values is None or (known is None and not values) or known is not old is not None:
            return
        now = self._clock.monotonic()
        known = known or _Known(mark, now)
        known.mark = mark
        if settles:
            known.values = {field: set() for field in known.values}
        for field, value in values.items():
            if field not in known.values:
                known.values[field] = set()
                known.since = now
            known.values[field].add(value)
        if any(len(each) > MAX_VALUES for each in known.values.values()):
            return
        known.weight = _ROW_BYTES + sum(_VALUE_BYTES + sum(map(len, each)) for each in known.values.values())
        self._rows[key] = known
        self._weight += known.weight
        while self._weight > self._max_bytes:
            self._forget(next(iter(self._rows)))

    def values_of(self, collection: str, row: Row) -> Values | None:
        """Of the fields watched; ``None`` if the row does not show them all."""
        values = {}
        for field, kind in self._watched.get(collection, {}).items():
            value = normal_form(kind, row.get(field))
            if value is None:
                return None
            values[field] = value
        return values

    def is_complete(self, collection: str, known: _Known | None) -> bool:
        """Whether something is known of every field that is watched."""
        return known is not None and self._watched.get(collection, {}).keys() <= known.values.keys()

    def await_echo(self, known: _Known) -> None:
        """An event is to come: what is young stays so as long as that may take."""
        if self.is_young(known):
            known.since = self._clock.monotonic()

    def is_young(self, known: _Known) -> bool:
        """Whether it may have been seen after a change of which the event is still to come."""
        return self._clock.monotonic() - known.since < self.young_s

    def tags(self, collection: str, known: _Known | None, values: Values | None) -> set[Tag]:
        """Of all these values."""
        found = {restricted(collection, field, value) for field, value in (values or {}).items()}
        for field, each in known.values.items() if known is not None else ():
            found.update(restricted(collection, field, value) for value in each)
        return found

    def reach_all(self, collection: str) -> None:
        """Make every restricted list of a collection unusable."""
        self._generations.move((anywhere(collection),))

    def _forget(self, key: tuple[str, str]) -> _Known | None:
        known = self._rows.pop(key, None)
        if known is not None:
            self._weight -= known.weight
        return known
