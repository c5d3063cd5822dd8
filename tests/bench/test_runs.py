"""What a benchmark builds of Hapta's own parts still fits: each runs once, as small as it can be."""

import asyncio
from pathlib import Path

import pytest

from bench import guards, hooks, limits, notes, sessions, uploads, workers
from bench.plan import Plan
from bench.pocketbase import pocketbase


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """One round of next to nothing."""
    return Plan(tmp_path, runs=1, seconds=0.01, streams=2)


def test_the_steps_of_a_session_can_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_LOOPS", 3)
    monkeypatch.setattr(sessions, "_FIRST_SIGHTS", 3)
    steps = asyncio.run(sessions.in_process())
    assert set(steps) == {"remembered", "first sight", "made up", "minted"}
    assert all(microseconds > 0 for microseconds in steps.values())


@pytest.mark.all_modes
def test_a_round_of_sessions_runs_to_its_tables(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_LOOPS": 3, "_FIRST_SIGHTS": 3, "_LOGINS": 1, "_OTHERS": 2, "_SETTLE_S": 0}.items():
        monkeypatch.setattr(sessions, name, value)
    section = sessions.measure(plan)
    assert "| by a session at first sight: rows read, token proved |" in section.tables
    assert section.runs[0]["sessions"] == 10


def test_every_way_to_limit_can_be_measured(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESSES", 2000)
    monkeypatch.setattr(limits, "_REPEAT", 1)
    section = limits.measure(plan)
    assert {run["what"] for run in section.runs} > set(limits._ways())
    assert "| Hapta: a request, three limits |" in section.tables


def test_a_round_of_workers_runs_to_its_tables(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_ROUND_TRIPS", 3)
    monkeypatch.setattr(workers, "_LARGE_TRIPS", 3)
    section = workers.measure(plan)
    assert "| a job's way | µs |" in section.tables
    assert "| heavy jobs run in workers |" in section.tables
    assert all(run["value"] >= 0 for run in section.runs)


def test_a_write_can_be_measured_whatever_the_hooks_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "_CALLS", 3)
    monkeypatch.setattr(guards, "_REPEAT", 1)
    costs = asyncio.run(guards.in_process())
    assert costs["ten validate hooks"] > costs["no hook anywhere"]


@pytest.mark.all_modes
def test_reads_beside_hooks_that_work_hard_can_be_measured(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_WRITE_EVERY_S", 0.01)
    with pocketbase(plan.home) as upstream:
        notes.make(upstream)
        runs = list(hooks._reads(plan, upstream))
    assert [run.what for run in runs] == [hooks.IDLE, hooks.LIGHT, hooks.OFFLOADED, hooks.INLINE]
    assert all(0 < run.value <= run.further for run in runs)


@pytest.mark.all_modes
def test_a_round_of_uploads_runs_to_its_tables(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"_SIZES": {"256 KiB": 2**18}, "_LARGE_BYTES": 2**20, "_PHOTO": (64, 48), "_PHOTOS": 1}
    for name, value in small.items():
        monkeypatch.setattr(uploads, name, value)
    section = uploads.measure(plan)
    assert "| 256 KiB: Hapta, a validate hook |" in section.tables
    assert "| a JPEG of 0 megapixels: Hapta, images made anew |" in section.tables
    assert "while a file of 1 MiB passes." in section.tables
