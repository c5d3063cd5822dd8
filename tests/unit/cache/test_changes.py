"""What broke a fence is told if it is known of every move, and none of it can be in the answer already."""

import msgspec
import pytest

from hapta.cache.changes import MAX_ROW_BYTES, Change, Journal, touched_fields
from hapta.cache.generations import CHANGES_KEPT, Fence, Generations
from hapta.cache.tags import Tag, all_rows, any_row, births, record
from hapta.model.clock import ManualClock
from hapta.model.schema import Collection

LIST, ROW, OTHER, ALL = any_row("posts"), record("posts", "a"), record("posts", "b"), all_rows("posts")


@pytest.fixture
def generations() -> Generations:
    return Generations(ManualClock())


@pytest.fixture
def journal() -> Journal:
    return Journal(ManualClock())


def fetched(generations: Generations, *tags: Tag) -> Fence:
    fence = generations.fence(tags)
    assert fence is not None
    fence.fetched()
    return fence


def wrote(
    generations: Generations, journal: Journal, *tags: Tag, collection: str = "posts", size: int = 1
) -> Change:
    write = generations.begin(tags)
    change = Change(collection, "a", "update")
    change.tell(began_at=write.began_at, row={"title": msgspec.Raw(b"x" * size)})
    journal.add(change)
    write.close(change=change)
    return change


def test_changes_are_told_in_order_with_the_tags_they_moved(
    generations: Generations, journal: Journal
) -> None:
    fence = fetched(generations, LIST, ROW, OTHER)
    first = wrote(generations, journal, LIST, ROW)
    second = wrote(generations, journal, LIST)
    assert fence.changes() == [(first, {LIST, ROW}), (second, {LIST})]


def test_one_move_that_nobody_explains_hides_all(generations: Generations, journal: Journal) -> None:
    for unexplained in ((LIST,), (ROW,)):
        fence = fetched(generations, LIST, ROW)
        wrote(generations, journal, LIST, ROW)
        generations.move(unexplained)
        wrote(generations, journal, LIST, ROW)
        assert fence.changes() is None
    later = fetched(generations, LIST, ROW)
    change = wrote(generations, journal, LIST)
    assert later.changes() == [(change, {LIST})], "what was before does not matter to it"


def test_a_row_explains_nothing_of_other_collections_nor_of_rows_nobody_can_name(
    generations: Generations, journal: Journal
) -> None:
    fence = fetched(generations, LIST, ALL)
    wrote(generations, journal, LIST, ALL)
    assert fence.changes() is None
    fence = fetched(generations, any_row("comments"))
    wrote(generations, journal, any_row("comments"))
    assert fence.changes() is None
    fence = fetched(generations, births("posts"))
    assert wrote(generations, journal, births("posts")).explains(births("posts"))
    assert fence.changes() is not None


def test_what_was_fetched_while_the_write_was_under_way_may_show_it_already(
    generations: Generations, journal: Journal
) -> None:
    before, during = generations.fence([LIST]), generations.fence([ROW])
    assert before is not None
    assert during is not None
    before.fetched()
    write = generations.begin([LIST])
    change = Change("posts", "a", "update")
    change.tell(began_at=write.began_at)
    journal.add(change)
    during.fetched()
    write.close(further=[ROW], change=change)
    assert before.changes() == [(change, {LIST})]
    assert during.changes() is None


def test_a_fetch_that_is_under_way_is_told_nothing(generations: Generations, journal: Journal) -> None:
    fence = generations.fence([LIST])
    assert fence is not None
    wrote(generations, journal, LIST)
    assert fence.changes() is None


def test_a_change_is_told_once_its_answer_tells_it(generations: Generations, journal: Journal) -> None:
    fence = fetched(generations, LIST)
    write = generations.begin([ROW])
    early = Change("posts", "a", "create")
    generations.move([LIST], change=early)
    assert fence.changes() is None
    early.tell(began_at=write.began_at)
    journal.add(early)
    write.close(further=[LIST], change=early)
    assert fence.changes() == [(early, {LIST})]


def test_only_the_latest_changes_are_remembered(generations: Generations, journal: Journal) -> None:
    fence = fetched(generations, LIST)
    for _ in range(CHANGES_KEPT):
        wrote(generations, journal, LIST)
    found = fence.changes()
    assert found is not None
    assert len(found) == CHANGES_KEPT
    wrote(generations, journal, LIST)
    assert fence.changes() is None


def test_the_journal_forgets_the_oldest_and_weighs_no_more_than_it_may(generations: Generations) -> None:
    journal = Journal(ManualClock(), 100_000)
    fence = fetched(generations, LIST)
    oldest = wrote(generations, journal, LIST, size=40_000)
    wrote(generations, journal, LIST, size=40_000)
    assert fence.changes() is not None
    wrote(generations, journal, LIST, size=40_000)
    assert oldest.is_void
    assert oldest.row is None
    assert fence.changes() is None
    assert journal.weight <= 100_000
    assert len(journal) == 2


def test_a_large_row_is_not_kept(generations: Generations, journal: Journal) -> None:
    fence = fetched(generations, LIST)
    assert wrote(generations, journal, LIST, size=MAX_ROW_BYTES).is_void
    assert fence.changes() is None


def collection(kind: str = "base") -> Collection:
    fields = (
        {"name": "id", "type": "text", "autogeneratePattern": "[a-z]{15}"},
        {"name": "likes", "type": "relation"},
        {"name": "title", "type": "text"},
        {"name": "created", "type": "autodate", "onCreate": True, "onUpdate": False},
        {"name": "updated", "type": "autodate", "onUpdate": True},
        *(
            {"name": name, "type": "text"}
            for name in ("email", "emailVisibility", "password", "tokenKey", "verified")
            if kind == "auth"
        ),
    )
    return Collection("c", "posts", kind, False, {}, fields, "", {})


@pytest.mark.parametrize(
    ("members", "touched"),
    [
        ({}, set()),
        ({"likes+": "u"}, {"likes"}),
        ({"+likes": "u"}, {"likes"}),
        ({"LIKES-": "u"}, {"likes"}),
        ({"title:autogenerate": ""}, {"title"}),
        ({"likes": [], "title": ""}, {"likes", "title"}),
        ({"unknown": 1, "id": "x"}, set()),
    ],
)
def test_what_an_update_may_touch(members: dict[str, object], touched: set[str]) -> None:
    assert touched_fields(collection(), members) == touched | {"updated"}


def test_a_body_that_was_not_read_may_touch_anything() -> None:
    assert touched_fields(collection(), None) is None
    assert not Change("c", "r", "update").leaves(frozenset())


def test_what_belongs_to_a_sign_in_changes_together() -> None:
    assert touched_fields(collection("auth"), {"oldPassword": "", "password": ""}) == {
        *("updated", "email", "emailVisibility", "password", "tokenKey", "verified")
    }
    assert touched_fields(collection("auth"), {"title": ""}) == {"updated", "title"}
