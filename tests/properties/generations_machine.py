"""Generations against a model, every wait a step of its own.

The model is a PocketBase of a few rows that knows when each write was committed. What is read through the
cache is compared with its present state; a write around Hapta counts from its event on. Bugs can be
planted one by one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
)

from hapta.cache.generations import Fence, Generations, Standing, Write
from hapta.cache.tags import Tag, all_rows, any_row, record
from hapta.model.clock import ManualClock

T = TypeVar("T")
POSTS = "posts"
ROWS = ("a", "b", "c")
IN_DOUBT_S = 300.0
LIST = "list"


@dataclass(eq=False)
class Fetching:
    """A fetch, from its fence to its end; ``joined_at`` are the states its joiners may expect."""

    key: str
    fence: Fence
    body: dict[str, int] | None = None
    joined_at: list[dict[str, int]] = field(default_factory=list)


@dataclass(eq=False)
class Writing:
    """A write under way."""

    row: str
    write: Write
    is_committed: bool = False


def tags_of(key: str) -> tuple[Tag, ...]:
    """What a read depends on as far as is known before it."""
    return (any_row(POSTS),) if key == LIST else (record(POSTS, key), all_rows(POSTS))


def shown(key: str, state: dict[str, int]) -> dict[str, int]:
    """What an answer shows: a list all rows; a view its row, and, as if expanded, the next one."""
    if key == LIST:
        return dict(state)
    return {row: state[row] for row in (key, ROWS[(ROWS.index(key) + 1) % len(ROWS)])}


class Bugs:
    """What may be planted; each a switch of the machine's hands, which stand for the stages."""

    takes_fence_after_fetch = False
    announces_no_write = False
    closes_without_moving = False
    doubts_no_lost_write = False
    ends_doubt_at_once = False
    stores_behind_broken_fence = False
    tags_no_shown_rows = False
    extends_blindly = False
    joins_broken_flights = False
    shares_what_was_not_extended = False
    misses_events = False
    treats_committed_as_refused = False


