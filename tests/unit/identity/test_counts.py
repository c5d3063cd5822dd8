"""hapta.identity.counts: what the keeper counts, and what the metrics show of it."""

import re

import pytest

from hapta.identity.needs import SessionEnded
from hapta.model.clock import ManualClock
from hapta.observe.metrics import Metrics
from tests.support.session_double import USERS, Process
from tests.unit.identity.conftest import MakeProcess

OVERLAP_S = 20.0


async def refused(process: Process, token: str) -> None:
    with pytest.raises(SessionEnded):
        await process.who(token)


def shown(process: Process) -> dict[str, float]:
    """The metrics about sessions, by name and label."""
    metrics = Metrics()
    metrics.sessions.follow(process.keeper)
    lines = re.findall(
        r"^hapta_((?:sessions|token|replays)\w*(?:\{\w+=\"\w+\"\})?) ([0-9.]+)$",
        metrics.render().decode(),
        re.MULTILINE,
    )
    return {name: float(value) for name, value in lines}


async def test_a_check_is_counted_by_what_it_took(make_process: MakeProcess) -> None:
    maker, process = make_process(), make_process()
    token = await maker.login()
    await process.who(token)
    for _ in range(3):
        process.keeper.recall(token)
    process.keeper.identity_changed(USERS, "ada")
    await process.who(token)
    counts = process.keeper.counts
    assert (counts.rows, counts.memory, counts.proof, counts.refused) == (1, 3, 1, 0)


async def test_an_ended_session_is_counted_once_with_its_reason_and_each_refusal(process: Process) -> None:
    token = await process.login()
    identity = await process.who(token)
    assert identity is not None
    assert identity.session is not None
    await process.keeper.end(identity.session, "logout")
    for _ in range(2):
        await refused(process, token)
    assert process.keeper.counts.ended == {"logout": 1}
    assert process.keeper.counts.refused == 2


async def test_ending_what_does_not_exist_counts_nothing(process: Process) -> None:
    await process.keeper.end("aaaaaaaaaaaaaaa", "logout")
    assert +process.keeper.counts.ended == {}


async def test_a_replay_is_counted_as_one(process: Process, clock: ManualClock) -> None:
    old = await process.login()
    await process.who(await process.refresh(old))
    clock.advance(OVERLAP_S)
    for _ in range(3):
        await refused(process, old)
    counts = process.keeper.counts
    assert (counts.replays, counts.ended, counts.refused) == (1, {"replay": 1}, 3)


async def test_the_metrics_show_what_was_counted(process: Process, clock: ManualClock) -> None:
    old = await process.login()
    await process.who(await process.refresh(old))
    clock.advance(OVERLAP_S)
    await refused(process, old)
    counts = process.keeper.counts
    assert shown(process) == {
        "sessions_remembered": 1.0,
        'token_checks_total{how="memory"}': float(counts.memory),
        'token_checks_total{how="rows"}': float(counts.rows),
        'token_checks_total{how="proof"}': float(counts.proof),
        'token_checks_total{how="refused"}': 1.0,
        "replays_total": 1.0,
        'sessions_ended_total{reason="replay"}': 1.0,
    }


def test_nothing_is_shown_where_nobody_keeps_sessions() -> None:
    text = Metrics().render().decode()
    assert "# TYPE hapta_sessions_remembered gauge" in text
    assert not re.search(r"^hapta_(sessions|replays|token)", text, re.MULTILINE)
