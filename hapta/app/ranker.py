"""Works out the order of a ranked feed: here where that is a matter of a moment, else in a worker.

The event loop has one ranking at a time and is free between two of them, so however many ask at once, nobody
waits for more than one. What goes to a worker is a job over columns that both have in memory
(:mod:`hapta.ranking.shared`); it is a function of its arguments, so one whose worker was lost is tried once
more.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from time import perf_counter
from typing import Any, Final, Protocol

import numpy as np

from hapta.app.feed_scorers import Scorer
from hapta.model.errors import Overloaded, RankingUnavailable
from hapta.ranking import job
from hapta.ranking.arena import Block
from hapta.ranking.features import Caller, Features, Ranked, Recipe
from hapta.ranking.job import RankJob
from hapta.ranking.rank import rank
from hapta.ranking.shared import SharedBlock
from hapta.workers.errors import JobError, JobFailed, JobTimedOut, NotTransferable, WorkerLost
from hapta.workers.pool import WorkerPool

IN_PROCESS: Final = 40_000
"""Up to this weight (:func:`weight`) an order is worked out on the event loop, which then is away for 2 ms at
most: for_you with spacing and depth 1000 took 0.6 ms of 1,000 rows, 0.9 of 10,000, 1.4 of 30,000 (weight
40,000), 3.3 of 100,000 and 11 of 1,000,000, medians of 100 on one core of two (bench/feeds.py). The way to
a worker and back adds 0.5 to 1 ms, a fifth of it on the loop, so below the worker would only be slower."""

_SPACED: Final = 10
"""A row that is kept apart from others weighs as much as so many that are scored."""

_WARM_WITHIN_S: Final = 30.0
_BROKEN_FOR_S: Final = 5.0
"""After which a client may ask again for what a plugin failed to score."""


class Spec(Protocol):
    """What a table says of itself."""

    @property
    def name(self) -> str: ...


class Table(Protocol):
    """The columns of a feed; a :class:`hapta.ranking.table.FeatureTable`."""

    @property
    def spec(self) -> Spec: ...
    @property
    def block(self) -> Block: ...
    @property
    def length(self) -> int: ...
    def features(self) -> Features: ...


class RankMeter(Protocol):
    """Counts; ``hapta.observe.ranking_metrics.RankingMetrics`` is one."""

    def ranked(self, where: str, outcome: str, seconds: float) -> None: ...


class EventLog(Protocol):
    """Where the operator is told."""

    def error(self, event: str, **fields: object) -> None: ...


class Ranker:
    """Works out orders.

    Args:
        pool: the workers.
        events: where the operator is told of what failed.
        meter: where orders are counted.
        in_process: weight up to which an order is worked out on the event loop.
    """

    def __init__(
        self, pool: WorkerPool, *, events: EventLog, meter: RankMeter, in_process: int = IN_PROCESS
    ) -> None:
        self._pool = pool
        self._events = events
        self._meter = meter
        self.in_process = in_process
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start the workers and have each import what it needs; worth it where a feed is large or has a
        plugin. May be called again.

        Raises:
            OperatorError: the workers do not start.
        """
        await self._pool.start()
        warming = [self._pool.run(job.warm, deadline_s=_WARM_WITHIN_S) for _ in range(self._pool.alive)]
        for outcome in await asyncio.gather(*warming, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, JobError | Overloaded):
                raise outcome  # those two: the first ranking there imports it

    def goes_to_pool(self, table: Table, recipe: Recipe) -> bool:
        """Whether ranking it would keep the event loop for too long."""
        return weight(table.length, recipe) > self.in_process

    async def rank(
        self,
        table: Table,
        caller: Caller,
        recipe: Recipe,
        now: float,
        *,
        deadline_s: float,
        plugin: Scorer | None = None,
    ) -> Ranked:
        """The order of a table's rows for one caller: of those there are now, whatever comes while it waits.

        Args:
            table: what of it a plugin scores, or is larger than a moment's work, lies in a
                :class:`~hapta.ranking.shared.SharedArena`.
            now: seconds since the epoch.
            deadline_s: seconds for all of it, the wait for a worker included.
            plugin: scores in the preset's place.

        Raises:
            Overloaded: too many wait for a worker.
            RankingUnavailable: the deadline is over, its worker was lost twice, or it failed.
        """
        if plugin is None and not self.goes_to_pool(table, recipe):
            with self._counted("process"):
                return await self._here(table, caller, recipe, now, deadline_s)
        with self._counted("pool"):
            try:
                return await self._in_pool(table, caller, recipe, now, deadline_s, plugin)
            except JobTimedOut as exc:
                if plugin is not None and exc.was_begun:
                    self._tell(table, plugin, plugin.where, f"it was not done within {deadline_s:g} s", "")
                raise
            except (JobFailed, NotTransferable) as exc:
                self._tell(table, plugin, "", str(exc), getattr(exc, "trace", ""))
                raise RankingUnavailable(_BROKEN_FOR_S) from exc

    @contextlib.contextmanager
    def _counted(self, where: str) -> Iterator[None]:
        """Count what becomes of an order, and say it in a client's terms; not of one whose client left."""
        began, outcome = perf_counter(), "done"
        try:
            yield
        except asyncio.CancelledError:
            outcome = ""
            raise
        except (JobTimedOut, TimeoutError) as exc:
            outcome = "timed_out"
            raise RankingUnavailable from exc
        except WorkerLost as exc:
            outcome = "lost"
            raise RankingUnavailable from exc
        except Exception as exc:
            is_refused = isinstance(exc, Overloaded) and not isinstance(exc, RankingUnavailable)
            outcome = "refused" if is_refused else "failed"
            raise
        finally:
            if outcome:
                self._meter.ranked(where, outcome, perf_counter() - began)

    async def _here(
        self, table: Table, caller: Caller, recipe: Recipe, now: float, deadline_s: float
    ) -> Ranked:
        features = table.features()
        async with self._turn_of_its_own(deadline_s):
            return still_there(rank(features, caller, recipe, now), table.features(), caller)

    async def _in_pool(
        self,
        table: Table,
        caller: Caller,
        recipe: Recipe,
        now: float,
        deadline_s: float,
        plugin: Scorer | None,
    ) -> Ranked:
        ends_at = asyncio.get_running_loop().time() + deadline_s
        target = None if plugin is None else plugin.target
        block, length = table.block, table.length
        if not isinstance(block, SharedBlock):
            name = table.spec.name
            raise TypeError(f"the columns of {name} are in memory that no worker can look into")
        with block.in_use() as ref:
            async with self._turn_of_its_own(deadline_s):
                told = job.told(RankJob.of(ref, block.living, length, caller, recipe, now, target))
            result = await self._run(told, ends_at)
        if isinstance(result, job.Unscored):
            self._tell(table, plugin, result.where, result.text, result.trace)
            raise RankingUnavailable(_BROKEN_FOR_S)
        return still_there(job.unpacked(result), table.features(), caller)

    async def _run(self, told: bytes, ends_at: float) -> Any:
        loop = asyncio.get_running_loop()
        try:
            return await self._pool.run(job.run, told, deadline_s=max(0.0, ends_at - loop.time()))
        except WorkerLost:
            return await self._pool.run(job.run, told, deadline_s=max(0.0, ends_at - loop.time()))

    @contextlib.asynccontextmanager
    async def _turn_of_its_own(self, deadline_s: float) -> AsyncIterator[None]:
        """What computes within has the loop, and everybody else has it before the next one."""
        async with asyncio.timeout(deadline_s):
            await self._turn.acquire()
        try:
            yield
            await asyncio.sleep(0)
        finally:
            self._turn.release()

    def _tell(self, table: Table, plugin: Scorer | None, where: str, text: str, trace: str) -> None:
        feed = table.spec.name
        if plugin is None:
            fields: dict[str, object] = {"message": f"the feed {feed} could not be ranked: {text}"}
        else:
            message = f"{where or plugin.where}: scoring the feed {feed} failed: {text}"
            fields = {"message": message, "plugin": plugin.plugin}
        if trace:
            fields["trace"] = trace
        self._events.error("ranking_failed", feed=feed, **fields)


def weight(length: int, recipe: Recipe) -> int:
    """What an order of so many slots costs: about 40 ns for each 1."""
    return length + (_SPACED * min(length, recipe.depth) if recipe.spacing else 0)


def still_there(ranked: Ranked, features: Features, caller: Caller) -> Ranked:
    """An order without the rows that went, or came to be of somebody whom the caller has muted or blocked,
    while it was worked out."""
    is_kept = features.is_candidate[ranked.slots]
    if len(caller.hidden_authors):
        is_kept &= ~np.isin(features.author[ranked.slots], caller.hidden_authors)
    gone = len(is_kept) - int(np.count_nonzero(is_kept))
    if not gone:
        return ranked
    return Ranked(ranked.slots[is_kept], ranked.scores[is_kept], ranked.total - gone)
