"""An answer taken apart, to be changed row by row (:mod:`hapta.cache.patch`); a view has one row."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import orjson

from hapta.cache.assembly import (
    EXPAND,
    Fields,
    Refused,
    compose,
    own,
    parse_row,
    put,
    render_row,
    seen,
    values,
)
from hapta.cache.changes import Change
from hapta.cache.local import Local
from hapta.cache.plan import Expand, Plan

Find: TypeAlias = Callable[[str, str], Fields | None]
"""Own members of a record as everybody is shown it now, by ids of its collection and of itself."""


class PatchedAnswer(ABC):
    """An answer taken apart."""

    rows: list[Fields]

    def __init__(self, plan: Plan, local: Local, auth_id: str | None, find: Find) -> None:
        self.plan = plan
        self.local = local
        self.auth_id = auth_id
        self._find = find
        self.shown: dict[tuple[str, str], Fields] | None = None

    @abstractmethod
    def apply(self, change: Change, kinds: set[str]) -> None:
        """Carry one out.

        Args:
            kinds: of the tags it moved.
        """

    @abstractmethod
    def render(self) -> bytes:
        """What came of it."""

    def put(self, change: Change) -> int:
        """Replace the row wherever it is shown; in how many places."""
        if change.row is None:
            return self._places_of(change)
        self.shown = None
        count = 0
        target, wanted = (change.collection, change.record), orjson.dumps(change.record)
        for at, row in enumerate(self.rows):
            if bytes(row["id"]) != wanted and wanted not in bytes(row.get(EXPAND, b"")):
                continue
            self.rows[at], places = put(row, self.plan.expands, self.plan.collection, target, change.row)
            count += places
        return count

    def _places_of(self, change: Change) -> int:
        """Where a row that is gone is shown: an expand cannot do without it."""
        target = (change.collection, change.record)
        return sum(
            (collection, record) == target
            for row in self.rows
            for collection, record, _ in seen(row, self.plan.expands, self.plan.collection)
        )

    def check_sight(self, change: Change, kinds: set[str]) -> None:
        """Whether an expand shows the row must be as before: where its id is named, it may be hidden."""
        condition = self.local.shown.get(change.collection)
        if condition is None or change.action != "update" or "record" not in kinds:
            return
        if not change.leaves(condition.reads):
            raise Refused

    def check_untouched(self, change: Change, row: Fields) -> None:
        """What the write is thought to have left alone is as it was."""
        new, touched = change.row, change.touched
        if new is None or touched is None:
            return
        old = own(row)
        if old.keys() - touched != new.keys() - touched:
            raise Refused
        if any(bytes(old[name]) != bytes(new[name]) for name in old.keys() - touched):
            raise Refused

    def stays(self, change: Change) -> bool:
        """Whether a row that was in the answer is still in it."""
        condition = self.local.condition
        if change.leaves(condition.reads):
            return True
        if change.row is None:
            return False
        found = condition.holds(values(change.row), self.auth_id)
        if found is None:
            raise Refused
        return found

    def composed(self, change: Change) -> Fields:
        """A row that comes in, with what is expanded from it."""
        assert change.row is not None
        row = compose(change.row, self.plan.expands, self._known)
        if row is None or not shows_all(self.plan, row, self.auth_id):
            raise Refused
        return row

    def _known(self, collection: str, record: str) -> Fields | None:
        if self.shown is None:
            self.shown = {
                (each, record_id): fields
                for row in self.rows
                for each, record_id, fields in seen(row, self.plan.expands, self.plan.collection)
            }
        return self.shown.get((collection, record)) or self._find(collection, record)


class PatchedView(PatchedAnswer):
    """A view."""

    def __init__(self, plan: Plan, local: Local, body: bytes, auth_id: str | None, find: Find) -> None:
        super().__init__(plan, local, auth_id, find)
        self.rows = [parse_row(body)]

    def apply(self, change: Change, kinds: set[str]) -> None:
        if kinds != {"record"} or change.action != "update":
            raise Refused
        self.check_sight(change, kinds)
        if (change.collection, change.record) == (self.plan.collection, self.plan.record):
            self.check_untouched(change, self.rows[0])
            if not self.stays(change):
                raise Refused
        if not self.put(change):
            raise Refused

    def render(self) -> bytes:
        return render_row(self.rows[0])


def shows_all(plan: Plan, row: Fields, auth_id: str | None) -> bool:
    """Whether every record that is expanded from a row is certainly in sight."""
    local = plan.local
    return local is not None and all(
        local.shown[collection].holds(values(fields), auth_id) is True
        for collection, _, fields in _expanded(row, plan.expands)
    )


def _expanded(row: Fields, expands: tuple[Expand, ...]) -> list[tuple[str, str, Fields]]:
    return list(seen(row, expands, ""))[1:]
