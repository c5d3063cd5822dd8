"""hapta.feed.echoes"""

import pytest

from hapta.feed.echoes import Echoes
from hapta.model.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_an_event_after_the_answer_took_the_time_between(clock: ManualClock) -> None:
    echoes = Echoes(clock)
    assert echoes.write_answered("c", "r", clock.monotonic()) is None
    clock.advance(0.25)
    assert echoes.event_seen("c", "r", clock.monotonic()) == 0.25
    assert echoes.event_seen("c", "r", clock.monotonic()) is None, "counted twice"


def test_an_event_before_the_answer_took_no_time(clock: ManualClock) -> None:
    echoes = Echoes(clock)
    started_at = clock.monotonic()
    clock.advance(0.001)
    echoes.event_seen("c", "r", clock.monotonic())
    clock.advance(0.001)
    assert echoes.write_answered("c", "r", started_at) == 0.0
    assert echoes.event_seen("c", "r", clock.monotonic()) is None


def test_an_event_before_the_write_was_sent_is_not_its_own(clock: ManualClock) -> None:
    echoes = Echoes(clock)
    echoes.event_seen("c", "r", clock.monotonic())
    clock.advance(1)
    assert echoes.write_answered("c", "r", clock.monotonic()) is None


def test_an_event_of_somebody_else_is_no_echo(clock: ManualClock) -> None:
    echoes = Echoes(clock)
    echoes.write_answered("c", "r", None)
    assert echoes.event_seen("c", "other", clock.monotonic()) is None
    assert echoes.event_seen("other", "r", clock.monotonic()) is None


def test_an_event_long_after_is_no_echo(clock: ManualClock) -> None:
    echoes = Echoes(clock)
    echoes.write_answered("c", "r", None)
    clock.advance(31)
    assert echoes.event_seen("c", "r", clock.monotonic()) is None


def test_writes_whose_events_never_come_do_not_fill_memory(clock: ManualClock) -> None:
    echoes = Echoes(clock)
    for number in range(5000):
        echoes.write_answered("c", str(number), None)
        echoes.event_seen("d", str(number), clock.monotonic())
    assert len(echoes) == 1024
    assert echoes.event_seen("c", "0", clock.monotonic()) is None
    assert echoes.event_seen("c", "4999", clock.monotonic()) == 0.0
