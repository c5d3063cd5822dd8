"""A list taken apart: who is in it, and where (:mod:`hapta.cache.patch` has the rules)."""

import orjson

from hapta.cache.assembly import Fields, ListBody, Refused, values
from hapta.cache.changes import Change, Values
from hapta.cache.local import Local
from hapta.cache.patched_answer import Find, PatchedAnswer
from hapta.cache.plan import Plan

_OF_LISTS = frozenset({"any", "where", "anywhere"})


class PatchedList(PatchedAnswer):
    """A list."""

    def __init__(self, plan: Plan, local: Local, body: bytes, auth_id: str | None, find: Find) -> None:
        super().__init__(plan, local, auth_id, find)
        self._page = ListBody.parse(body)
        self.rows = self._page.rows

    def render(self) -> bytes:
        return self._page.render()

    def apply(self, change: Change, kinds: set[str]) -> None:
        is_listed = change.collection == self.plan.collection
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
        is_in = self.local.condition.holds(values(change.row), self.auth_id)
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
        local = self.local
        if not change.leaves(local.condition.reads):
            raise Refused
        if change.leaves(local.ordering.reads | local.scanned):
            return
        new = self._sorted_by(change.row)
        is_in = local.condition.holds(values(change.row), self.auth_id)
        if is_in is False:
            return
        if not change.leaves(local.ordering.reads) or not self._is_outside(new):
            raise Refused

    def _delete(self, change: Change, at: int | None) -> None:
        if at is not None:
            self._remove(at)
            return
        is_in = None if change.before is None else self.local.condition.holds(change.before, self.auth_id)
        if is_in is None:
            raise Refused
        if not is_in:
            return
        page = self._page
        is_elsewhere = page.total_items > len(self.rows) if page.total_items >= 0 else not self._is_last()
        is_after = not self.local.ordering.reads or self._is_after(change.before or {})
        if page.page > 1 or not is_elsewhere or not is_after:
            raise Refused
        self._count(-1)

    # places

    def _at(self, record: str) -> int | None:
        wanted = orjson.dumps(record)
        return next((at for at, row in enumerate(self.rows) if bytes(row["id"]) == wanted), None)

    def _keeps_place(self, change: Change, at: int) -> bool:
        assert change.row is not None
        ordering = self.local.ordering
        if not change.leaves(ordering.reads):
            return False
        if change.leaves(self.local.scanned):
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
            self.shown = None
            rows.insert(place, row)
            del rows[page.per_page :]

    def _place(self, row: Fields) -> int:
        ordering = self.local.ordering
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
        self.shown = None
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
        if not self.local.ordering.is_known or not self.rows:
            return False
        first = self._compare_values(new, self._sorted_by(self.rows[0]))
        return first == -1 or self._is_after(new)

    def _count(self, by: int) -> None:
        if self._page.total_items >= 0:
            self._page.set_total(self._page.total_items + by)

    def _sorted_by(self, row: Fields) -> Values:
        return values({name: row[name] for name in self.local.ordering.reads if name in row})

    def _compare(self, row: Fields, new: Values) -> int | None:
        return self._compare_values(self._sorted_by(row), new)

    def _compare_values(self, left: Values, right: Values) -> int | None:
        order = self.local.ordering.compare(left, right)
        return order if not order else (1 if order > 0 else -1)
