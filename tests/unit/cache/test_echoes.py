"""Which events are echoes of own writes: each own write has one, and nothing else may pass for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from hapta.cache.echoes import ECHO_WITHIN_S, MAX_HELD, Echoes
from hapta.model.clock import ManualClock

POSTS = "posts"
ROW = {"id": "p1", "title": "a", "likes": 1}


@dataclass(frozen=True)
class Event:
    record: Mapping[str, Any] | None
    action: str = "update"
    record_id: str = "p1"
    collection_id: str = POSTS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def echoes(clock: ManualClock) -> Echoes:
    return Echoes(clock)


def test_an_event_after_the_answer_is_an_echo_once(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, "p1", "update")
    assert write.answered(ROW) == (True, [])
    event = Event({**ROW, "hidden": "x"})
    assert echoes.is_echo(event)
    assert not echoes.is_echo(event)
    echoes.check_invariants()


@pytest.mark.parametrize(
    "record",
    [
        {**ROW, "likes": 2},
        {**ROW, "likes": True},
        {**ROW, "likes": 1.0},
        {"id": "p1", "title": "a"},
        None,
    ],
)
def test_what_differs_in_any_field_is_news(echoes: Echoes, record: Mapping[str, Any] | None) -> None:
    echoes.begin(POSTS, "p1", "update").answered(ROW)
    assert not echoes.is_echo(Event(record))
    assert echoes.is_echo(Event(ROW))


def test_another_action_another_row_and_another_collection_are_news(echoes: Echoes) -> None:
    echoes.begin(POSTS, "p1", "update").answered(ROW)
    assert not echoes.is_echo(Event(ROW, "create"))
    assert not echoes.is_echo(Event(ROW, record_id="p2"))
    assert not echoes.is_echo(Event(ROW, collection_id="comments"))


def test_after_a_while_nothing_is_an_echo(echoes: Echoes, clock: ManualClock) -> None:
    echoes.begin(POSTS, "p1", "update").answered(ROW)
    clock.advance(ECHO_WITHIN_S + 1)
    assert not echoes.is_echo(Event(ROW))


def test_an_event_before_the_answer_is_held_and_then_an_echo(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, "p1", "update")
    assert echoes.hold(Event(ROW))
    assert write.answered(ROW) == (True, [])
    assert write.is_echoed
    assert not echoes.is_echo(Event(ROW))


def test_of_what_was_held_all_but_the_echo_is_news_and_the_write_was_not_alone(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, "p1", "update")
    other, echo = Event({**ROW, "title": "b"}), Event(ROW)
    assert echoes.hold(other)
    assert echoes.hold(echo)
    assert write.answered(ROW) == (False, [other])


def test_a_write_that_changed_nothing_makes_news_of_what_it_held(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, "p1", "update")
    assert echoes.hold(Event(ROW))
    assert write.answered(None) == (False, [Event(ROW)])
    assert not echoes.is_echo(Event(ROW))


def test_no_more_than_a_few_events_are_held(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, "p1", "update")
    assert all(echoes.hold(Event({**ROW, "likes": at})) for at in range(MAX_HELD))
    assert not echoes.hold(Event(ROW))
    is_sole, news = write.answered(ROW)
    assert not is_sole
    assert len(news) in (MAX_HELD - 1, MAX_HELD)


def test_of_two_writes_at_once_neither_was_alone_and_no_event_is_held(echoes: Echoes) -> None:
    first, second = echoes.begin(POSTS, "p1", "update"), echoes.begin(POSTS, "p1", "update")
    assert not echoes.hold(Event(ROW))
    assert first.answered(ROW) == (False, [])
    assert second.answered({**ROW, "likes": 2}) == (False, [])
    echoes.check_invariants()


@pytest.mark.parametrize("action", ["update", "delete"])
def test_after_two_writes_at_once_whatever_looks_like_an_echo_is_news(echoes: Echoes, action: str) -> None:
    """Their events may have come already: the next one that looks alike is somebody else's."""
    first, second = echoes.begin(POSTS, "p1", action), echoes.begin(POSTS, "p1", "update")
    assert not echoes.hold(Event(ROW, action))
    first.answered(ROW if action == "update" else {})
    second.answered({**ROW, "likes": 2})
    assert not echoes.is_echo(Event(ROW, action))
    assert not echoes.is_echo(Event({**ROW, "likes": 2}))


