"""Pools of real processes; after each test nothing of them is left."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hapta.config import WorkersConfig
from hapta.workers.needs import OUTCOMES, RESTART_REASONS
from hapta.workers.pool import WorkerPool


class Told:
    """What the pool told: events, and how jobs ended."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self.outcomes: Counter[str] = Counter()
        self.seconds: list[float | None] = []

    def info(self, event: str, **fields: object) -> None:
        self.events.append((event, fields))

    warning = error = info

    def job_ended(self, outcome: str, seconds: float | None) -> None:
        assert outcome in OUTCOMES
        self.outcomes[outcome] += 1
        self.seconds.append(seconds)

    def named(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.events if name == event]


MakePool = Callable[..., WorkerPool]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def make_pool(told: Told) -> AsyncIterator[MakePool]:
    """``make_pool(count=2, max_queue=3)``: any key of ``[workers]``; and ``environ``."""
    made = []

    def make(count: int = 2, environ: Any = os.environ, **keys: Any) -> WorkerPool:
        pool = WorkerPool(WorkersConfig(**keys), count=count, environ=environ, events=told, meter=told)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pids = pool.pids
        await pool.stop()
        assert (pool.pids, pool.running, pool.waiting, pool.alive) == ([], 0, 0, 0)
        assert [pid for pid in pids if is_alive(pid)] == []
        assert set(pool.restarts) <= set(RESTART_REASONS)


@pytest.fixture
async def pool(make_pool: MakePool) -> WorkerPool:
    """Two workers, ready."""
    pool = make_pool()
    await pool.start()
    return pool


def is_alive(pid: int) -> bool:
    """Is there such a process, and not only what a parent has yet to take note of?"""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[stat.rindex(")") + 2] != "Z"


async def until(holds: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    """Let the loop go on until ``holds()``."""
    ends_at = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < ends_at, f"not within {timeout_s:g} s: {what}"
        await asyncio.sleep(0.005)
