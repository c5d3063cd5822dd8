"""Orders that are paged through: no row twice, none left out, and nobody's but their owner's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hapta.model.clock import ManualClock
from hapta.ranking.snapshots import LIFETIME_S, MOST_OF_ONE, Part, Snapshot, Snapshots

ROWS = [f"row{n:02}" for n in range(40)]


def filled(part: Part, gone: set[str], looks_behind: int = 0) -> list[str]:
    """The rows that stand on a page, filled up as long as that helps."""
    while True:
        missing = gone & {*part.ids, *part.behind(looks_behind)}
        if not missing or not part.take_out(missing):
            return [each for each in part.ids if each not in gone]


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.booleans(), st.sets(st.sampled_from(ROWS), max_size=15)), max_size=20),
    st.integers(0, 50),
)
def test_who_pages_through_gets_each_row_once_and_full_pages_whatever_goes_meanwhile(
    per_page: int, deletions: list[tuple[bool, set[str]]], looks_behind: int
) -> None:
    snapshot, gone, seen = Snapshot("s", ROWS), set[str](), list[str]()
    steps, first = iter(deletions), 0
    while True:
        during, more = next(steps, (False, set[str]()))
        if not during:
            gone |= more
        part = snapshot.hand_out(first, first + per_page)
        if during:
            gone |= more
        page = filled(part, gone, looks_behind)
        seen += page
        first += per_page
        if len(page) < per_page:
            break
    assert len(seen) == len(set(seen))
    assert [each for each in ROWS if each in seen] == seen, "in order"
    assert set(ROWS) - gone <= set(seen)


@given(
    st.integers(1, 9),
    st.lists(st.integers(0, 8), min_size=1, max_size=12),
    st.lists(st.sets(st.sampled_from(ROWS), max_size=6), max_size=12),
)
def test_in_whatever_order_and_however_often_pages_are_asked_no_row_stands_on_two(
    per_page: int, asked: list[int], deletions: list[set[str]]
) -> None:
    snapshot, gone = Snapshot("s", ROWS), set[str]()
    places: dict[str, int] = {}
    for at, page in enumerate(asked):
        gone |= deletions[at] if at < len(deletions) else set()
        for each in filled(snapshot.hand_out(page * per_page, (page + 1) * per_page), gone):
            assert places.setdefault(each, page) == page


@given(st.sets(st.sampled_from(ROWS)), st.integers(1, 10))
def test_pages_handed_out_at_once_do_not_move_one_another(gone: set[str], per_page: int) -> None:
    snapshot = Snapshot("s", ROWS)
    parts = [snapshot.hand_out(n * per_page, (n + 1) * per_page) for n in range(4)]
    pages = [filled(part, gone) for part in parts]
    for at, page in enumerate(pages[:-1]):  # behind the last one nobody was
        assert page == [each for each in ROWS[at * per_page : (at + 1) * per_page] if each not in gone]
    shown = [each for page in pages for each in page]
    assert len(shown) == len(set(shown))


def test_the_same_order_is_the_same_snapshot_until_rows_are_taken_out_of_it_or_it_is_paged_through() -> None:
    kept = Snapshots(ManualClock())
    before = kept.keep("home", "ada", "ada", ROWS, 5)
    assert kept.keep("home", "ada", "ada", ROWS, 5) is before
    assert filled(before.hand_out(0, 5), {"row01"}) == ["row00", "row02", "row03", "row04", "row05"]
    after = kept.keep("home", "ada", "ada", ROWS, 5)
    assert after.id != before.id
    assert filled(after.hand_out(0, 5), set()) == ROWS[:5], "what was gone is there again"
    assert filled(before.hand_out(5, 9), set()) == ROWS[6:10]
    assert kept.keep("home", "ada", "ada", ROWS, 5) is after
    assert kept.get("home", "ada", before.id) is before
    after.hand_out(5, 10)
    again = kept.keep("home", "ada", "ada", ROWS, 5)
    assert again not in (before, after)
    assert len(filled(again.hand_out(5, 10), {"row07"})) == 5, "who begins again has full pages"


@pytest.mark.parametrize("other", [("home", "ben"), ("more", "ada"), ("home", "")])
def test_a_snapshot_is_nobody_s_but_its_owner_s_and_of_no_other_feed(other: tuple[str, str]) -> None:
    kept = Snapshots(ManualClock())
    snapshot = kept.keep("home", "ada", "ada", ROWS, 5)
    assert kept.keep(*other, "x", ROWS, 5).id != snapshot.id
    assert kept.get(*other, snapshot.id) is None
    assert kept.latest(*other, "ada") is None


class Kept(RuleBasedStateMachine):
    """Everything that happens to them, against what was kept when."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.most = 3 * 64 + 90
        self.kept = Snapshots(self.clock, self.most)
        self.made: dict[tuple[str, str, str], tuple[Snapshot, list[str], float]] = {}
        self.last: dict[tuple[str, str], tuple[str, str]] = {}

    @rule(
        feed=st.sampled_from(["home", "more"]),
        owner=st.sampled_from(["", "ada", "ben"]),
        address=st.sampled_from(["one", "two"]),
        ids=st.lists(st.sampled_from(ROWS), unique=True, max_size=40),
    )
    def keep(self, feed: str, owner: str, address: str, ids: list[str]) -> None:
        asker = owner or address
        snapshot = self.kept.keep(feed, owner, asker, ids, 4)
        assert snapshot.between(0, 99) == ids
        self.made[feed, owner, snapshot.id] = snapshot, ids, self.clock.monotonic()
        self.last[feed, asker] = owner, snapshot.id
        assert self.kept.get(feed, owner, snapshot.id) is snapshot, "the newest is kept"

    @rule(data=st.data(), owner=st.sampled_from(["", "ada", "ben"]), feed=st.sampled_from(["home", "more"]))
    def get(self, data: st.DataObject, owner: str, feed: str) -> None:
        known = [each for *_, each in self.made] + ["", "nothing"]
        asked = data.draw(st.sampled_from(known))
        found = self.kept.get(feed, owner, asked)
        if found is None:
            return
        snapshot, _, used_at = self.made[feed, owner, asked]
        assert found is snapshot
        assert self.clock.monotonic() - used_at <= LIFETIME_S
        self.made[feed, owner, asked] = snapshot, [], self.clock.monotonic()

    @rule(asker=st.sampled_from(["one", "two", "ada", "ben"]), owner=st.sampled_from(["", "ada", "ben"]))
    def latest(self, asker: str, owner: str) -> None:
        found = self.kept.latest("home", owner, asker)
        if found is not None:
            assert self.last["home", asker] == (owner, found.id)
            snapshot, *_ = self.made["home", owner, found.id]
            self.made["home", owner, found.id] = snapshot, [], self.clock.monotonic()

    @rule(data=st.data(), gone=st.sets(st.sampled_from(ROWS), max_size=5))
    def page(self, data: st.DataObject, gone: set[str]) -> None:
        if self.made:
            snapshot, *_ = data.draw(st.sampled_from(list(self.made.values())))
            filled(snapshot.hand_out(0, 4), gone)

    @rule(seconds=st.sampled_from([1.0, LIFETIME_S / 2, LIFETIME_S + 1]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def forget(self) -> None:
        self.kept.forget()
        assert not len(self.kept)
        assert all(self.kept.get(*key) is None for key in self.made)

    @invariant()
    def they_are_bounded(self) -> None:
        weights = [snapshot.weight for snapshot, _ in self.kept._kept.values()]
        assert sum(weights) == self.kept._weight
        assert len(weights) <= 1 or sum(weights) <= self.most


TestKept = Kept.TestCase


def test_one_user_makes_nobody_else_s_orders_forgotten() -> None:
    snapshots = Snapshots(ManualClock(), most_ids=(MOST_OF_ONE + 2) * 200)
    theirs = snapshots.keep("home", "users/ada", "users/ada", ROWS, 10)
    made = [
        snapshots.keep("home", "users/eve", "users/eve", [f"{number}", *ROWS], 10) for number in range(100)
    ]
    assert len(snapshots) == MOST_OF_ONE + 1
    assert snapshots.get("home", "users/ada", theirs.id) is theirs
    assert snapshots.get("home", "users/eve", made[-MOST_OF_ONE].id) is made[-MOST_OF_ONE]
    assert snapshots.get("home", "users/eve", made[-MOST_OF_ONE - 1].id) is None
    assert snapshots.latest("home", "users/eve", "users/eve") is made[-1]


def test_an_order_that_many_have_begun_is_another_for_each_of_them() -> None:
    snapshots = Snapshots(ManualClock())
    made = []
    for number in range(100):
        made.append(snapshots.keep("home", "", f"guest {number}", ROWS, 10))
        made[-1].hand_out(0, 10)
        made[-1].hand_out(10, 20)
    assert len({each.id for each in made}) == len(snapshots) == 100
    for number, each in enumerate(made):
        assert snapshots.latest("home", "", f"guest {number}") is each
