"""What a job costs that runs in a worker: the way there and back, the start and memory of a worker; and what
it spares everybody else: how long the event loop stays away while heavy jobs run.

Functions of Python itself are run, so that a worker's memory is its own. Beside heavy jobs in workers the
same ones on the loop and in threads.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import asdict, dataclass

import uvloop

from bench import proc
from bench.plan import Plan, Section
from bench.statistics import Spread, table
from hapta.config import WorkersConfig
from hapta.workers.count import worker_count
from hapta.workers.pool import WorkerPool

_MIB = 1024 * 1024
_ROUND_TRIPS, _LARGE_TRIPS = 1000, 60
_HEAVY = range(200_000)
"""Its variance takes some 30 ms, in Python."""
_TICK_S = 0.001


@dataclass(frozen=True, slots=True)
class Run:
    """One round of one thing."""

    round: int
    table: str
    what: str
    value: float


class _Nobody:
    """Is told, and forgets."""

    def info(self, event: str, **fields: object) -> None: ...

    warning = error = info

    def job_ended(self, outcome: str, seconds: float | None) -> None: ...


def measure(plan: Plan) -> Section:
    """Run everything, and make the tables."""
    runs = []
    for number in range(plan.runs):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for name, values in runner.run(_round(plan.seconds)).items():
                for what, value in values.items():
                    plan.say(f"workers, round {number + 1}: {what}: {value:,.2f}")
                    runs.append(Run(number, name, what, value))
    return Section("workers", render(runs), [asdict(run) for run in runs])


def render(runs: list[Run]) -> str:
    """The tables, in the order of the first round."""
    tables = []
    for name in dict.fromkeys(run.table for run in runs):
        of_table = [run for run in runs if run.table == name]
        rows = [
            [what, Spread.of(run.value for run in of_table if run.what == what).shown(2)]
            for what in dict.fromkeys(run.what for run in of_table)
        ]
        tables.append(table(name.split(" | "), rows))
    return "\n\n".join(tables)


async def _round(seconds: float) -> dict[str, dict[str, float]]:
    began = time.perf_counter()
    pool = _pool(1)
    await pool.start()
    start_ms = (time.perf_counter() - began) * 1e3
    try:
        fresh = proc.rss_bytes(pool.pids) / _MIB
        empty = await _trips(lambda: pool.run(abs, 0), _ROUND_TRIPS)
        there = await _trips(lambda: pool.run(len, bytes(_MIB)), _LARGE_TRIPS)
        data = os.urandom(_MIB)
        both = await _trips(lambda: pool.run(copy, data), _LARGE_TRIPS)
    finally:
        await pool.stop()
    return {
        "a job's way | µs": {
            "there and back, p50": _percentile(empty, 50) * 1e6,
            "there and back, p99": _percentile(empty, 99) * 1e6,
            "with 1 MiB there, p50": _percentile(there, 50) * 1e6,
            "with 1 MiB there, p99": _percentile(there, 99) * 1e6,
            "with 1 MiB there and back, p50": _percentile(both, 50) * 1e6,
            "with 1 MiB there and back, p99": _percentile(both, 99) * 1e6,
        },
        "a worker | median (least–greatest)": {
            "ready after, ms": start_ms,
            "resident, MiB": fresh,
        },
        "the loop comes late by, p99, while | ms": await _delays(seconds),
    }


def _pool(count: int) -> WorkerPool:
    nobody, config = _Nobody(), WorkersConfig(max_jobs=1_000_000)
    return WorkerPool(config, count=count, environ=os.environ, events=nobody, meter=nobody)


async def _trips(trip: Callable[[], Awaitable[object]], count: int) -> list[float]:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await trip()
        took.append(time.perf_counter() - began)
    return took


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


async def _delays(seconds: float) -> dict[str, float]:
    """With one heavy job after the other, in as many lines as there are workers by default."""
    count = worker_count(WorkersConfig(), 0)
    pool = _pool(count)
    await pool.start()
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "nothing else happens": lambda: asyncio.sleep(_TICK_S),
        "heavy jobs run in workers": lambda: pool.run(statistics.variance, _HEAVY),
        "in threads": lambda: asyncio.to_thread(statistics.variance, _HEAVY),
        "on the loop itself": _inline,
    }
    try:
        return {what: await _delay_ms(way, count, seconds) for what, way in ways.items()}
    finally:
        await pool.stop()


async def _inline() -> None:
    statistics.variance(_HEAVY)
    await asyncio.sleep(0)


async def _delay_ms(way: Callable[[], Awaitable[object]], count: int, seconds: float) -> float:
    ends_at = time.perf_counter() + seconds
    await way()  # what a first one imports is not counted

    async def work() -> None:
        while time.perf_counter() < ends_at:
            await way()

    working = asyncio.gather(*(work() for _ in range(count)))
    late = []
    while not working.done():
        due = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        late.append(max(0.0, time.perf_counter() - due))
    await working
    return _percentile(late, 99) * 1e3
