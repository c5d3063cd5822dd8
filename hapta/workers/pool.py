"""The pool: a job in, its own result out.

* A job waits, is at a worker, or is over. Its future is resolved once, by whatever ends it first: reply,
  deadline, end of the worker, end of the pool.
* A deadline counts from when the job was given, so it holds while no worker can be started at all. One that
  is over while a worker is at the job costs that worker its life: there is no other way to stop a function.
* Whoever asked may leave. A job that waits is dropped then; one that was begun goes on to its end or its
  deadline, and its result is dropped. To kill its worker would be a new process for each client that hangs
  up, and clients can hang up as often as they like.
"""

import asyncio
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count as counting
from typing import Any

from hapta.config import SECRET_FIELDS, WorkersConfig
from hapta.model.errors import OperatorError, Overloaded
from hapta.workers.crew import Crew
from hapta.workers.errors import JobError, JobFailed, JobTimedOut, NotTransferable, WorkerLost
from hapta.workers.functions import FunctionRef, target_of
from hapta.workers.needs import EventLog, WorkerMeter
from hapta.workers.wire import DONE, FAILED, Target, TooLarge, pickled, separated
from hapta.workers.worker import Reply, Worker

_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(2**25), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""For glibc's malloc: keep up to 32 MiB for the next job. To give them back after each one and to ask for
them again takes as long as all the rest of a job with a payload of 1 MiB."""


@dataclass(eq=False, slots=True)
class _Job:
    """A job that is not over.

    Attributes:
        outcome: its result, pickled, or what became of it.
        deadline: the timer of it.
        begun_at: the loop's time when a worker got it.
    """

    number: int
    target: Target
    arguments: bytes
    outcome: "asyncio.Future[bytes | JobError]"
    deadline: asyncio.TimerHandle | None = None
    begun_at: float = 0.0


class WorkerPool:
    """Processes that run functions; costs nothing before :meth:`start` or the first :meth:`run`.

    To be used on the event loop it was made on.

    Args:
        config: the ``[workers]`` table.
        count: how many workers (:func:`hapta.workers.count.worker_count`).
        environ: the environment they get, less Hapta's secrets.
        events: where the operator is told.
        meter: where jobs are counted.
    """

    def __init__(
        self,
        config: WorkersConfig,
        *,
        count: int,
        environ: Mapping[str, str],
        events: EventLog,
        meter: WorkerMeter,
    ) -> None:
        self._config = config
        self._meter = meter
        self._numbers = counting(1)
        self._queue: OrderedDict[int, _Job] = OrderedDict()
        self._running: dict[Worker, _Job] = {}
        self._free: list[Worker] = []
        self._is_refusing = False
        self._quiet = asyncio.Event()
        self._quiet.set()
        without_secrets = {name: value for name, value in environ.items() if name not in SECRET_FIELDS}
        self._crew = Crew(config, count, _ALLOCATOR | without_secrets, events, self)

    @property
    def alive(self) -> int:
        """Workers that take jobs or are at one."""
        return self._crew.alive

    @property
    def running(self) -> int:
        """Jobs that a worker is at."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Jobs without a worker."""
        return len(self._queue)

    @property
    def restarts(self) -> Mapping[str, int]:
        """How many workers had to be replaced, by :data:`~hapta.workers.needs.RESTART_REASONS`."""
        return self._crew.restarts

    @property
    def pids(self) -> list[int]:
        """The processes there are now."""
        return [worker.pid for worker in self._crew.workers]

    async def start(self) -> None:
        """Start all workers; returns when they take jobs. May be called again.

        Raises:
            OperatorError: not one of them could be started; nothing is left of the pool.
        """
        self._crew.launch()
        await self._crew.settle()
        if not self._crew.alive and not self._is_refusing:
            await self.stop()
            raise OperatorError(
                "the worker processes do not start; what they said stands above. Is there memory for them, "
                "may this user have more processes, is Hapta's installation whole?"
            )

    async def run(
        self, function: Callable[..., Any] | FunctionRef, *args: object, deadline_s: float | None = None
    ) -> Any:
        """Run ``function(*args)`` in a worker.

        Args:
            function: one that stands at the level of a module, or a reference to one of a plugin.
            deadline_s: seconds for all of it, the wait for a worker included; ``None``:
                ``workers.deadline_s``.

        Returns:
            A copy of what it returned.

        Raises:
            TypeError: a worker could not find such a function.
            NotTransferable: arguments or result cannot go between processes.
            Overloaded: too many jobs wait already, or the pool is shutting down; nothing was begun.
            JobFailed: the function raised.
            JobTimedOut: the deadline is over; a worker that was at it was killed.
            WorkerLost: the worker ended in the middle of it, or the pool was stopped.
        """
        target = target_of(function)
        if self._is_refusing or (not self._has_free() and len(self._queue) >= self._config.max_queue):
            self._meter.job_ended("refused", None)
            raise Overloaded
        deadline_s = self._config.deadline_s if deadline_s is None else deadline_s
        job = self._made(target, self._packed(args), deadline_s)
        self._crew.launch()
        if self._free:
            self._begin(self._free.pop(), job)
        else:
            self._queue[job.number] = job
        try:
            outcome = await job.outcome
        finally:
            if job.number in self._queue:  # whoever asked has left
                del self._queue[job.number]
                self._over(job, WorkerLost("nobody waits for it"), "dropped", None)
        if isinstance(outcome, JobError):
            raise outcome
        return _unpacked(outcome)

    async def drain(self, grace_s: float) -> int:
        """Take no more jobs, and wait up to ``grace_s`` seconds for those there are.

        Returns:
            How many are still not over; :meth:`stop` ends them.
        """
        self._is_refusing = True
        try:
            await asyncio.wait_for(self._quiet.wait(), grace_s)
        except TimeoutError:
            return self.waiting + self.running
        return 0

    async def stop(self) -> None:
        """End all workers; jobs that are not over end as lost. May be called again, and without a start."""
        self._is_refusing = True
        lost = WorkerLost("the gateway is shutting down")
        while self._queue:
            self._over(self._queue.popitem(last=False)[1], lost, "lost", None)
        while self._running:
            _, job = self._running.popitem()
            self._over(job, lost, "lost", self._seconds(job))
        self._free.clear()
        await self._crew.stop()

    def on_free(self, worker: Worker) -> None:
        """A worker takes a job (:class:`hapta.workers.crew.Desk`)."""
        if self._queue:
            self._begin(worker, self._queue.popitem(last=False)[1])
        else:
            self._free.append(worker)

    def on_reply(self, worker: Worker, reply: Reply) -> None:
        """A worker's job is over (:class:`hapta.workers.crew.Desk`)."""
        job = self._running.pop(worker, None)
        if job is None:  # its deadline was over just before
            return
        if reply.kind == DONE:
            self._over(job, reply.body, "done", self._seconds(job))
        else:
            self._over(job, _failure(reply), "failed", self._seconds(job))

    def on_end(self, worker: Worker, how: str) -> None:
        """A worker has ended (:class:`hapta.workers.crew.Desk`)."""
        if worker in self._free:
            self._free.remove(worker)
        if job := self._running.pop(worker, None):
            self._over(job, WorkerLost(f"the worker ended: {how}"), "lost", self._seconds(job))

    def _has_free(self) -> bool:
        """Forgets those that are ending."""
        while self._free and self._free[-1].is_ending:
            self._free.pop()
        return bool(self._free)

    def _packed(self, args: tuple[object, ...]) -> bytes:
        try:
            return pickled(args, self._config.max_result_bytes)
        except TooLarge:
            problem: Exception = NotTransferable(
                f"the arguments have more than {self._config.max_result_bytes} bytes"
            )
        except Exception as exc:
            problem = NotTransferable(f"the arguments cannot be pickled: {exc}")
        self._meter.job_ended("failed", None)
        raise problem

    def _made(self, target: Target, arguments: bytes, deadline_s: float) -> _Job:
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        job = _Job(number, target, arguments, loop.create_future())
        job.deadline = loop.call_later(deadline_s, self._expire, job, deadline_s)
        self._quiet.clear()
        return job

    def _begin(self, worker: Worker, job: _Job) -> None:
        job.begun_at = asyncio.get_running_loop().time()
        self._running[worker] = job
        worker.give(job.number, job.target, job.arguments)
        job.arguments = b""

    def _expire(self, job: _Job, deadline_s: float) -> None:
        if self._queue.pop(job.number, None):
            self._over(job, JobTimedOut(deadline_s, was_begun=False), "timed_out", None)
            return
        worker = next(worker for worker, its in self._running.items() if its is job)
        del self._running[worker]
        worker.kill("deadline")
        self._over(job, JobTimedOut(deadline_s, was_begun=True), "timed_out", self._seconds(job))

    def _over(self, job: _Job, outcome: bytes | JobError, word: str, seconds: float | None) -> None:
        if job.deadline is not None:
            job.deadline.cancel()
        if not job.outcome.done():  # else whoever asked has left
            job.outcome.set_result(outcome)
        self._meter.job_ended(word, seconds)
        if not self._queue and not self._running:
            self._quiet.set()

    @staticmethod
    def _seconds(job: _Job) -> float:
        return asyncio.get_running_loop().time() - job.begun_at


def _failure(reply: Reply) -> JobError:
    if reply.kind == FAILED:
        return JobFailed(*separated(reply.body, 3))
    return NotTransferable(*separated(reply.body, 1))


def _unpacked(result: bytes) -> Any:
    try:
        return pickle.loads(result)
    except (Exception, SystemExit) as exc:
        raise NotTransferable(f"the result could not be unpickled: {exc}") from exc
