"""Keeps as many workers as there should be.

A place in the crew belongs to one task, which starts a worker there, waits until it has ended, and starts
another. Ends before a worker took its first job make the wait in between longer and longer
(:class:`~hapta.model.backoff.Backoff`). The end of one that was at a job does not: the job is to blame, and
the others have no fewer workers for it.
"""

import asyncio
import contextlib
import subprocess
from collections import Counter
from collections.abc import Mapping
from typing import Final, Protocol

from hapta.config import WorkersConfig
from hapta.model.backoff import Backoff
from hapta.model.tasks import TaskSet
from hapta.workers.needs import EventLog
from hapta.workers.wire import READY
from hapta.workers.worker import EXIT_WITHIN_S, Reply, Worker, start_worker

START_WITHIN_S: Final = 30.0
"""Seconds a worker has to be ready; then it is killed and another one tried."""

_START_TRIES = 3
_WHY = {
    "lost": "one that ended by itself",
    "deadline": "one killed at a job's deadline",
    "memory": "one that had grown above workers.max_rss_bytes",
    "not_started": "one that did not start",
}
"""What is told of a worker's predecessor; of one that has done its ``workers.max_jobs`` nothing."""


class Desk(Protocol):
    """Who gives the jobs."""

    def on_reply(self, worker: Worker, reply: Reply) -> None:
        """The worker's job is over."""

    def on_free(self, worker: Worker) -> None:
        """The worker takes a job."""

    def on_end(self, worker: Worker, how: str) -> None:
        """The worker has ended, and its job with it."""


class Crew:
    """The workers there are.

    Args:
        config: the ``[workers]`` table.
        count: how many there should be.
        environ: their environment.
        events: where the operator is told.
        desk: where they go for jobs.

    Attributes:
        workers: all there are, also those that start or end.
        restarts: how many had to be replaced, by :data:`~hapta.workers.needs.RESTART_REASONS`.
    """

    def __init__(
        self, config: WorkersConfig, count: int, environ: Mapping[str, str], events: EventLog, desk: Desk
    ) -> None:
        self._config = config
        self._count = count
        self._environ = environ
        self._events = events
        self._desk = desk
        self._keepers = TaskSet()
        self._settled = asyncio.Event()
        self._closing = asyncio.Event()
        self._failed_starts = 0
        self._is_launched = False
        self.workers: set[Worker] = set()
        self.restarts: Counter[str] = Counter()

    @property
    def alive(self) -> int:
        """Workers that take jobs or are at one."""
        return sum(worker.ready_at is not None and not worker.is_ending for worker in self.workers)

    def launch(self) -> None:
        """Begin to start all of them; may be called again."""
        if not self._is_launched and not self._closing.is_set():
            self._is_launched = True
            for number in range(self._count):
                self._keepers.spawn(self._keep(), name=f"worker {number}")

    async def settle(self) -> None:
        """Wait until all are ready, or starting them failed again and again."""
        with contextlib.suppress(TimeoutError):  # those there are have to do
            await asyncio.wait_for(self._settled.wait(), START_WITHIN_S)

    async def stop(self) -> None:
        """End all: those at a job now, the others by themselves. May be called again."""
        self._closing.set()
        self._settled.set()
        for worker in tuple(self.workers):
            if worker.ready_at is None or worker.at:
                worker.kill()
            elif not worker.is_ending:
                worker.retire("")
        await self._keepers.finish(START_WITHIN_S + EXIT_WITHIN_S)

    async def _keep(self) -> None:
        """Have a worker at one place until the crew is stopped."""
        backoff, last = Backoff(), ""
        while not self._closing.is_set():
            worker, how = await self._have_one(last)
            if self._closing.is_set():
                return
            served_s = 0.0
            if worker is None or worker.ready_at is None:
                last = "not_started"
            else:
                last = worker.dismissed_for or "lost"
                served_s = asyncio.get_running_loop().time() - worker.ready_at
            self.restarts[last] += 1
            if last == "not_started" or (last == "lost" and worker is not None and not worker.at):
                wait_s = backoff.wait_s(served_s)
            else:
                backoff, wait_s = Backoff(), 0.0
            self._tell(last, worker, how, wait_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), wait_s)

    async def _have_one(self, after: str) -> tuple[Worker | None, str]:
        """Start a worker, wait until it has ended and tell how; none: there was no process to be had."""
        loop = asyncio.get_running_loop()

        def replied(worker: Worker, reply: Reply) -> None:
            if reply.kind == READY:
                in_time.cancel()
                self._on_ready(worker, after)
            else:
                self._on_reply(worker, reply)

        try:
            worker = await start_worker(
                self._config.max_result_bytes, self._config.nice, self._environ, replied
            )
        except (OSError, subprocess.SubprocessError) as exc:
            return None, str(exc)
        in_time = loop.call_later(START_WITHIN_S, worker.kill)
        self.workers.add(worker)
        if self._closing.is_set():
            worker.kill()
        how = await worker.wait()
        in_time.cancel()
        self.workers.discard(worker)
        self._desk.on_end(worker, how)
        return worker, how

    def _on_ready(self, worker: Worker, after: str) -> None:
        worker.ready_at = asyncio.get_running_loop().time()
        if worker.is_ending:
            return
        self._failed_starts = 0
        if self.alive == self._count:
            self._settled.set()
        if after in _WHY:
            self._events.info(
                "worker_restarted",
                message=f"a worker stands in for {_WHY[after]}",
                pid=worker.pid,
                reason=after,
            )
        self._desk.on_free(worker)

    def _on_reply(self, worker: Worker, reply: Reply) -> None:
        self._desk.on_reply(worker, reply)
        if worker.is_ending:
            return
        if reply.rss_bytes > self._config.max_rss_bytes:
            worker.retire("memory")
        elif worker.jobs_done >= self._config.max_jobs:
            worker.retire("jobs")
        else:
            self._desk.on_free(worker)

    def _tell(self, reason: str, worker: Worker | None, how: str, wait_s: float) -> None:
        if reason == "not_started" or worker is None:
            self._failed_starts += 1
            if self._failed_starts >= _START_TRIES:
                self._settled.set()
            self._events.error(
                "worker_not_started", message=f"a worker did not start: {how}", next_try_s=wait_s
            )
        elif reason == "deadline":
            self._events.warning(
                "worker_killed",
                message=f"{worker.at} was not done at its deadline; its worker was killed",
                pid=worker.pid,
            )
        elif reason == "lost":
            at = f"while it ran {worker.at}" if worker.at else "between two jobs"
            self._events.warning("worker_lost", message=f"a worker ended {at}: {how}", pid=worker.pid)
