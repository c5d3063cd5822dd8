"""A stored answer brought up to date with what own writes did, where that is certain.

Each :class:`~hapta.cache.changes.Change` is one row as it is now. In an answer it may do four things, each of
which is done only where nothing has to be guessed; else the answer is fetched again.

* *The row is shown*, in the list itself or by an expand: its members are replaced. It must stay in sight:
  no field its rule reads was touched or, in the list, the rule holds for the new values; and no relation that
  is expanded from it may have changed.
* *It was in the list and stays*: it keeps its place if no field of the sort was touched (nor, where rows may
  tie, one that an index might scan by). A row on another page then does not change this one at all, not even
  by what it had before: what a write does not touch it need not know.
* *It comes in*, a row just created or one shown here that moves: its place is where the sort puts it among
  the rows shown, strictly. On a page after the first it may not come before the first row, for the page would
  then begin with a row of the page before. One row too many leaves at the end.
* *It goes*: what moves up from the next page must not be needed, so only from a last page.

``totalItems`` and ``totalPages`` follow in each case.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import orjson

from hapta.cache.assembly import (
    EXPAND,
    Fields,
    ListBody,
    OddBody,
    Refused,
    compose,
    own,
    parse_row,
    put,
    render_row,
    seen,
    values,
)
from hapta.cache.changes import Change, Values
from hapta.cache.local import Local
from hapta.cache.plan import Expand, Plan
from hapta.cache.tags import Tag

Find: TypeAlias = Callable[[str, str], Fields | None]

MAX_BYTES: Final = 1024 * 1024
"""Of an answer that is patched: that takes some milliseconds, and meanwhile nobody is served."""
_OF_LISTS = frozenset({"any", "where", "anywhere"})


def patched(
    plan: Plan,
    status: int,
    body: bytes,
    changes: Sequence[tuple[Change, frozenset[Tag]]],
    *,
    auth_id: str | None,
    find: Find,
) -> bytes | None:
    """What PocketBase would answer after these changes.

    Args:
        plan: of the read.
        status: of the stored answer.
        body: of the same.
        changes: all that broke its fence, in order, each with the tags it moved.
        auth_id: as of :meth:`hapta.cache.condition.Condition.holds`.
        find: own members of a record as everybody is shown it now, by ids of its collection and of itself.

    Returns:
        ``None`` where that is not certain.
    """
    if plan.local is None or len(body) > MAX_BYTES:
        return None
    if (
        status == 200
        and plan.record is None
        and all(_is_nowhere(plan, plan.local, body, change) for change, _ in changes)
    ):
        return body
    if plan.local.is_too_much(sum(change.weight for change, _ in changes)):
        return None
    try:
        if status != 200:
            for change, tags in changes:
                _leave_missing(plan, change, tags)
            return body
        patch = (_View if plan.record is not None else _List)(plan, plan.local, body, auth_id, find)
        for change, tags in changes:
            patch.apply(change, {tag[0] for tag in tags})
        return patch.render()
    except (OddBody, Refused, KeyError, ValueError):
        return None


def _is_nowhere(plan: Plan, local: Local, body: bytes, change: Change) -> bool:
    """Whether a list neither shows nor names the row, and the write touched nothing by which it might."""
    if change.collection != plan.collection or change.action != "update":
        return False
    if not change.leaves(local.condition.reads | local.ordering.reads | local.scanned):
        return False
    return orjson.dumps(change.record) not in body


def shows_all(plan: Plan, row: Fields, auth_id: str | None) -> bool:
    """Whether every record that is expanded from a row is certainly in sight."""
    local = plan.local
    return local is not None and all(
        local.shown[collection].holds(values(fields), auth_id) is True
        for collection, _, fields in _expanded(row, plan.expands)
    )


def _expanded(row: Fields, expands: tuple[Expand, ...]) -> list[tuple[str, str, Fields]]:
    return list(seen(row, expands, ""))[1:]


def _leave_missing(plan: Plan, change: Change, tags: frozenset[Tag]) -> None:
    """A record that is not there is still not there when others are born."""
    if change.record == plan.record or any(tag[0] != "births" for tag in tags):
        raise Refused


class _Patch:
    """An answer taken apart."""

    rows: list[Fields]

    def __init__(self, plan: Plan, local: Local, auth_id: str | None, find: Find) -> None:
        self._plan = plan
        self._local = local
        self._auth_id = auth_id
        self._find = find
        self._shown: dict[tuple[str, str], Fields] | None = None

    def apply(self, change: Change, kinds: set[str]) -> None:
        """Carry one out.

        Args:
            kinds: of the tags it moved.
        """
        raise NotImplementedError

    def render(self) -> bytes:
        """What came of it."""
        raise NotImplementedError

    def put(self, change: Change) -> int:
        """Replace the row wherever it is shown; in how many places."""
        if change.row is None:
            return self._places_of(change)
        self._shown = None
        count = 0
        target, wanted = (change.collection, change.record), orjson.dumps(change.record)
        for at, row in enumerate(self.rows):
            if bytes(row["id"]) != wanted and wanted not in bytes(row.get(EXPAND, b"")):
                continue
            self.rows[at], places = put(row, self._plan.expands, self._plan.collection, target, change.row)
            count += places
        return count

    def _places_of(self, change: Change) -> int:
        """Where a row that is gone is shown: an expand cannot do without it."""
        target = (change.collection, change.record)
        return sum(
            (collection, record) == target
            for row in self.rows
            for collection, record, _ in seen(row, self._plan.expands, self._plan.collection)
        )

    def check_sight(self, change: Change, kinds: set[str]) -> None:
        """Whether an expand shows the row must be as before: where its id is named, it may be hidden."""
        condition = self._local.shown.get(change.collection)
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
        condition = self._local.condition
        if change.leaves(condition.reads):
            return True
        if change.row is None:
            return False
        found = condition.holds(values(change.row), self._auth_id)
        if found is None:
            raise Refused
        return found

    def composed(self, change: Change) -> Fields:
        """A row that comes in, with what is expanded from it."""
        assert change.row is not None
        row = compose(change.row, self._plan.expands, self._known)
        if row is None or not shows_all(self._plan, row, self._auth_id):
            raise Refused
        return row

    def _known(self, collection: str, record: str) -> Fields | None:
        if self._shown is None:
            self._shown = {
                (each, record_id): fields
                for row in self.rows
                for each, record_id, fields in seen(row, self._plan.expands, self._plan.collection)
            }
        return self._shown.get((collection, record)) or self._find(collection, record)


class _View(_Patch):
    def __init__(self, plan: Plan, local: Local, body: bytes, auth_id: str | None, find: Find) -> None:
        super().__init__(plan, local, auth_id, find)
        self.rows = [parse_row(body)]

    def apply(self, change: Change, kinds: set[str]) -> None:
        if kinds != {"record"} or change.action != "update":
            raise Refused
        self.check_sight(change, kinds)
        if (change.collection, change.record) == (self._plan.collection, self._plan.record):
            self.check_untouched(change, self.rows[0])
            if not self.stays(change):
                raise Refused
        if not self.put(change):
            raise Refused

    def render(self) -> bytes:
        return render_row(self.rows[0])


class _List(_Patch):
    def __init__(self, plan: Plan, local: Local, body: bytes, auth_id: str | None, find: Find) -> None:
        super().__init__(plan, local, auth_id, find)
        self._page = ListBody.parse(body)
        self.rows = self._page.rows

    def render(self) -> bytes:
        return self._page.render()

    def apply(self, change: Change, kinds: set[str]) -> None:
        is_listed = change.collection == self._plan.collection
        if "births" in kinds or (kinds & _OF_LISTS and not is_listed):
            raise Refused  # of rows that a relation, a rule or a missing expand leads to
        self.check_sight(change, kinds)
        at = self._at(change.record) if is_listed else None
        if is_listed and kinds & _OF_LISTS:
            getattr(self, f"_{change.action}")(change, at)
        elif at is not None or change.action != "update":
            raise Refused
        places = self.put(change)
        if change.row is None and places:
            raise Refused
        if "record" in kinds and at is None and not places:
            raise Refused

    def _create(self, change: Change, at: int | None) -> None:
        assert change.row is not None
        if at is not None:
            raise Refused
        is_in = self._local.condition.holds(values(change.row), self._auth_id)
        if is_in is None:
            raise Refused
        if is_in:
            self._insert(self.composed(change))
            self._count(+1)

    def _update(self, change: Change, at: int | None) -> None:
        assert change.row is not None
        if at is None:
            self._update_unseen(change)
            return
        self.check_untouched(change, self.rows[at])
        if not self.stays(change):
            self._remove(at)
        elif not self._keeps_place(change, at):
            self._move(change, at)

    def _update_unseen(self, change: Change) -> None:
        """It is on another page, or in none."""
        assert change.row is not None
        local = self._local
        if not change.leaves(local.condition.reads):
            raise Refused
        if change.leaves(local.ordering.reads | local.scanned):
            return
        new = self._sorted_by(change.row)
        is_in = local.condition.holds(values(change.row), self._auth_id)
        if is_in is False:
            return
        if not change.leaves(local.ordering.reads) or not self._is_outside(new):
            raise Refused

    def _delete(self, change: Change, at: int | None) -> None:
        if at is not None:
            self._remove(at)
            return
        is_in = None if change.before is None else self._local.condition.holds(change.before, self._auth_id)
        if is_in is None:
            raise Refused
        if not is_in:
            return
        page = self._page
        is_elsewhere = page.total_items > len(self.rows) if page.total_items >= 0 else not self._is_last()
        is_after = not self._local.ordering.reads or self._is_after(change.before or {})
        if page.page > 1 or not is_elsewhere or not is_after:
            raise Refused
        self._count(-1)

    # places

    def _at(self, record: str) -> int | None:
        wanted = orjson.dumps(record)
        return next((at for at, row in enumerate(self.rows) if bytes(row["id"]) == wanted), None)

    def _keeps_place(self, change: Change, at: int) -> bool:
        assert change.row is not None
        ordering = self._local.ordering
        if not change.leaves(ordering.reads):
            return False
        if change.leaves(self._local.scanned):
            return True
        new = self._sorted_by(change.row)
        before, after = self.rows[at - 1 : at] if at else [], self.rows[at + 1 : at + 2]
        is_edge = (not before and self._page.page > 1) or (not after and not self._is_last())
        if is_edge or any(self._compare(row, new) in (0, None) for row in (*before, *after)):
            raise Refused
        return True

    def _insert(self, row: Fields) -> None:
        """Put in a row that was in no page."""
        rows, page = self.rows, self._page
        place = self._place(row)
        if place == 0 and page.page > 1:
            # it is on a page before: what that pushes over is not known
            if rows or page.total_items < 0 or page.total_items + 1 > (page.page - 1) * page.per_page:
                raise Refused
            return
        if place < page.per_page:
            self._shown = None
            rows.insert(place, row)
            del rows[page.per_page :]

    def _place(self, row: Fields) -> int:
        ordering = self._local.ordering
        if not ordering.is_known and (self.rows or ordering.reads):
            raise Refused  # by way of a relation its listRule comes in as well
        new = self._sorted_by(row)
        place = 0
        for other in self.rows:
            order = self._compare(other, new)
            if not order:
                raise Refused
            place += order < 0
        return place

    def _move(self, change: Change, at: int) -> None:
        rows = self.rows
        row = rows.pop(at)
        assert change.row is not None
        place = self._place(change.row)
        is_edge = (place == 0 and self._page.page > 1) or (
            place == len(rows) and not self._is_last(removed=1)
        )
        if is_edge:
            raise Refused
        rows.insert(place, row)

    def _remove(self, at: int) -> None:
        if not self._is_last():
            raise Refused
        self._shown = None
        del self.rows[at]
        self._count(-1)

    def _is_last(self, removed: int = 0) -> bool:
        """Whether no page follows."""
        page = self._page
        if len(self.rows) + removed < page.per_page:
            return True
        return 0 <= page.total_items <= page.page * page.per_page

    def _is_after(self, row: Values) -> bool:
        """Whether a row comes after all that are shown."""
        return bool(self.rows) and self._compare_values(self._sorted_by(self.rows[-1]), row) == -1

    def _is_outside(self, new: Values) -> bool:
        if not self._local.ordering.is_known or not self.rows:
            return False
        first = self._compare_values(new, self._sorted_by(self.rows[0]))
        return first == -1 or self._is_after(new)

    def _count(self, by: int) -> None:
        if self._page.total_items >= 0:
            self._page.set_total(self._page.total_items + by)

    def _sorted_by(self, row: Fields) -> Values:
        return values({name: row[name] for name in self._local.ordering.reads if name in row})

    def _compare(self, row: Fields, new: Values) -> int | None:
        return self._compare_values(self._sorted_by(row), new)

    def _compare_values(self, left: Values, right: Values) -> int | None:
        order = self._local.ordering.compare(left, right)
        return order if not order else (1 if order > 0 else -1)
