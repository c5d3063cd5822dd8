"""Guesses are slowed down, and nobody is kept out by somebody else's."""

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hapta.config import LoginConfig
from hapta.limits.keys import address_key
from hapta.limits.logins import Admission, LoginGuard, Try, normalised
from hapta.limits.whereabouts import COUNTS_S, Whereabouts
from hapta.model.clock import ManualClock

GO = Admission()
HOME = address_key(ip_address("192.0.2.7"))


def elsewhere(number: int) -> int:
    return address_key(ip_address(f"198.51.{number}.1"))


class Guarded:
    """A guard, its clock, and tries at one account."""

    def __init__(self, **config: object) -> None:
        self.clock = ManualClock()
        self.guard = LoginGuard(LoginConfig(**config), self.clock)  # type: ignore[arg-type]

    def attempt(self, address: int = HOME, name: str = "ada@example.com", *, is_exempt: bool = False) -> Try:
        account = self.guard.account("users", name)
        return self.guard.attempt(account, address, is_exempt=is_exempt)

    def fail(self, attempt: Try, times: int = 1) -> None:
        """Guess wrong, each time as soon as it may be tried."""
        for _ in range(times):
            while not (admission := self.guard.admit(attempt)).is_admitted:
                self.clock.advance(admission.retry_after_s or admission.ask_again_s)
            self.clock.advance(admission.wait_s)
            self.guard.failed(attempt)


def test_after_some_failures_a_network_waits_twice_as_long_each_time() -> None:
    guarded = Guarded(failures=3, lock_s=10, max_lock_s=50)
    attempt, waits = guarded.attempt(), []
    for _ in range(7):
        admission = guarded.guard.admit(attempt)
        waits.append(admission.retry_after_s)
        if admission.retry_after_s:
            guarded.clock.advance(admission.retry_after_s)
            assert guarded.guard.admit(attempt).is_admitted
        guarded.guard.failed(attempt)
    assert waits == [0, 0, 0, 10, 20, 40, 50]


@pytest.mark.parametrize("name", ["ADA@example.com", " ada@example.com", "ａｄａ@example.com"])
def test_an_account_written_differently_is_the_same_account(name: str) -> None:
    guarded = Guarded(failures=2)
    guarded.fail(guarded.attempt(), 2)
    assert guarded.guard.admit(guarded.attempt(name=name)).retry_after_s > 0


def test_other_accounts_of_the_same_network_go_on() -> None:
    guarded = Guarded(failures=2)
    guarded.fail(guarded.attempt(), 2)
    assert guarded.guard.admit(guarded.attempt(name="ben@example.com")) == GO


def test_a_network_that_never_failed_waits_for_its_turn_and_no_longer() -> None:
    guarded = Guarded(failures=2)
    for number in range(20):
        guarded.fail(guarded.attempt(elsewhere(number)), 2)
    own = guarded.attempt()
    admission = guarded.guard.admit(own)
    assert admission.is_admitted
    assert admission.wait_s <= 2
    guarded.guard.succeeded(own)


def test_who_guessed_before_never_stands_in_the_line_of_the_owner() -> None:
    guarded = Guarded(failures=2, lock_s=0.001, max_lock_s=0.001, pace_s=2)
    guessers = [guarded.attempt(elsewhere(number)) for number in range(50)]
    for guesser in guessers:
        guarded.fail(guesser, 2)
    for _ in range(20):
        for guesser in guessers:
            guarded.guard.admit(guesser)
        admission = guarded.guard.admit(guarded.attempt())
        assert admission.is_admitted
        assert admission.wait_s <= 4
        guarded.guard.succeeded(guarded.attempt())
        guarded.clock.advance(7)


def test_an_account_sees_one_try_in_two_seconds_from_however_many_networks() -> None:
    guarded = Guarded(failures=5)
    admitted = 0
    for second in range(600):
        for number in range(50):
            attempt = guarded.attempt(elsewhere((second * 50 + number) % 256))
            admission = guarded.guard.admit(attempt)
            if admission.is_admitted:
                admitted += 1
                guarded.guard.failed(attempt)
        guarded.clock.advance(1)
    assert admitted <= 5 + 300 + 3


def test_a_network_with_a_living_session_is_not_locked_whatever_happened_there() -> None:
    guarded = Guarded(failures=2, max_lock_s=900)
    guarded.fail(guarded.attempt(), 6)
    assert guarded.guard.admit(guarded.attempt()).retry_after_s > 60
    exempt = guarded.attempt(is_exempt=True)
    for _ in range(10):
        admission = guarded.guard.admit(exempt)
        assert admission.is_admitted
        assert admission.wait_s <= 2
        guarded.guard.failed(exempt)
        guarded.clock.advance(2)


