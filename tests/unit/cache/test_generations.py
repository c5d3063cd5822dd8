"""Fences, writes and doubts, one rule at a time; the whole is ``test_generations_machine.py``."""

import gc

import pytest

from hapta.cache import generations as module
from hapta.cache.generations import Fence, Generations, Standing
from hapta.cache.tags import any_row, record
from hapta.model.clock import ManualClock

LIST, ROW, OTHER = any_row("posts"), record("posts", "a"), record("posts", "b")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def generations(clock: ManualClock) -> Generations:
    return Generations(clock)


def fence(generations: Generations, *tags: tuple[str, ...]) -> Fence:
    found = generations.fence(tags)
    assert found is not None
    return found


def test_a_fence_is_unsettled_while_a_write_is_open_and_broken_once_it_is_answered(
    generations: Generations,
) -> None:
    taken = fence(generations, LIST, ROW)
    write = generations.begin([LIST])
    assert taken.standing() is Standing.UNSETTLED
    write.close()
    assert taken.standing() is Standing.BROKEN
    write.close(has_changed=False)
    assert taken.standing() is Standing.BROKEN, "never again"


def test_a_write_that_changed_nothing_leaves_the_fence_as_it_was(generations: Generations) -> None:
    taken = fence(generations, LIST)
    generations.begin([LIST]).close(has_changed=False)
    assert taken.holds()


def test_no_fence_is_given_over_an_open_write_until_the_last_one_is_over(generations: Generations) -> None:
    first, second = generations.begin([ROW]), generations.begin([ROW])
    assert generations.fence([ROW]) is None
    first.close()
    first.close()
    assert generations.fence([ROW]) is None, "closing twice counts once"
    second.close()
    assert generations.fence([ROW]) is not None
    generations.check_invariants()


def test_a_soft_announcement_lets_serve_and_breaks_at_its_end(generations: Generations) -> None:
    taken = fence(generations, LIST)
    write = generations.begin([LIST], is_open=False)
    assert taken.holds()
    assert generations.fence([LIST]) is not None
    write.close()
    assert taken.standing() is Standing.BROKEN


def test_a_lost_write_is_in_doubt_for_its_time_and_no_longer(
    generations: Generations, clock: ManualClock
) -> None:
    taken = fence(generations, LIST)
    generations.begin([LIST]).lose(300.0)
    assert taken.standing() is Standing.BROKEN
    clock.advance(299.9)
    assert generations.fence([LIST]) is None
    assert generations.fence([OTHER]) is not None
    clock.advance(0.2)
    assert generations.fence([LIST]) is not None
    assert generations.doubts == 0


def test_a_second_loss_prolongs_the_doubt_and_a_shorter_one_does_not_end_it(
    generations: Generations, clock: ManualClock
) -> None:
    generations.begin([LIST]).lose(300.0)
    clock.advance(200)
    generations.begin([LIST]).lose(300.0)
    generations.begin([LIST]).lose(1.0)
    clock.advance(200)
    assert generations.fence([LIST]) is None
    generations.end_doubts()
    assert generations.fence([LIST]) is not None


def test_beyond_so_many_doubts_everything_is_in_doubt(
    generations: Generations, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DOUBTS_KEPT", 2)
    for number in range(3):
        generations.begin([record("posts", str(number))]).lose(300.0)
    assert generations.fence([any_row("users")]) is None
    clock.advance(300.1)
    assert generations.fence([any_row("users")]) is not None


def test_everything_breaks_every_fence(generations: Generations) -> None:
    taken = fence(generations)
    generations.move_everything()
    assert taken.standing() is Standing.BROKEN


def test_a_fence_is_extended_by_what_did_not_move_since_it_was_taken(generations: Generations) -> None:
    taken = fence(generations, LIST)
    generations.move([OTHER])
    assert taken.extend([ROW])
    generations.move([ROW])
    assert taken.standing() is Standing.BROKEN


@pytest.mark.parametrize("is_open", [False, True])
def test_a_fence_is_not_extended_by_what_moved_or_is_being_written(
    generations: Generations, is_open: bool
) -> None:
    taken = fence(generations, LIST)
    write = generations.begin([ROW])
    if not is_open:
        write.close()
    assert not taken.extend([ROW])
    assert taken.standing() is Standing.BROKEN


def test_a_fence_older_than_what_is_remembered_is_not_extended(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOVES_KEPT", 2)
    taken = fence(generations, LIST)
    for number in range(3):
        generations.move([record("posts", str(number))])
    assert not taken.extend([ROW])
    assert fence(generations, LIST).extend([ROW])
    generations.check_invariants()


def test_moves_are_remembered_only_while_something_is_fetched(generations: Generations) -> None:
    generations.move([ROW])
    assert not generations._last_moves
    taken = fence(generations, LIST)
    generations.move([ROW])
    assert generations._last_moves
    taken.fetched()
    taken.fetched()
    assert not generations._last_moves
    generations.check_invariants()


def test_tags_that_nobody_is_interested_in_take_no_memory(generations: Generations) -> None:
    before = len(generations)
    for number in range(100):
        row = record("posts", str(number))
        generations.move([row])
        generations.begin([row]).close()
        fence(generations, row).fetched()
    gc.collect()
    assert len(generations) == before


def test_a_fence_over_what_the_answer_turned_out_not_to_need_holds(generations: Generations) -> None:
    taken = fence(generations, ROW, LIST)
    generations.move([LIST])
    assert taken.standing() is Standing.BROKEN
    taken.waive({LIST})
    assert taken.holds()
    generations.move([LIST])
    assert taken.holds()
    generations.move([ROW])
    assert taken.standing() is Standing.BROKEN


def test_a_waived_tag_that_the_answer_names_after_all_counts(generations: Generations) -> None:
    taken = fence(generations, ROW, LIST)
    generations.move([LIST])
    taken.waive({LIST})
    assert not taken.extend([LIST]), "it moved since the fetch began"
    assert taken.standing() is Standing.BROKEN


def test_a_tag_whose_doubt_ended_during_the_fetch_is_not_taken(
    generations: Generations, clock: ManualClock
) -> None:
    generations.begin([ROW]).lose(300.0)
    taken = fence(generations, LIST)
    clock.advance(301.0)
    assert not taken.extend([ROW]), "the lost write may have landed after PocketBase read the row"
    assert taken.standing() is Standing.BROKEN


def test_nor_is_one_whose_doubt_a_restart_ended(generations: Generations) -> None:
    generations.begin([ROW]).lose(300.0)
    taken = fence(generations, LIST)
    generations.end_doubts()
    assert not taken.extend([ROW])
    assert fence(generations, ROW).holds()
