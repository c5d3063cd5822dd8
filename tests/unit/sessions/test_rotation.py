"""Which generation counts: a table of cases, then any course of events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.sessions.rotation import Generation, Session, Verdict

OVERLAP_S = 20.0
START, EXP = 1_700_000_000.0, 2_000_000_000


def session(*first_used: float | None, ended: str = "", forgotten: int = 0) -> Session:
    """Generations 1, 2 …, with the seconds after ``START`` they were first used; the first ``forgotten`` of
    them are not there."""
    generations = {
        number: Generation(
            number, f"token {number}", START, 2_000_000_000, None if at is None else START + at
        )
        for number, at in enumerate(first_used, start=1)
        if number > forgotten
    }
    return Session("abcdefghijklmno", "users", "ada", "salt", True, generations, ended)


@pytest.mark.parametrize(
    ("known", "generation", "at", "expected"),
    [
        pytest.param(session(0), 1, 0, Verdict.ACCEPT, id="the only one"),
        pytest.param(session(0), 2, 0, Verdict.UNKNOWN, id="one nobody made"),
        pytest.param(session(0, None), 1, 1e6, Verdict.ACCEPT, id="old, the new one unused: answer lost"),
        pytest.param(session(0, None), 2, 1e6, Verdict.ACCEPT, id="new and unused"),
        pytest.param(session(0, 5), 1, 24.999, Verdict.ACCEPT, id="within the overlap"),
        pytest.param(session(0, 5), 1, 25, Verdict.REPLAY, id="at its very end"),
        pytest.param(session(0, 5), 1, 4, Verdict.ACCEPT, id="clocks apart: used in the future"),
        pytest.param(session(0, 5), 2, 1e6, Verdict.ACCEPT, id="the newest has no end"),
        pytest.param(session(0, 5, None), 1, 30, Verdict.REPLAY, id="two back"),
        pytest.param(session(0, 5, None), 2, 30, Verdict.ACCEPT, id="one back, the newest unused"),
        pytest.param(session(0, 5, 6), 1, 24, Verdict.ACCEPT, id="two back within the overlap"),
        pytest.param(session(0, 1, 2, forgotten=1), 1, 5, Verdict.ACCEPT, id="itself forgotten"),
        pytest.param(session(0, 1, 2, 3, forgotten=2), 1, 5, Verdict.REPLAY, id="its successor forgotten"),
        pytest.param(session(0, 1, 2, forgotten=2), 0, 5, Verdict.REPLAY, id="generation zero"),
        pytest.param(session(0, 1, 2), -7, 5, Verdict.REPLAY, id="a negative one"),
        pytest.param(session(0, ended="logout"), 1, 0, Verdict.ENDED, id="ended"),
        pytest.param(session(0, 5, ended="replay"), 1, 1e6, Verdict.ENDED, id="ended and retired"),
        pytest.param(session(0, ended="logout"), 2, 0, Verdict.ENDED, id="ended and unknown"),
    ],
)
def test_verdicts(known: Session, generation: int, at: float, expected: Verdict) -> None:
    assert known.judge(generation, START + at, OVERLAP_S) is expected


def test_without_overlap_the_old_one_retires_with_the_first_use_of_the_new() -> None:
    assert session(0, None).judge(1, START, 0) is Verdict.ACCEPT
    assert session(0, 5).judge(1, START + 5, 0) is Verdict.REPLAY


def test_judging_changes_nothing() -> None:
    known = session(0, None)
    known.judge(1, START, OVERLAP_S)
    assert known.generations[2].first_used_at is None


def test_only_the_first_use_counts() -> None:
    known = session(0, None)
    assert known.use(2, START + 3)
    assert not known.use(2, START + 9)
    assert known.generations[2].first_used_at == START + 3
    assert not known.use(1, START)
    assert not known.use(7, START)


def test_the_newest_generation_speaks_to_pocketbase() -> None:
    assert session(0, 1, None).newest.upstream_token == "token 3"


def test_upstream_tokens_and_salts_stand_in_no_repr() -> None:
    shown = repr(session(0, 1))
    assert "token 1" not in shown
    assert "salt" not in shown


@given(
    steps=st.lists(st.tuples(st.sampled_from(["refresh", "use", "forget"]), st.floats(0, 30)), max_size=30),
    back=st.integers(0, 5),
    overlap_s=st.sampled_from([0.0, 1.0, 20.0]),
)
def test_forgetting_changes_no_verdict(steps: list[tuple[str, float]], back: int, overlap_s: float) -> None:
    """One session forgets what it may, its twin nothing: at every moment they judge alike."""
    forgetful, twin = session(0), session(0)
    now = START
    for what, wait_s in steps:
        now += wait_s
        newest = max(twin.generations)
        if what == "refresh" and twin.generations[newest].first_used_at is not None:
            for one in (forgetful, twin):
                one.generations[newest + 1] = Generation(newest + 1, "t", now, 2_000_000_000)
        elif what == "use":
            number = max(1, newest - back)
            if twin.judge(number, now, overlap_s) is Verdict.ACCEPT:
                for one in (forgetful, twin):
                    one.use(number, now)
        else:
            for number in forgetful.forgettable(now, overlap_s):
                del forgetful.generations[number]
        for number in range(newest + 3):
            assert forgetful.judge(number, now, overlap_s) is twin.judge(number, now, overlap_s)
        assert len(forgetful.generations) >= min(2, len(twin.generations))


@given(
    waits=st.lists(st.floats(0.001, 30), min_size=1, max_size=20), overlap_s=st.sampled_from([0.0, 1.0, 20.0])
)
def test_once_retired_always_retired(waits: list[float], overlap_s: float) -> None:
    known, now = session(0), START
    retired: set[int] = set()
    for wait_s in waits:
        now += wait_s
        newest = max(known.generations)
        known.use(newest, now)
        known.generations[newest + 1] = Generation(newest + 1, "t", now, 2_000_000_000)
        verdicts = {n: known.judge(n, now, overlap_s) for n in range(1, newest + 2)}
        assert all(verdicts[n] is Verdict.REPLAY for n in retired)
        retired |= {n for n, verdict in verdicts.items() if verdict is Verdict.REPLAY}
        assert verdicts[newest + 1] is verdicts[newest] is Verdict.ACCEPT
