"""Processes on rows in memory; after every test their memories are looked over."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hapta.config import SessionsConfig
from hapta.identity import writing
from hapta.model.clock import ManualClock
from tests.support.session_double import Database, Process

MakeProcess = Callable[..., Process]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes are tried again at once."""
    monkeypatch.setattr(writing, "_RETRY_S", (0.0, 0.0, 0.0, 0.0))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
async def make_process(database: Database, clock: ManualClock) -> AsyncIterator[MakeProcess]:
    """``make_process(max_remembered=3)``: one Hapta; settings are those of ``[sessions]``."""
    made: list[Process] = []

    def make(*, ring: Any = None, **settings: Any) -> Process:
        rings = {} if ring is None else {"ring": ring}
        process = Process(database, clock, config=SessionsConfig(**settings), **rings)
        made.append(process)
        return process

    yield make
    for process in made:
        await process.settle()
        process.keeper._known.check_invariants()
        await process.stop()


@pytest.fixture
async def process(make_process: MakeProcess) -> Process:
    """One Hapta."""
    return make_process()
