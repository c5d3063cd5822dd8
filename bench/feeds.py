"""What :class:`hapta.app.ranker.Ranker` takes for an order, in process and in the pool, and for how long the
event loop stays away meanwhile.

Quality, and the formulas alone, are measured by ``hapta bench --feeds``.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import uvloop

from bench.plan import Plan, Section
from bench.statistics import Spread, table
from hapta.app.ranker import Ranker
from hapta.config import WorkersConfig
from hapta.ranking.arena import Arena, Block
from hapta.ranking.columns import columns_of, features_of
from hapta.ranking.features import Caller, Features, Recipe
from hapta.ranking.shared import SharedArena
from hapta.workers.pool import WorkerPool

ROWS = (10_000, 100_000, 1_000_000)
NOW = 1_790_000_000.0
SIGNALS = ("likes", "comments", "reposts")
_SPAN_S = 30 * 86_400.0
_TICK_S = 0.0005
_SHOWN = ("p50_ms", "p99_ms", "longest_tick_ms", "per_s")


class DrawnTable:
    """A table of rows drawn from a seed, spread over thirty days, with a few likes for most and many for
    few; it stands in for a :class:`hapta.ranking.table.FeatureTable`."""

    def __init__(self, arena: Arena, rows: int, seed: int = 1, capacity: int = 0) -> None:
        self.spec = SimpleNamespace(name="drawn")
        self.length = rows
        self.block: Block = arena.allocate(columns_of(SIGNALS, 2), capacity or rows)
        random, arrays = np.random.default_rng(seed), self.block.arrays
        arrays["created"][:rows] = NOW - random.uniform(0, _SPAN_S, rows)
        arrays["author"][:rows] = random.integers(0, max(1, rows // 20), rows)
        arrays["is_candidate"][:rows] = random.random(rows) < 0.98
        arrays["pinned"][:rows] = random.random(rows) < 2 / max(rows, 2)
        arrays["topics"][:rows] = random.integers(-1, 50, (rows, 2))
        for name in SIGNALS:
            arrays[f"signal.{name}"][:rows] = random.zipf(1.8, rows).clip(0, 100_000) - 1

    def features(self) -> Features:
        return features_of(self.block.arrays, self.length)

    def caller(self, number: int) -> Caller:
        """Somebody with ties to some; the same for the same number."""
        random = np.random.default_rng([number, self.length])
        authors = max(1, self.length // 20)
        return Caller(
            own=int(random.integers(authors)),
            followed=random.integers(0, authors, 100).astype(np.int32),
            hidden_authors=random.integers(0, authors, 5).astype(np.int32),
            hidden=random.integers(0, self.length, 5).astype(np.int32),
            seen=random.integers(0, self.length, min(self.length, 500)).astype(np.int32),
            authors=np.arange(min(authors, 50), dtype=np.int32),
            author_affinity=random.uniform(-1, 1, min(authors, 50)).astype(np.float32),
            topics=np.arange(10, dtype=np.int32),
            topic_affinity=random.uniform(-1, 1, 10).astype(np.float32),
            visible=random.random(self.length) < 0.95,
        )


@dataclass(frozen=True, slots=True)
class RankerFigures:
    """Of one size of table and one way; milliseconds.

    Attributes:
        rows: slots of the table.
        where: ``process`` or ``pool``.
        p50_ms, p99_ms: of orders asked for one after the other.
        longest_tick_ms: the longest the loop was away while all were asked for at once.
        per_s: orders a second, all asked for at once.
    """

    rows: int
    where: str
    p50_ms: float
    p99_ms: float
    longest_tick_ms: float
    per_s: float


class _Nobody:
    """Is told, and forgets."""

    def info(self, event: str, **fields: object) -> None: ...

    warning = error = info

    def job_ended(self, outcome: str, seconds: float | None) -> None: ...

    def ranked(self, where: str, outcome: str, seconds: float) -> None: ...


@contextlib.asynccontextmanager
async def rankers(workers: int = 1) -> AsyncIterator[tuple[Ranker, Ranker]]:
    """One that ranks everything in process, and one that ranks everything in the pool, warm."""
    nobody = _Nobody()
    config = WorkersConfig(max_jobs=1_000_000, max_queue=1000)
    pool = WorkerPool(config, count=workers, environ=os.environ, events=nobody, meter=nobody)
    pooled = Ranker(pool, events=nobody, meter=nobody, in_process=0)
    try:
        await pooled.start()
        yield Ranker(pool, events=nobody, meter=nobody, in_process=2**62), pooled
    finally:
        await pool.stop()


async def measured(
    rows: int, *, recipe: Recipe, rankings: int = 100, workers: int = 1
) -> list[RankerFigures]:
    """Rank a table of so many rows, in process and in the pool in turns."""
    arena = SharedArena()
    table = DrawnTable(arena, rows)
    callers = [table.caller(number) for number in range(rankings)]
    try:
        async with rankers(workers) as (process, pooled):
            ways = {"process": process, "pool": pooled}
            took: dict[str, list[float]] = {where: [] for where in ways}

            def ask(ranker: Ranker, caller: Caller) -> Awaitable[Any]:
                return ranker.rank(table, caller, recipe, NOW, deadline_s=600.0)

            for ranker in ways.values():
                await ask(ranker, callers[0])
            for caller in callers:
                for where, ranker in ways.items():
                    began = perf_counter()
                    await ask(ranker, caller)
                    took[where].append(perf_counter() - began)
            found = []
            for where, ranker in ways.items():
                asks = [partial(ask, ranker, caller) for caller in callers]
                longest, seconds = await _at_once(asks)
                p50, p99 = (float(np.percentile(took[where], q)) * 1e3 for q in (50, 99))
                found.append(RankerFigures(rows, where, p50, p99, longest * 1e3, rankings / seconds))
            return found
    finally:
        arena.close()


async def _at_once(asks: Sequence[Callable[[], Awaitable[Any]]]) -> tuple[float, float]:
    """The longest the loop was away while all run, and how long they took."""
    began = last = perf_counter()
    longest = 0.0
    working = asyncio.gather(*(ask() for ask in asks))
    while not working.done():
        await asyncio.sleep(_TICK_S)
        now = perf_counter()
        last, longest = now, max(longest, now - last - _TICK_S)
    await working
    return longest, perf_counter() - began


def measure(plan: Plan) -> Section:
    """Rank tables of three sizes, and make the tables."""
    recipe = Recipe("for_you", spacing=2, seen="lower")
    runs: list[dict[str, Any]] = []
    for number in range(plan.runs):
        for rows in ROWS:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found = runner.run(measured(rows, recipe=recipe, rankings=30 if plan.is_quick else 100))
            for figures in found:
                plan.say(f"feeds, round {number + 1}: {figures}")
                runs.append({"round": number, **asdict(figures)})
    return Section("feeds", render(runs), runs)


def render(runs: list[dict[str, Any]]) -> str:
    """The table, one line for each size and way."""
    lines = []
    for rows, where in dict.fromkeys((run["rows"], run["where"]) for run in runs):
        of_line = [run for run in runs if (run["rows"], run["where"]) == (rows, where)]
        shown = [Spread.of(run[name] for run in of_line).shown(2) for name in _SHOWN]
        lines.append([f"{rows:,}", where, *shown])
    head = ["rows", "ranked in", "p50, ms", "p99, ms", "loop away at most, ms", "orders a second"]
    return table(head, lines)
