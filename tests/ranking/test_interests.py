"""hapta.ranking.interests"""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.ranking.features import Caller
from hapta.ranking.interactions import Row, UserInteractions
from hapta.ranking.interests import HALF_LIFE_S, points_of, with_interactions
from hapta.ranking.table import FeatureTable
from tests.ranking.schema import spec

NOW = 1_700_000_000.0
SPEC = spec(
    {
        "author": "author",
        "topics": ["topics"],
        "engaged": {"likes": {"collection": "likes", "from": "user", "to": "post"}},
    }
)


def date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.000Z")


@pytest.fixture
def table() -> FeatureTable:
    """Posts of ann (p1, p2), bob (p3) and eve (p4), about cats (p1, p3) and dogs (p2, p3)."""
    made = FeatureTable(SPEC)
    posts: tuple[tuple[str, str, list[str]], ...] = (
        ("p1", "ann", ["cats"]),
        ("p2", "ann", ["dogs"]),
        ("p3", "bob", ["cats", "dogs"]),
        ("p4", "eve", []),
    )
    for post, author, topics in posts:
        made.put("POSTS", {"id": post, "author": author, "topics": topics, "created": date(NOW)})
    return made


def with_rows(table: FeatureTable, rows: dict[str, Row], now: float = NOW) -> Caller:
    return with_interactions(table.caller("me"), table, UserInteractions(rows), now, "me")


def authors(table: FeatureTable, caller: Caller) -> dict[str, float]:
    codes = {table.author_code(name): name for name in ("ann", "bob", "eve", "me")}
    found = zip(caller.authors.tolist(), caller.author_affinity.tolist(), strict=True)
    return {codes[code]: affinity for code, affinity in found}


def topics(table: FeatureTable, caller: Caller) -> list[float]:
    """Of cats and of dogs: that of a post about nothing else."""
    found = dict(zip(caller.topics.tolist(), caller.topic_affinity.tolist(), strict=True))
    slots = [table.slot_of("p1"), table.slot_of("p2")]
    codes = [int(table.features().topics[slot].max()) for slot in slots]
    return [found.get(code, 0.0) for code in codes]


def row(**values: Any) -> Row:
    return Row(first=NOW, last=NOW, **values)


def test_what_was_seen_and_hidden_stands_as_slots(table: FeatureTable) -> None:
    rows = {"p1": row(views=1), "p2": row(clicks=1), "p3": row(hidden=True), "gone": row(views=1)}
    caller = with_rows(table, rows)
    assert [table.id_of(slot) for slot in caller.seen.tolist()] == ["p1", "p2"]
    assert [table.id_of(slot) for slot in caller.hidden.tolist()] == ["p3"]


def test_a_click_speaks_for_its_author_and_topics_and_a_hide_against(table: FeatureTable) -> None:
    caller = with_rows(table, {"p1": row(clicks=1), "p3": row(hidden=True)})
    assert authors(table, caller) == pytest.approx({"ann": 0.25, "bob": -0.4})
    cats, dogs = topics(table, caller)
    assert cats == pytest.approx(-0.25)  # 1 - 2 points
    assert dogs == pytest.approx(-0.4)


def test_nobody_is_interested_in_themselves(table: FeatureTable) -> None:
    table.put("POSTS", {"id": "p5", "author": "me", "topics": ["cats"], "created": date(NOW)})
    caller = with_rows(table, {"p5": row(clicks=3)})
    assert authors(table, caller) == {}
    assert topics(table, caller)[0] > 0


def test_what_was_liked_counts_and_the_less_the_older_it_is(table: FeatureTable) -> None:
    old = {"id": "p3", "author": "bob", "topics": ["cats", "dogs"], "created": date(NOW - HALF_LIFE_S)}
    table.put("POSTS", old)
    for number, post in enumerate(("p1", "p3")):
        table.put("LIKES", {"id": f"l{number}", "user": "me", "post": post})
    expected = pytest.approx({"ann": 2 / 5, "bob": 1 / 4})
    assert authors(table, with_rows(table, {})) == expected
    nothing_kept = with_interactions(table.caller("me"), table, None, NOW, "me")
    assert authors(table, nothing_kept) == expected
    assert authors(table, with_interactions(Caller(), table, None, NOW)) == {}, "a guest"
    namesake = with_interactions(Caller(), table, UserInteractions({"p4": row(clicks=1)}), NOW)
    assert authors(table, namesake) == pytest.approx({"eve": 0.25}), "another me likes nothing"


def test_half_of_it_is_left_after_a_half_life(table: FeatureTable) -> None:
    caller = with_rows(table, {"p1": row(clicks=1)}, NOW + HALF_LIFE_S)
    assert authors(table, caller)["ann"] == pytest.approx(0.5 / 3.5)
    ahead = with_rows(table, {"p1": row(clicks=1)}, NOW - 60)
    assert authors(table, ahead)["ann"] == pytest.approx(0.25), "a clock that is behind makes it no stronger"


def test_what_was_there_before_of_the_caller_stays(table: FeatureTable) -> None:
    before = table.caller("me")
    caller = with_rows(table, {"p1": row(clicks=1)})
    assert (caller.own, caller.visible) == (before.own, before.visible)
    assert caller.followed.tolist() == before.followed.tolist()


def test_a_feed_without_authors_and_topics_has_no_interests() -> None:
    bare = FeatureTable(spec({}))
    bare.put("POSTS", {"id": "p1", "created": date(NOW)})
    caller = with_rows(bare, {"p1": row(views=1, clicks=1)})
    assert (len(caller.seen), len(caller.authors), len(caller.topics)) == (1, 0, 0)


counts = st.integers(0, 100_000)


@given(views=counts, clicks=counts, dwell_ms=st.integers(0, 10**9), more=st.integers(1, 1000))
def test_more_of_anything_but_hides_is_never_less_interest(
    views: int, clicks: int, dwell_ms: int, more: int
) -> None:
    points = points_of(row(views=views, clicks=clicks, dwell_ms=dwell_ms))
    assert points >= 0
    assert points_of(row(views=views + more, clicks=clicks, dwell_ms=dwell_ms)) >= points
    assert points_of(row(views=views, clicks=clicks + more, dwell_ms=dwell_ms)) > points
    assert points_of(row(views=views, clicks=clicks, dwell_ms=dwell_ms + more)) >= points
    assert points_of(row(views=views, clicks=clicks, dwell_ms=dwell_ms, hidden=True)) < 0


def test_no_amount_goes_beyond_one(table: FeatureTable) -> None:
    table.put("POSTS", {"id": "p1", "author": "ann", "topics": ["cats"], "created": date(NOW)})
    for number in range(2000):
        table.put("LIKES", {"id": f"l{number}", "user": "me", "post": "p1"})
        post = {"id": f"q{number}", "author": "eve", "topics": ["dogs"], "created": date(NOW)}
        table.put("POSTS", post)
    caller = with_rows(table, {f"q{n}": row(hidden=True) for n in range(2000)})
    assert all(-1 < affinity < 1 for affinity in authors(table, caller).values())
    assert authors(table, caller)["eve"] < -0.99
