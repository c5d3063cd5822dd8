"""The table of one feed: its columns, kept as rows come, change and go.

Rows may come in any order, and each more than once: of every row only what it says now counts, and what is
not there any more is taken away. A row that nothing is known of but that others point at has a slot already,
so that what points at it need not wait.

What is about an author is kept once for each author and written into the columns of their rows before the
columns are looked at.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

import numpy as np

from hapta.model.clock import Clock, SystemClock
from hapta.ranking.arena import Arena, Block, HeapArena
from hapta.ranking.author_values import AuthorField, AuthorValues
from hapta.ranking.columns import Columns, features_of
from hapta.ranking.edges import Edges, Ties
from hapta.ranking.features import NONE, Caller, Features
from hapta.ranking.features import Codes as CodeArray
from hapta.ranking.places import Codes, Slots
from hapta.ranking.signals import Count, ids_in
from hapta.ranking.signatures import Signatures
from hapta.ranking.spec import FeedSpec, FieldSignal

MOST_ENGAGED: Final = 10_000
"""Rows of one caller that their interests are learned from."""


class _Follower(Protocol):
    """What follows the rows of one collection; each tells whether something changed."""

    def put(self, record_id: str, row: Mapping[str, Any]) -> bool: ...
    def drop(self, record_id: str) -> bool: ...


class FeatureTable:
    """The rows of a feed's collection, and what else is said of them.

    Args:
        spec: the feed.
        arena: where the columns lie; without one in ordinary memory.

    Attributes:
        version: moves with every change that may matter to an order.
        signatures: which rows are alike to the listRule, where rows tell all of it.
    """

    def __init__(self, spec: FeedSpec, arena: Arena | None = None, clock: Clock | None = None) -> None:
        self.spec = spec
        self.version = 0
        self._columns = Columns(arena or HeapArena(), tuple(spec.config.signals), spec.topics_width)
        self._slots = Slots(clock or SystemClock(), self._columns.grow, self._columns.clear)
        self._people = Codes()
        self._topics = Codes()
        self._callers = Codes()
        self._ties = {"follows": Ties(), "hides": Ties(), "engaged": Ties()}
        self._author_values: dict[str, AuthorValues] = {}
        self._own_signals: list[FieldSignal] = []
        self.signatures = Signatures(spec.rule) if spec.rule is not None else None
        self._followers: dict[str, list[_Follower]] = {spec.collection.id: [_Rows(self)]}
        self._counts: list[Count | Edges] = []
        self._follow()

    def _follow(self) -> None:
        spec = self.spec
        for signal in spec.field_signals:
            if spec.config.signals[signal.name].of == "row":
                self._own_signals.append(signal)
            else:
                values = self._author_values[signal.name] = AuthorValues()
                self._watch(signal.collection, AuthorField(signal, self._people, values))
        for count in spec.count_signals:
            if count.at_author:
                values = self._author_values[count.name] = AuthorValues()
                kept = Count(count.relation, self._people, values.add)
            else:
                kept = Count(count.relation, self._slots, partial(self._add, count.name))
            self._counts.append(kept)
            self._watch(count.collection, kept)
        for edge in spec.edges:
            places = self._slots if edge.kind == "engaged" else self._people
            ties = self._ties[edge.kind]
            edges = Edges(edge.from_, edge.to, self._callers, places, ties, both=edge.both)
            self._counts.append(edges)
            self._watch(edge.collection, edges)

    def _watch(self, collection_id: str, follower: _Follower) -> None:
        self._followers.setdefault(collection_id, []).append(follower)

    def _add(self, name: str, slot: int, more: int) -> None:
        self._columns.signals[name][slot] += more

    def put(self, collection_id: str, row: Mapping[str, Any]) -> None:
        """A row as it is now, with all of :attr:`FeedSpec.reads`; it may have been put before.

        Raises:
            KeyError: it has no id.
        """
        record_id = row["id"]
        changed = False
        for follower in self._followers.get(collection_id, ()):
            changed |= follower.put(record_id, row)
        self.version += changed

    def drop(self, collection_id: str, record_id: str) -> None:
        """A row is gone; it need not have been there."""
        changed = False
        for follower in self._followers.get(collection_id, ()):
            changed |= follower.drop(record_id)
        self.version += changed

    def features(self) -> Features:
        """The columns, as views: good until the next change."""
        return features_of(self.block.arrays, self.length)

    @property
    def block(self) -> Block:
        """Where the columns lie; another one after they have grown."""
        for name, values in self._author_values.items():
            values.write(self._columns.signals[name], self._columns.author, self.length)
        return self._columns.block

    @property
    def length(self) -> int:
        """Slots, empty ones included."""
        return len(self._slots)

    @property
    def rows(self) -> int:
        """Rows of the feed's collection."""
        return self._slots.rows

    @property
    def nbytes(self) -> int:
        """All memory, by estimate."""
        codes = (self._people, self._topics, self._callers)
        parts = (self._columns, self._slots, *codes, *self._ties.values(), *self._counts)
        signatures = self.signatures.nbytes if self.signatures is not None else 0
        return sum(part.nbytes for part in parts) + signatures

    def slot_of(self, record_id: str) -> int | None:
        """The slot of a row that is there."""
        return self._slots.row(record_id)

    def id_of(self, slot: int) -> str | None:
        """The row in a slot; ``None`` if it is gone since."""
        return self._slots.id_of(slot)

    def authors_of(self, slot: int) -> CodeArray:
        """The code of a row's author; none if it has none."""
        return _given(self._columns.author[slot : slot + 1])

    def topics_of(self, slot: int) -> CodeArray:
        """The codes of a row's topics."""
        if not self._columns.topics:
            return np.empty(0, np.int32)
        return _given(self._columns.topic_codes[slot : slot + 1].reshape(-1))

    def author_code(self, record_id: str) -> int:
        """The code of an author, ``NONE`` if no row has shown them."""
        return self._people.get(record_id)

    def caller(self, user_id: str) -> Caller:
        """What rows say of a caller; an empty id is a guest. A code may stand there more than once."""
        if not user_id:
            return Caller()
        code = self._callers.get(user_id)
        return Caller(
            self._people.get(user_id) if self.spec.authors_sign_in else NONE,
            followed=self._ties["follows"].of(code),
            hidden_authors=self._ties["hides"].of(code),
        )

    def engaged(self, user_id: str) -> CodeArray:
        """The slots of rows a caller has engaged with, each once; of very many the latest to come."""
        return np.unique(self._ties["engaged"].of(self._callers.get(user_id), MOST_ENGAGED))

    def release(self) -> None:
        """Nobody will ask any more."""
        self._columns.block.release()

    def put_row(self, record_id: str, row: Mapping[str, Any]) -> bool:
        """A row of the feed's own collection; whether a column moved."""
        columns, spec = self._columns, self.spec
        config = spec.config
        slot = self._slots.enter(record_id)
        is_candidate = spec.condition.holds(row, "") is True
        author = _first(row.get(config.author)) if config.author else ""
        code = self._people.find(author) if author else NONE
        numbers = [(each.name, each.read(row)) for each in self._own_signals]
        changed = _set(columns.created, slot, instant(row.get(config.created)))
        changed |= _set(columns.is_candidate, slot, is_candidate)
        changed |= _set(columns.pinned, slot, bool(config.pinned) and row.get(config.pinned) is True)
        for name, number in numbers:
            changed |= _set(columns.signals[name], slot, np.float32(number))
        if _set(columns.author, slot, code):
            changed = True
            for name, values in self._author_values.items():
                columns.signals[name][slot] = values.of(code)
        if spec.topics_width:
            changed |= self._set_topics(slot, row)
        if self.signatures is not None:
            before = self.signatures.version
            if is_candidate:
                self.signatures.sign(slot, row)
            else:
                self.signatures.unsign(slot)
            changed |= self.signatures.version != before
        return changed

    def _set_topics(self, slot: int, row: Mapping[str, Any]) -> bool:
        width = self.spec.topics_width
        found = [
            self._topics.find(f"{space} {value}")
            for field, space in self.spec.topics
            for value in ids_in(row.get(field))
        ]
        codes = list(dict.fromkeys(found))[:width]
        codes += [NONE] * (width - len(codes))
        there = self._columns.topic_codes[slot : slot + 1].reshape(-1)
        if there.tolist() == codes:
            return False
        there[:] = codes
        return True

    def drop_row(self, record_id: str) -> bool:
        """A row of the feed's own collection is gone; whether it was there."""
        slot = self._slots.leave(record_id)
        if slot is None:
            return False
        self._columns.clear_row(slot)
        for name in (*(each.name for each in self._own_signals), *self._author_values):
            self._columns.signals[name][slot] = 0
        if self.signatures is not None:
            self.signatures.unsign(slot)
        self._slots.settle(slot)
        return True


class _Rows:
    """The feed's own rows."""

    def __init__(self, table: FeatureTable) -> None:
        self._table = table

    def put(self, record_id: str, row: Mapping[str, Any]) -> bool:
        return self._table.put_row(record_id, row)

    def drop(self, record_id: str) -> bool:
        return self._table.drop_row(record_id)


def _set(column: Any, slot: int, value: Any) -> bool:
    if column[slot] == value:
        return False
    column[slot] = value
    return True


def _given(codes: CodeArray) -> CodeArray:
    given: CodeArray = codes[codes != NONE]
    return given


def _first(value: object) -> str:
    ids = ids_in(value)
    return ids[0] if ids else ""


def instant(value: object) -> float:
    """Seconds since the epoch of a date as PocketBase writes it; 0 for anything else."""
    if not isinstance(value, str) or not value.endswith("Z"):
        return 0.0
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError):
        return 0.0
