"""Whom the pool tells what happens: counters and the operator's log, both kept elsewhere."""

from typing import Final, Protocol

OUTCOMES: Final = ("done", "failed", "timed_out", "lost", "refused", "dropped")
"""How a job ends: with a result; by an exception, or with what cannot go between processes; by its deadline;
with its worker; before it began, because the queue was full or the pool is shutting down; before it began,
because whoever asked for it left."""

RESTART_REASONS: Final = ("lost", "deadline", "jobs", "memory", "not_started")
"""Why a worker had to be replaced: it ended by itself, was killed at a job's deadline, had done
``workers.max_jobs``, had grown above ``workers.max_rss_bytes``, or ended before it was ready."""


class WorkerMeter(Protocol):
    """Counts; ``hapta.observe.worker_metrics.WorkerMetrics`` is one."""

    def job_ended(self, outcome: str, seconds: float | None) -> None:
        """A job ended in one of :data:`OUTCOMES`.

        Args:
            seconds: how long a worker was at it; ``None``: it was never begun.
        """


class EventLog(Protocol):
    """Takes events for the operator; ``hapta.observe.Events`` is one."""

    def info(self, event: str, **fields: object) -> None:
        """As it should be."""

    def warning(self, event: str, **fields: object) -> None:
        """Works, but the operator should look at it."""

    def error(self, event: str, **fields: object) -> None:
        """Something does not work."""
