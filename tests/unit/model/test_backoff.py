"""hapta.model.backoff"""

from hapta.model.backoff import LONGEST_WAIT_S, STEADY_AFTER_S, Backoff


def test_the_first_restart_is_immediate_and_later_ones_double_up_to_ten_seconds() -> None:
    backoff = Backoff()
    assert [backoff.wait_s(0.1) for _ in range(9)] == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_the_wait_stays_at_its_longest_however_often_the_child_ends() -> None:
    backoff = Backoff()
    assert [backoff.wait_s(0.0) for _ in range(5000)][-1] == LONGEST_WAIT_S


def test_a_child_that_served_steadily_is_restarted_at_once_again() -> None:
    backoff = Backoff()
    for _ in range(6):
        backoff.wait_s(0.0)
    assert backoff.wait_s(STEADY_AFTER_S) == 0.0
    assert backoff.wait_s(STEADY_AFTER_S - 0.1) == 0.25