def test_a_network_with_a_living_session_does_not_stand_in_the_common_line() -> None:
    guarded = Guarded(failures=2)
    for number in range(10):
        guarded.fail(guarded.attempt(elsewhere(number)), 2)
    assert guarded.guard.admit(guarded.attempt(elsewhere(100))).is_admitted
    assert guarded.guard.admit(guarded.attempt(elsewhere(101))).wait_s > 0
    assert guarded.guard.admit(guarded.attempt(is_exempt=True)) == GO


def test_many_at_once_gain_nothing_over_one_after_the_other() -> None:
    guarded = Guarded(failures=5)
    tries = [guarded.guard.admit(guarded.attempt()) for _ in range(100)]
    assert sum(admission.is_admitted for admission in tries) == 5
    assert all(admission.ask_again_s > 0 for admission in tries[5:])
    for _ in range(5):
        guarded.guard.failed(guarded.attempt())
    assert guarded.guard.admit(guarded.attempt()).retry_after_s > 0


def test_many_at_once_that_are_right_all_come_through() -> None:
    guarded = Guarded(failures=5)
    for _ in range(20):
        batch = [guarded.guard.admit(guarded.attempt()) for _ in range(5)]
        assert batch == [GO] * 5
        for _ in range(5):
            guarded.guard.succeeded(guarded.attempt())
    assert len(guarded.guard) == 0


def test_a_success_forgives_its_own_network_only() -> None:
    guarded = Guarded(failures=3)
    guarded.fail(guarded.attempt(elsewhere(1)), 3)
    guarded.fail(guarded.attempt(), 2)
    guarded.clock.advance(2)
    assert guarded.guard.admit(guarded.attempt()).is_admitted
    guarded.guard.succeeded(guarded.attempt())
    guarded.clock.advance(2)
    guarded.fail(guarded.attempt(), 2)
    guarded.clock.advance(2)
    assert guarded.guard.admit(guarded.attempt()).is_admitted
    assert guarded.guard.admit(guarded.attempt(elsewhere(1))).retry_after_s > 0


def test_what_ends_without_a_verdict_counts_as_nothing() -> None:
    guarded = Guarded(failures=2)
    for _ in range(50):
        assert guarded.guard.admit(guarded.attempt()) == GO
        guarded.guard.ended(guarded.attempt())
    assert len(guarded.guard) == 0


def test_failures_are_forgotten_after_a_while() -> None:
    guarded = Guarded(failures=2, forget_s=100, lock_s=10)
    guarded.fail(guarded.attempt(), 2)
    guarded.clock.advance(101)
    assert guarded.guard.admit(guarded.attempt()) == GO
    guarded.guard.failed(guarded.attempt())
    assert guarded.guard.admit(guarded.attempt()) == GO


def test_a_million_made_up_accounts_take_no_more_than_their_share() -> None:
    guarded = Guarded(max_accounts=1000)
    for number in range(5000):
        guarded.fail(guarded.attempt(name=f"nobody{number}" * 100))
    assert len(guarded.guard) == 2000


def test_a_one_time_code_counts_for_the_account_it_was_sent_to() -> None:
    guarded = Guarded(failures=2)
    guarded.fail(guarded.attempt(), 2)
    guard = guarded.guard
    guard.code_sent("users", "code1", guard.account("users", "ada@example.com"))
    of_code = guard.attempt(guard.account_of_code("users", "code1"), HOME, is_exempt=False)
    assert guard.admit(of_code).retry_after_s > 0
    unknown = guard.attempt(guard.account_of_code("users", "code2"), HOME, is_exempt=False)
    assert guard.admit(unknown) == GO


def test_what_is_learnt_of_an_account_holds_for_the_same_letters_only() -> None:
    guard = Guarded().guard
    guard.learn(guard.account("users", "Ada"), "attacker")
    assert guard.record_of(guard.account("users", "Ada")) == "attacker"
    assert guard.record_of(guard.account("users", "ada")) is None


@settings(deadline=None)  # on a busy machine
@given(st.text(max_size=40))
def test_any_text_is_an_account(identity: str) -> None:
    guard = Guarded().guard
    assert guard.account("users", identity).key == guard.account("users", normalised(identity)).key


def test_a_session_counts_where_it_was_used_while_it_lives() -> None:
    clock, ended = ManualClock(), set[str]()
    places = Whereabouts(100, clock, ended.__contains__)
    places.seen("users", "ada", "s1", HOME)
    neighbour, stranger = HOME + 1, elsewhere(1)
    assert places.has_session("users", "ada", neighbour)
    assert not places.has_session("users", "ada", stranger)
    assert not places.has_session("users", "ben", HOME)
    clock.advance(COUNTS_S + 1)
    assert not places.has_session("users", "ada", HOME)
    places.seen("users", "ada", "s1", HOME)
    ended.add("s1")
    assert not places.has_session("users", "ada", HOME)
    assert len(places) == 0