def test_the_echo_of_the_write_before_is_one_while_the_next_is_under_way(echoes: Echoes) -> None:
    echoes.begin(POSTS, "p1", "update").answered(ROW)
    write = echoes.begin(POSTS, "p1", "update")
    assert echoes.is_echo(Event(ROW))
    assert write.answered({**ROW, "likes": 2}) == (True, [])
    assert not echoes.is_echo(Event(ROW))


def test_a_create_whose_id_was_asked_for_holds_its_event(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, "p1", "create")
    assert echoes.hold(Event(ROW, "create"))
    assert write.answered(ROW) == (True, [])


def test_the_early_event_of_a_create_gets_to_know_what_it_was(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, None, "create")
    event = Event(ROW, "create")
    assert not echoes.hold(event)
    assert not echoes.is_echo(event)
    change = echoes.news_of(event)
    assert change is not None
    assert change.is_void
    assert write.answered(ROW) == (True, [])
    assert write.early is change
    assert not echoes.is_echo(event)


def test_an_early_event_that_shows_another_row_stays_unknown(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, None, "create")
    echoes.news_of(Event({**ROW, "title": "b"}, "create"))
    assert write.answered(ROW) == (False, [])
    assert write.early is None


def test_without_a_create_under_way_a_birth_is_plain_news(echoes: Echoes) -> None:
    assert echoes.news_of(Event(ROW, "create")) is None


def test_a_create_whose_row_was_written_to_before_its_answer_was_not_alone(echoes: Echoes) -> None:
    create = echoes.begin(POSTS, None, "create")
    like = echoes.begin(POSTS, "p1", "update")
    assert like.answered({**ROW, "likes": 2}) == (True, [])
    assert create.answered(ROW)[0] is False


@pytest.mark.parametrize("is_slim", [False, True])
def test_a_create_whose_row_somebody_else_changed_before_its_answer_was_not_alone(
    echoes: Echoes, is_slim: bool
) -> None:
    create = echoes.begin(POSTS, None, "create")
    echoes.news_of(Event(None if is_slim else ROW, "create"))
    assert echoes.news_of(Event(None if is_slim else {**ROW, "likes": 2})) is None
    assert create.answered(ROW)[0] is False


def test_what_was_kept_of_births_goes_with_the_last_create(echoes: Echoes) -> None:
    create = echoes.begin(POSTS, None, "create")
    change = echoes.news_of(Event({**ROW, "id": "p2"}, "create"))
    assert change is not None
    create.answered(ROW)
    again = echoes.begin(POSTS, None, "create")
    again.answered({**ROW, "id": "p2"})
    assert again.early is None


def test_a_create_whose_row_is_being_written_to_was_not_alone(echoes: Echoes) -> None:
    create = echoes.begin(POSTS, None, "create")
    echoes.begin(POSTS, "p1", "update")
    assert create.answered(ROW)[0] is False


async def test_a_delete_waits_for_what_the_row_was(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, "p1", "delete")
    await write.await_event(0.001)
    assert echoes.hold(Event(ROW, "delete"))
    await write.await_event(60.0)
    assert write.answered({}) == (True, [])
    assert write.before == ROW


def test_a_second_answer_says_nothing(echoes: Echoes) -> None:
    write = echoes.begin(POSTS, "p1", "update")
    write.answered(ROW)
    assert write.answered(ROW) == (False, [])


def test_a_create_whose_row_a_batch_wrote_to_before_its_answer_was_not_alone(echoes: Echoes) -> None:
    create = echoes.begin(POSTS, None, "create")
    echoes.other_ended(POSTS, "p1")
    assert create.answered(ROW)[0] is False
