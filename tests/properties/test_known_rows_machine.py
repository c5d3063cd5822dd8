"""Lists of the rows with one value are what PocketBase would answer now, while rows move between the values.

The model is a PocketBase of a few rows of which each has one value or is not there. A list shows one row at
most and counts all, so most of its rows it does not name. Own writes, writes around Hapta and the events of
both are steps of their own, in any order. What a write under way gives a row is known with its answer, so
the lists it comes into may be served without it until then. A change around Hapta may be missed until its
event is there; with none of these under way, what is served has to be right. Bugs are planted one by one, and
each is found by the story of steps that shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from hapta.cache.generations import Fence, Generations, Standing
from hapta.cache.known_rows import KnownRows, RowWrite, Values
from hapta.cache.restrictions import Restriction, normal_form
from hapta.cache.tags import Tag, all_rows, any_row, anywhere, births, record, restricted
from hapta.model.clock import ManualClock

C = "comments"
ROWS = ("a", "b", "c", "d")
VALUES = ("", "x", "y")
SHOWN = "a"
"""The row that stands on the first page of the list it is in."""
IN_DOUBT_S, YOUNG_S = 300.0, 10.0
Body = tuple[tuple[str, ...], int]


@dataclass(eq=False)
class Fetching:
    """A fetch of a list."""

    value: str
    fence: Fence
    body: Body | None = None


@dataclass(eq=False)
class Writing:
    """A write: ``value`` is what the row gets; a row that is there loses its old one."""

    row: str
    action: str
    value: str | None
    write: RowWrite
    is_committed: bool = False
    is_answerable: bool = True


@dataclass(eq=False)
class Event:
    """What the feed will tell."""

    row: str
    action: str
    value: str
    is_foreign: bool
    at: float


class Bugs:
    """What may be planted; each a switch of the machine's hands or of what is known of rows."""

    forgets_what_rows_had = False
    forgets_what_rows_get = False
    takes_unknown_rows_for_known = False
    replaces_instead_of_adding = False
    trusts_young_rows = False
    doubts_no_lost_write = False
    takes_empty_for_another_value = False
    keeps_what_is_void = False
    ignores_events = False
    settles_what_is_contended = False
    shows_no_restriction_the_event = False


class Rows(KnownRows):
    """With planted bugs."""

    bugs: type[Bugs] = Bugs

    def tags(self, collection: str, known: Any, values: Values | None) -> set[Tag]:
        known = None if self.bugs.forgets_what_rows_had else known
        return super().tags(collection, known, None if self.bugs.forgets_what_rows_get else values)

    def values_of(self, collection: str, row: Mapping[str, Any]) -> Values | None:
        values = super().values_of(collection, row)
        if values is not None and self.bugs.takes_empty_for_another_value:
            return {field: value or "null" for field, value in values.items()}
        return values

    def get(self, collection: str, record_id: str) -> Any:
        known = self._rows.get((collection, record_id))
        if known is not None and self.bugs.keeps_what_is_void:
            return known
        return super().get(collection, record_id)

    def begin(self, announced: frozenset[Tag], *args: Any, **more: Any) -> RowWrite:
        write = super().begin(announced, *args, **more)
        if self.bugs.takes_unknown_rows_for_known and write._known is None and write._action != "create":
            write._write.close(has_changed=False)
            write._write = self._generations.begin(announced - {anywhere(C)})
            write._action = "create"
        return write

    def told(self, changed: frozenset[Tag], collection: str, record_id: str, *rest: Any) -> None:
        super().told(changed, collection, record_id, *rest)
        known = self._rows.get((collection, record_id))
        if known is not None and self.bugs.settles_what_is_contended:
            known.is_contended = False

    def keep(
        self, collection: str, record_id: str, known: Any, values: Values | None, *, settles: bool = False
    ) -> None:
        if known is not None and values and self.bugs.replaces_instead_of_adding:
            settles = True
        super().keep(collection, record_id, known, values, settles=settles)


