"""What the machine does not come across: time, growth, odd values, memory shared with others."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hapta.model.clock import ManualClock
from hapta.ranking import table as table_module
from hapta.ranking.arena import Column, HeapArena, HeapBlock
from hapta.ranking.features import NONE, Caller
from hapta.ranking.places import REST_S
from hapta.ranking.signals import LOOKED_AT, number_of
from hapta.ranking.table import FeatureTable, instant
from hapta.records.links import link_hosts, plain_host
from tests.ranking.schema import EVERYTHING_ABOUT_POSTS, spec


def post(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"p{number}", "created": "", "author": "", "views": number, "draft": False, **more}


def table(clock: ManualClock | None = None, **more: Any) -> FeatureTable:
    return FeatureTable(spec({**EVERYTHING_ABOUT_POSTS, **more}), clock=clock)


def test_a_slot_is_given_to_another_row_once_it_has_rested() -> None:
    clock = ManualClock()
    kept = table(clock)
    kept.put("POSTS", post(0))
    slot = kept.slot_of("p0")
    assert slot is not None
    kept.drop("POSTS", "p0")
    clock.advance(REST_S - 0.1)
    kept.put("POSTS", post(1))
    assert kept.slot_of("p1") != slot
    assert kept.id_of(slot) is None
    clock.advance(0.1)
    kept.put("POSTS", post(2))
    assert kept.slot_of("p2") == slot
    assert kept.length == 2


def test_a_row_that_comes_back_within_its_rest_gets_a_new_slot() -> None:
    kept = table(ManualClock())
    kept.put("POSTS", post(0))
    kept.drop("POSTS", "p0")
    kept.put("POSTS", post(0))
    assert (kept.slot_of("p0"), kept.rows, kept.length) == (1, 1, 2)
    assert kept.features().is_candidate.tolist() == [False, True]


def test_a_slot_is_kept_for_a_row_that_others_point_at() -> None:
    kept = table(ManualClock())
    kept.put("COMMENTS", {"id": "c", "post": "p0"})
    assert kept.slot_of("p0") is None
    assert kept.rows == 0
    kept.put("POSTS", post(0))
    slot = kept.slot_of("p0")
    kept.drop("POSTS", "p0")
    kept.put("POSTS", post(0))
    assert kept.slot_of("p0") == slot == 0
    assert kept.features().signals["comments"].tolist() == [1.0]


class _Watched:
    """Blocks, and whether they were released."""

    def __init__(self) -> None:
        self.made: list[_WatchedBlock] = []

    def allocate(self, columns: Sequence[Column], capacity: int) -> "_WatchedBlock":
        self.made.append(_WatchedBlock(HeapArena().allocate(columns, capacity)))
        return self.made[-1]


class _WatchedBlock:
    def __init__(self, block: HeapBlock) -> None:
        self.capacity = block.capacity
        self.arrays = block.arrays
        self.is_released = False

    def release(self) -> None:
        self.is_released = True


def test_columns_that_are_full_move_and_the_old_block_is_released() -> None:
    arena = _Watched()
    kept = FeatureTable(spec(EVERYTHING_ABOUT_POSTS), arena)
    for number in range(5000):
        kept.put("POSTS", post(number % 50, id=f"p{number}", author=f"u{number % 300}"))
    features = kept.features()
    assert [block.capacity for block in arena.made] == [1024, 2048, 4096, 8192]
    assert [block.is_released for block in arena.made] == [True, True, True, False]
    assert kept.block is arena.made[-1]
    assert features.signals["views"].tolist() == [float(number % 50) for number in range(5000)]
    assert features.signals["posts"].tolist() == [float(16 + (number % 300 < 200)) for number in range(5000)]
    assert len(features) == kept.rows == 5000
    assert kept.nbytes > sum(array.nbytes for array in kept.block.arrays.values())
    kept.release()
    assert arena.made[-1].is_released


def test_features_are_views() -> None:
    kept = table()
    kept.put("POSTS", post(7))
    column = kept.features().signals["views"]
    assert np.shares_memory(column, kept.block.arrays["signal.views"])


@pytest.mark.parametrize("topics", [[], ["parent"], ["kinds"], ["topics", "kinds"]])
def test_topics_are_a_column_for_each_a_row_may_have(topics: list[str]) -> None:
    kept = table(topics=topics, signals={})
    kept.put("POSTS", post(0, kinds=["a", "b"], topics=["t"], parent="x"))
    features = kept.features()
    widths = {"parent": 1, "kinds": 2, "topics": 3}
    given = {"parent": 1, "kinds": 2, "topics": 1}
    assert features.topics.shape == (1, sum(widths[name] for name in topics))
    codes = kept.topics_of(0).tolist()
    assert codes == features.topics[0][features.topics[0] != NONE].tolist()
    assert len(set(codes)) == sum(given[name] for name in topics)


def test_of_several_authors_the_first_counts() -> None:
    kept = table(author="fans", signals={})
    kept.put("POSTS", post(0, fans=["u1", "u2"]))
    assert kept.authors_of(0).tolist() == [kept.author_code("u1")]
    assert kept.author_code("u2") == NONE


def test_interests_are_learned_from_the_latest_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = table()
    for number in range(6):
        kept.put("LIKES", {"id": f"l{number}", "user": "u", "post": f"p{number}"})
    kept.put("LIKES", {"id": "l6", "user": "u", "post": "p5"})
    assert kept.engaged("u").tolist() == [0, 1, 2, 3, 4, 5]
    monkeypatch.setattr(table_module, "MOST_ENGAGED", 3)
    assert kept.engaged("u").tolist() == [4, 5]
    kept.drop("LIKES", "l4")
    kept.drop("LIKES", "l6")
    assert kept.engaged("u").tolist() == [2, 3, 5]


def test_a_guest_and_somebody_unheard_of_are_tied_to_nothing() -> None:
    kept = table()
    kept.put("USERS", {"id": "", "following": ["u1"]})
    for user_id in ("", "unheard"):
        caller = kept.caller(user_id)
        assert caller.own == Caller().own == NONE
        assert not len(caller.followed)
        assert caller.followed.dtype == np.int32
        assert not len(kept.engaged(user_id))


def test_an_author_who_is_no_user_is_not_the_user_of_the_same_id() -> None:
    kept = FeatureTable(spec({"author": "parent"}))
    kept.put("POSTS", post(0, parent="same"))
    assert kept.author_code("same") == 0
    assert kept.caller("same").own == NONE


def test_a_row_of_a_collection_that_does_not_matter_is_nothing() -> None:
    kept = table()
    kept.put("TOPICS", {"id": "t"})
    kept.drop("TOPICS", "t")
    kept.drop("POSTS", "never there")
    assert (kept.version, kept.length) == (0, 0)


def test_a_row_whose_filter_is_not_known_is_no_candidate() -> None:
    kept = table()
    kept.put("POSTS", {"id": "p", "views": 1})
    kept.put("POSTS", {"id": "q", "views": 2.0**60, "draft": False})
    assert not kept.features().is_candidate.any()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01 00:00:01.500Z", 1.5),
        ("2026-01-02 03:04:05.678Z", 1767323045.678),
        ("1969-12-31 23:59:59.000Z", -1.0),
        ("", 0.0),
        ("x", 0.0),
        ("2026-01-02", 0.0),
        ("2026-01-02 03:04:05.678", 0.0),
        ("2026-13-02 03:04:05.678Z", 0.0),
        (None, 0.0),
        (5, 0.0),
    ],
)
def test_dates_are_read_as_pocketbase_writes_them(text: object, seconds: float) -> None:
    assert instant(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (2.5, 2.5),
        (True, 1.0),
        ("text", 1.0),
        ("", 0.0),
        (None, 0.0),
        (["a", "b"], 2.0),
        ({}, 0.0),
        (math.inf, float(np.finfo(np.float32).max)),
        (-math.inf, -float(np.finfo(np.float32).max)),
        (math.nan, 0.0),
        (10**400, float(np.finfo(np.float32).max)),
    ],
)
def test_a_number_fits_its_column(value: object, number: float) -> None:
    assert number_of("x")({"x": value}) == number
    assert np.isfinite(np.float32(number))
    assert number_of("x", "value")({"x": value}) == float(number != 0)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("see http://ada:secret@A.Example:80/x?y=http://b.example#z", ["a.example", "b.example"]),
        ("www.pills.com and bit.ly/x or a@mail.com", ["www.pills.com", "bit.ly"]),
        ("https://b\u00fccher.example.", ["xn--bcher-kva.example"]),
        ("&#119;ww.a\u200b.com", ["www.a.com"]),
        ("nothing. At all", []),
        ("http://", [""]),
    ],
)
def test_links_lead_to_hosts(text: str, hosts: list[str]) -> None:
    assert list(link_hosts(text)) == hosts


def test_spam_is_a_link_to_a_domain_or_one_below() -> None:
    read = number_of("x", "spam", frozenset({"spam.example", plain_host("B\u00dcCHER.example")}))
    for text, number in (
        ("http://a.spam.example/", 1.0),
        ("spam.example:80", 1.0),
        ("http://b\u00fccher.example", 1.0),
        ("http://spam.example.com", 0.0),
        ("http://nospam.example", 0.0),
        ("spam.example without being a link", 0.0),
        (5, 0.0),
    ):
        assert read({"x": text}) == number, text
    assert number_of("x", "link")({"x": " " * LOOKED_AT + "http://a.example"}) == 0.0
