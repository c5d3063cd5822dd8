"""hapta.ranking.interactions"""

from dataclasses import fields, replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.ranking.interactions import (
    CLICK_S,
    KINDS,
    MAX_DWELL_MS,
    NOTHING,
    VIEW_S,
    Interaction,
    Row,
    UserInteractions,
    after,
    interaction_id,
    join,
    oldest,
)

AT = 1_700_000_000.0

interactions = st.builds(Interaction, st.just("a"), st.sampled_from(KINDS), st.integers(0, 2 * MAX_DWELL_MS))
timed = st.lists(st.tuples(interactions, st.floats(0, 100)), max_size=12)


def played(steps: list[tuple[Interaction, float]], row: Row = NOTHING) -> Row:
    at = AT
    for done, wait in steps:
        at += wait
        row = after(row, done, at)
    return row


rows = st.builds(played, timed)


@given(done=st.lists(interactions, max_size=12), count=st.integers(0, 12))
def test_what_is_sent_again_changes_nothing(done: list[Interaction], count: int) -> None:
    """A client sends all it is not sure of again, in the order in which it was; hides are the last word."""
    row = NOTHING
    for one in done:
        row = after(row, one, AT)
    again = row
    for one in done[len(done) - count :]:
        again = after(again, one, AT + 1.0)
    assert (again.views, again.clicks, again.dwell_ms, again.hidden) == (
        row.views,
        row.clicks,
        row.dwell_ms,
        row.hidden,
    )


@given(done=st.lists(interactions, min_size=1, max_size=8))
def test_the_last_one_again_is_known_to_be_one(done: list[Interaction]) -> None:
    row = NOTHING
    for one in done:
        row = after(row, one, AT)
    assert after(row, done[-1], AT + 1.0) is row


@given(lengths=st.lists(st.integers(0, MAX_DWELL_MS), min_size=1, max_size=4))
def test_the_longest_dwell_of_a_view_counts_in_whatever_order_they_come(lengths: list[int]) -> None:
    for order in permutations(lengths):
        row = NOTHING
        for ms in order:
            row = after(row, Interaction("a", "dwell", ms), AT)
        assert row.dwell_ms == row.view_ms == max(lengths)
        assert row.views == 1


@given(steps=timed)
def test_nothing_is_ever_negative_and_nothing_shrinks(steps: list[tuple[Interaction, float]]) -> None:
    row, at = NOTHING, AT
    for done, wait in steps:
        at += wait
        changed = after(row, done, at)
        for name in ("views", "clicks", "dwell_ms", "viewed", "clicked", "judged", "last"):
            assert getattr(changed, name) >= getattr(row, name) >= 0
        assert changed.dwell_ms <= changed.views * MAX_DWELL_MS
        assert changed.view_ms <= changed.dwell_ms
        row = changed


@given(one=rows, other=rows, third=rows)
def test_two_states_have_one_join(one: Row, other: Row, third: Row) -> None:
    assert join(one, other) == join(other, one)
    assert join(one, join(other, third)) == join(join(one, other), third)
    assert join(one, one) == one
    assert join(one, NOTHING) == one


@given(steps=timed, count=st.integers(0, 12))
def test_an_older_state_adds_nothing_to_a_newer_one(
    steps: list[tuple[Interaction, float]], count: int
) -> None:
    older = played(steps[:count])
    row, at = older, AT + sum(wait for _, wait in steps[:count])
    for done, wait in steps[count:]:
        at += wait + 0.01  # two judgements in one millisecond have no order
        row = after(row, done, at)
    assert join(older, row) == row


@pytest.mark.parametrize(
    ("kind", "within_s", "name"), [("view", VIEW_S, "views"), ("click", CLICK_S, "clicks")]
)
def test_what_comes_within_its_time_is_the_same(kind: str, within_s: float, name: str) -> None:
    done = Interaction("a", kind)  # type: ignore[arg-type]
    first = after(NOTHING, done, AT)
    assert after(first, done, AT + within_s - 0.1) is first
    assert after(first, done, AT - within_s + 0.1) is first, "clocks of two machines differ"
    later = after(first, done, AT + within_s)
    assert (getattr(first, name), getattr(later, name)) == (1, 2)


def test_a_new_view_has_a_length_of_its_own() -> None:
    row = played(
        [
            (Interaction("a", "view"), 0),
            (Interaction("a", "dwell", 4000), 4),
            (Interaction("a", "view"), 60),
            (Interaction("a", "dwell", 1000), 1),
            (Interaction("a", "dwell", 3000), 2),
        ]
    )
    assert (row.views, row.view_ms, row.dwell_ms) == (2, 3000, 7000)


def test_what_was_never_hidden_needs_no_showing() -> None:
    assert after(NOTHING, Interaction("a", "unhide"), AT) is NOTHING


def test_seen_and_hidden_are_those_that_were() -> None:
    theirs = UserInteractions(
        {
            "viewed": played([(Interaction("x", "view"), 0)]),
            "clicked": played([(Interaction("x", "click"), 0)]),
            "hidden": played([(Interaction("x", "hide"), 0)]),
            "shown": played([(Interaction("x", "hide"), 0), (Interaction("x", "unhide"), 1)]),
        },
    )
    assert theirs.seen == {"viewed", "clicked"}
    assert theirs.hidden == {"hidden"}


def test_an_id_is_one_of_pocketbase_s_and_of_this_row_alone() -> None:
    ids = {interaction_id(a, b, c, d) for a in "12" for b in "12" for c in "12" for d in ("1", "2", "12")}
    assert len(ids) == 24
    assert all(len(one) == 15 and one.isalnum() and one.lower() == one for one in ids)
    assert interaction_id("a", "b", "c", "d") == interaction_id("a", "b", "c", "d")


@given(lasts=st.lists(st.integers(0, 1000), unique=True, max_size=60), most=st.integers(1, 40))
def test_only_the_oldest_are_forgotten_and_only_where_there_are_too_many(lasts: list[int], most: int) -> None:
    forgotten = {int(name) for name in oldest(((str(at), replace(NOTHING, last=at)) for at in lasts), most)}
    kept = set(lasts) - forgotten
    assert len(kept) <= most
    assert bool(forgotten) == (len(lasts) > most)
    assert kept or not lasts
    assert all(one < other for one in forgotten for other in kept)


def test_every_field_of_a_row_is_joined() -> None:
    """A field that is forgotten there would come back as nothing."""
    full = Row(*(True if field.name == "hidden" else 7 for field in fields(Row)))
    assert join(full, NOTHING) == full == join(NOTHING, full)