class KnownRowsMachine(RuleBasedStateMachine):
    """See the module."""

    bugs: type[Bugs] = Bugs

    fetches: Bundle[Fetching] = Bundle("fetches")
    writes: Bundle[Writing] = Bundle("writes")
    lost: Bundle[Writing] = Bundle("lost")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.generations = Generations(self.clock)
        young_s = 0.0 if self.bugs.trusts_young_rows else YOUNG_S
        self.rows = Rows(self.generations, self.clock, young_s=young_s)
        self.rows.bugs = self.bugs
        self.rows.watch(C, Restriction("post", "relation", "x"))
        self.upstream: dict[str, str] = {}
        self.stored: dict[str, tuple[Fence, Body]] = {}
        self.events: list[Event] = []
        self.lost_until: dict[Writing, float] = {}
        self.under_way: list[Writing] = []

    # what PocketBase says

    def listed(self, value: str) -> Body:
        rows = [row for row in sorted(self.upstream) if self.upstream[row] == value]
        return tuple(row for row in rows if row == SHOWN), len(rows)

    def commit(self, row: str, action: str, value: str | None, *, is_foreign: bool) -> bool:
        """Carry out; whether that was possible."""
        if (row in self.upstream) == (action == "create"):
            return False
        if action == "delete":
            shown = self.upstream.pop(row)
        else:
            shown = self.upstream[row] if value is None else value
            self.upstream[row] = shown
        self.events.append(Event(row, action, shown, is_foreign, self.clock.monotonic()))
        return True

    # reads

    @rule(target=fetches, value=st.sampled_from(VALUES))
    def a_fetch_begins(self, value: str) -> Fetching:
        constant = normal_form("relation", value)
        assert constant is not None
        fence = self.generations.fence((restricted(C, "post", constant), anywhere(C), all_rows(C)))
        return Fetching(value, fence)  # type: ignore[arg-type]

    @rule(fetching=fetches)
    def pocketbase_reads(self, fetching: Fetching) -> None:
        if fetching.body is None:
            fetching.body = self.listed(fetching.value)

    @rule(fetching=consumes(fetches))
    def a_fetch_ends(self, fetching: Fetching) -> None:
        fence, body = fetching.fence, fetching.body or self.listed(fetching.value)
        if fence is None:
            return
        is_good = fence.extend([record(C, row) for row in body[0]])
        if fence.holds():
            self.rows.learn(C, [{"id": row, "post": fetching.value} for row in body[0]])
        is_good = is_good and fence.standing() is not Standing.BROKEN
        fence.fetched()
        if is_good:
            self.stored[fetching.value] = (fence, body)

    @rule(value=st.sampled_from(VALUES))
    def a_list_is_fetched_at_once(self, value: str) -> None:
        self.a_fetch_ends(self.a_fetch_begins(value))

    @rule(row=st.sampled_from(ROWS))
    def a_row_is_viewed(self, row: str) -> None:
        fence = self.generations.fence((record(C, row), all_rows(C), births(C)))
        if fence is None:
            return
        if row in self.upstream:
            self.rows.learn(C, [{"id": row, "post": self.upstream[row]}])
        fence.fetched()

    @invariant()
    def what_is_served_is_right(self) -> None:
        if any(event.is_foreign for event in self.events):
            return
        arriving = {writing.value for writing in self.under_way if writing.is_committed}
        for value, (fence, body) in self.stored.items():
            if fence.holds() and value not in arriving:
                assert body == self.listed(value), f"{value!r} is served as {body}"

    # writes through Hapta

    @rule(target=writes, row=st.sampled_from(ROWS), value=st.sampled_from((*VALUES, None)))
    def a_write_is_announced(self, row: str, value: str | None) -> Writing:
        action = "update" if row in self.upstream else "create"
        return self._announce(row, action, value if action == "update" else value or "")

    @rule(target=writes, row=st.sampled_from(ROWS))
    def a_delete_is_announced(self, row: str) -> Writing:
        return self._announce(row, "delete", None)

    def _announce(self, row: str, action: str, value: str | None) -> Writing:
        tags = {any_row(C), anywhere(C), *((births(C),) if action == "create" else (record(C, row),))}
        name = None if action == "create" else row
        writing = Writing(row, action, value, self.rows.begin(frozenset(tags), C, name, action))
        self.under_way.append(writing)
        return writing

    @rule(writing=writes)
    def it_is_committed(self, writing: Writing) -> None:
        if not writing.is_committed and writing.is_answerable:
            writing.is_answerable = writing.is_committed = self.commit(
                writing.row, writing.action, writing.value, is_foreign=False
            )
            if writing.action != "delete" and writing.is_committed:
                writing.value = self.upstream[writing.row]

    @rule(writing=consumes(writes), shows_row=st.sampled_from((True, True, True, False)))
    def it_is_answered(self, writing: Writing, shows_row: bool) -> None:
        self.it_is_committed(writing)
        self.under_way.remove(writing)
        if not writing.is_committed:
            writing.write.close(has_changed=False)
            return
        row: dict[str, Any] | None = {}
        if writing.action != "delete":
            row = {"id": writing.row, "post": writing.value}
        writing.write.close(has_changed=True, row=row if shows_row else None)

    @rule(row=st.sampled_from(ROWS), value=st.sampled_from(VALUES))
    def a_whole_write(self, row: str, value: str) -> None:
        self.it_is_answered(self.a_write_is_announced(row, value), True)

    @rule(target=lost, writing=consumes(writes))
    def its_answer_is_lost(self, writing: Writing) -> Writing:
        if self.bugs.doubts_no_lost_write:
            writing.write._write.lose(IN_DOUBT_S)
        else:
            writing.write.lose(IN_DOUBT_S)
        self.under_way.remove(writing)
        self.lost_until[writing] = self.clock.monotonic() + IN_DOUBT_S
        return writing

    @rule(writing=consumes(lost))
    def a_lost_write_lands(self, writing: Writing) -> None:
        if self.clock.monotonic() < self.lost_until[writing]:
            self.it_is_committed(writing)

    @rule()
    def a_cascade_takes_the_value_of_some(self) -> None:
        tags = (any_row(C), anywhere(C), all_rows(C))
        write = self.generations.begin(tags)
        for row in [row for row in self.upstream if self.upstream[row] == "x"]:
            self.commit(row, "update", "", is_foreign=False)
        write.close()

    # around Hapta

    @rule(row=st.sampled_from(ROWS), value=st.sampled_from((*VALUES, None)))
    def somebody_writes_behind_hapta(self, row: str, value: str | None) -> None:
        action = "create" if row not in self.upstream else "delete" if value is None else "update"
        self.commit(row, action, value or "", is_foreign=True)

    @rule(at=st.integers(0, 7), is_full=st.sampled_from((True, True, True, False)))
    def an_event_comes(self, at: int, is_full: bool) -> None:
        if not self.events:
            return
        event = self.events.pop(at % len(self.events))
        tags = {any_row(C), anywhere(C), record(C, event.row)}
        if event.action == "create":
            tags.add(births(C))
        if self.bugs.ignores_events:
            return
        if self.bugs.shows_no_restriction_the_event:
            tags.discard(anywhere(C))
        row = {"id": event.row, "post": event.value} if is_full else None
        self.rows.told(frozenset(tags), C, event.row, event.action, row)

    @rule(seconds=st.sampled_from((1.0, 11.0, 301.0)))
    def time_passes(self, seconds: float) -> None:
        """An event takes no longer than a row is young."""
        now = self.clock.monotonic()
        if all(now + seconds - event.at < YOUNG_S for event in self.events):
            self.clock.advance(seconds)

    @rule()
    def the_feed_has_a_gap(self) -> None:
        self.events.clear()
        self.generations.move_everything()

    @invariant()
    def counts_add_up(self) -> None:
        self.generations.check_invariants()
        assert self.rows.weight == sum(known.weight for known in self.rows._rows.values())