class GenerationsMachine(RuleBasedStateMachine):
    """See the module."""

    bugs: type[Bugs] = Bugs

    fetches: Bundle[Fetching] = Bundle("fetches")
    writes: Bundle[Writing] = Bundle("writes")
    lost: Bundle[Writing] = Bundle("lost")
    untold: Bundle[str] = Bundle("untold")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.generations = Generations(self.clock)
        self.upstream = dict.fromkeys(ROWS, 0)
        self.floor = dict.fromkeys(ROWS, 0)
        self.stored: dict[str, tuple[Fence, dict[str, int]]] = {}
        self.under_way: list[Fetching] = []
        self.untold_rows: list[str] = []
        self.lost_until: dict[Writing, float] = {}

    # reads

    @rule(target=fetches, key=st.sampled_from((*ROWS, LIST)))
    def a_fetch_begins(self, key: str) -> Fetching:
        fence = self.generations.fence(tags_of(key))
        if fence is None:
            return Fetching("", None)  # type: ignore[arg-type]
        fetching = Fetching(key, fence)
        self.under_way.append(fetching)
        return fetching

    @rule(fetching=fetches)
    def pocketbase_reads(self, fetching: Fetching) -> None:
        if fetching.key and fetching.body is None:
            fetching.body = shown(fetching.key, self.upstream)

    @rule(fetching=fetches)
    def another_read_joins(self, fetching: Fetching) -> None:
        if fetching in self.under_way and (self.bugs.joins_broken_flights or fetching.fence.holds()):
            fetching.joined_at.append(dict(self.floor))

    @rule(fetching=consumes(fetches))
    def a_fetch_ends(self, fetching: Fetching) -> None:
        if not fetching.key:
            return
        body = shown(fetching.key, self.upstream) if fetching.body is None else fetching.body
        fence = fetching.fence
        self.under_way.remove(fetching)
        if self.bugs.takes_fence_after_fetch:
            fence.fetched()
            late = self.generations.fence(tags_of(fetching.key))
            if late is None:
                return
            fence = late
        further = [] if self.bugs.tags_no_shown_rows else [record(POSTS, row) for row in body]
        is_extended = fetching.key == LIST or self._extend(fence, further)
        for floor in fetching.joined_at if is_extended or self.bugs.shares_what_was_not_extended else ():
            assert all(body[row] >= floor[row] for row in body), "a joined read is older than its beginning"
        is_good = fence.standing() is not Standing.BROKEN or self.bugs.stores_behind_broken_fence
        fence.fetched()
        if is_good:
            self.stored[fetching.key] = (fence, body)

    def _extend(self, fence: Fence, tags: Iterable[Tag]) -> bool:
        if not self.bugs.extends_blindly:
            return fence.extend(tags)
        fence._taken += [(state, state.generation) for state in map(self.generations._state, tags)]
        return True

    @rule(key=st.sampled_from((*ROWS, LIST)))
    def a_stored_response_is_read(self, key: str) -> None:
        if key not in self.stored:
            return
        fence, body = self.stored[key]
        if not self._may_serve(fence):
            return
        now = shown(key, self.upstream)
        for row, revision in body.items():
            if row not in self.untold_rows:
                assert revision == now[row], f"{row} was served at {revision} and stands at {now[row]}"
            assert revision >= self.floor[row]

    def _may_serve(self, fence: Fence) -> bool:
        if self.bugs.stores_behind_broken_fence:
            return fence.standing() is not Standing.UNSETTLED
        return fence.holds()

    # writes through Hapta

    @rule(target=writes, row=st.sampled_from(ROWS))
    def a_write_is_announced(self, row: str) -> Writing:
        tags = () if self.bugs.announces_no_write else (record(POSTS, row), any_row(POSTS))
        return Writing(row, self.generations.begin(tags))

    @rule(writing=writes)
    def it_is_committed(self, writing: Writing) -> None:
        if not writing.is_committed:
            writing.is_committed = True
            self.upstream[writing.row] += 1

    @rule(writing=consumes(writes))
    def it_is_answered(self, writing: Writing) -> None:
        self.it_is_committed(writing)
        writing.write.close(has_changed=not self.bugs.closes_without_moving)
        self.floor[writing.row] = max(self.floor[writing.row], self.upstream[writing.row])

    @rule(writing=consumes(writes))
    def it_is_refused(self, writing: Writing) -> None:
        if writing.is_committed and not self.bugs.treats_committed_as_refused:
            self.it_is_answered(writing)
        else:
            writing.write.close(has_changed=False)

    @rule(target=lost, writing=consumes(writes))
    def its_answer_is_lost(self, writing: Writing) -> Writing:
        if self.bugs.doubts_no_lost_write:
            writing.write.close()
        else:
            writing.write.lose(0.0 if self.bugs.ends_doubt_at_once else IN_DOUBT_S)
        self.lost_until[writing] = self.clock.monotonic() + IN_DOUBT_S
        return writing

    @rule(writing=consumes(lost))
    def a_lost_write_lands(self, writing: Writing) -> None:
        if self.clock.monotonic() < self.lost_until[writing]:
            self.it_is_committed(writing)

    # around Hapta

    @rule(target=untold, row=st.sampled_from(ROWS))
    def somebody_writes_behind_hapta(self, row: str) -> str:
        self.upstream[row] += 1
        self.untold_rows.append(row)
        return row

    @rule(row=consumes(untold))
    def its_event_comes(self, row: str) -> None:
        self.untold_rows.remove(row)
        if not self.bugs.misses_events:
            self.generations.move((record(POSTS, row), any_row(POSTS)))

    @rule()
    def the_feed_has_a_gap(self) -> None:
        self.generations.move_everything()

    @rule(seconds=st.sampled_from((1.0, 100.0, 299.0, 301.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def counts_add_up(self) -> None:
        self.generations.check_invariants()


def walk(machine: GenerationsMachine, chance: Random, steps: int) -> None:
    """Take so many steps, any of those that can be taken; the machine's own assertions judge.

    Hundreds of times faster than letting Hypothesis choose, and it shrinks nothing: to see *that* a bug is
    found, not how.
    """
    fetches: list[Fetching] = []
    writes: list[Writing] = []
    lost: list[Writing] = []
    untold: list[str] = []
    keys = (*ROWS, LIST)
    for _ in range(steps):
        chosen = chance.randrange(14)
        if chosen == 0:
            fetching = machine.a_fetch_begins(chance.choice(keys))
            if fetching.key:
                fetches.append(fetching)
        elif chosen == 1 and fetches:
            machine.pocketbase_reads(chance.choice(fetches))
        elif chosen == 2 and fetches:
            machine.another_read_joins(chance.choice(fetches))
        elif chosen == 3 and fetches:
            machine.a_fetch_ends(_taken(fetches, chance))
        elif chosen in (4, 5):
            machine.a_stored_response_is_read(chance.choice(keys))
        elif chosen == 6:
            writes.append(machine.a_write_is_announced(chance.choice(ROWS)))
        elif chosen == 7 and writes:
            machine.it_is_committed(chance.choice(writes))
        elif chosen == 8 and writes:
            ends = (machine.it_is_answered, machine.it_is_refused)
            chance.choice(ends)(_taken(writes, chance))
        elif chosen == 9 and writes:
            lost.append(machine.its_answer_is_lost(_taken(writes, chance)))
        elif chosen == 10 and lost:
            machine.a_lost_write_lands(_taken(lost, chance))
        elif chosen == 11:
            untold.append(machine.somebody_writes_behind_hapta(chance.choice(ROWS)))
        elif chosen == 12 and untold:
            machine.its_event_comes(_taken(untold, chance))
        elif chosen == 13 and chance.random() < _RARE:
            machine.time_passes(chance.choice((1.0, 100.0, 299.0, 301.0)))
            if chance.random() < _RARE:
                machine.the_feed_has_a_gap()
    machine.counts_add_up()


_RARE = 0.25


def _taken(several: list[T], chance: Random) -> T:
    return several.pop(chance.randrange(len(several)))