_SETTINGS = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
)


@pytest.mark.timeout(120)
def test_lists_of_one_value_are_what_pocketbase_would_answer_now() -> None:
    run_state_machine_as_test(KnownRowsMachine, settings=_SETTINGS)


def _an_old_value(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "x", "b": "x"}
    machine.a_row_is_viewed("b")
    machine.a_list_is_fetched_at_once("x")
    machine.a_whole_write("b", "y")


def _a_row_never_seen(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "x", "b": "x"}
    machine.a_list_is_fetched_at_once("x")
    machine.a_whole_write("b", "y")


def _a_new_row(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "x"}
    machine.a_list_is_fetched_at_once("x")
    machine.a_whole_write("b", "x")


def _an_empty_value(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "", "b": "x"}
    machine.a_row_is_viewed("b")
    machine.a_list_is_fetched_at_once("")
    machine.a_whole_write("b", "")


def _a_change_seen_before_its_event(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "x", "b": "x"}
    machine.a_row_is_viewed("b")
    machine.a_list_is_fetched_at_once("x")
    machine.clock.advance(11.0)
    machine.somebody_writes_behind_hapta("b", "y")
    machine.a_row_is_viewed("b")
    machine.an_event_comes(0, True)


def _a_row_first_seen_before_an_event(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "x", "b": "x"}
    machine.a_list_is_fetched_at_once("x")
    machine.somebody_writes_behind_hapta("b", "y")
    machine.a_row_is_viewed("b")
    machine.an_event_comes(0, True)


def _a_cascade(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "x", "b": "x"}
    machine.a_row_is_viewed("b")
    machine.a_cascade_takes_the_value_of_some()
    machine.a_list_is_fetched_at_once("")
    machine.a_whole_write("b", "y")


def _two_who_write_at_once(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "y", "b": "x"}
    machine.a_row_is_viewed("b")
    machine.clock.advance(11.0)
    writing = machine.a_write_is_announced("b", "")
    machine.it_is_committed(writing)
    machine.somebody_writes_behind_hapta("b", "y")
    for _ in range(2):
        machine.an_event_comes(0, True)
    machine.it_is_answered(writing, True)
    machine.a_list_is_fetched_at_once("y")
    machine.a_whole_write("b", "x")


def _a_lost_write_that_lands(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "y", "b": "x"}
    machine.a_row_is_viewed("b")
    writing = machine.its_answer_is_lost(machine.a_write_is_announced("b", "y"))
    machine.a_list_is_fetched_at_once("y")
    machine.a_lost_write_lands(writing)


def _an_event_without_the_row(machine: KnownRowsMachine) -> None:
    machine.upstream = {"a": "y", "b": "x"}
    machine.a_list_is_fetched_at_once("y")
    machine.somebody_writes_behind_hapta("b", "y")
    machine.an_event_comes(0, False)


_STORIES = {
    "forgets_what_rows_had": _an_old_value,
    "forgets_what_rows_get": _a_new_row,
    "takes_unknown_rows_for_known": _a_row_never_seen,
    "replaces_instead_of_adding": _a_change_seen_before_its_event,
    "trusts_young_rows": _a_row_first_seen_before_an_event,
    "doubts_no_lost_write": _a_lost_write_that_lands,
    "takes_empty_for_another_value": _an_empty_value,
    "keeps_what_is_void": _a_cascade,
    "ignores_events": _an_event_without_the_row,
    "settles_what_is_contended": _two_who_write_at_once,
    "shows_no_restriction_the_event": _an_event_without_the_row,
}


@pytest.mark.parametrize("bug", [name for name in vars(Bugs) if not name.startswith("_")])
def test_a_planted_bug_is_found(bug: str) -> None:
    """Chance takes minutes to some of these, so each has the story that shows it."""

    class Planted(Bugs):
        pass

    class Machine(KnownRowsMachine):
        bugs = Planted

    sound = KnownRowsMachine()
    _STORIES[bug](sound)
    sound.what_is_served_is_right()
    setattr(Planted, bug, True)
    machine = Machine()
    _STORIES[bug](machine)
    with pytest.raises(AssertionError, match="is served as"):
        machine.what_is_served_is_right()
