"""Figures of the worker pool, the pool's own read from it when somebody asks for them."""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hapta.workers.needs import OUTCOMES, RESTART_REASONS

JOB_BUCKETS_S: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)
"""Upper bounds in seconds: a small picture takes 0.01, a large one a second."""


class Pool(Protocol):
    """Who runs the jobs."""

    @property
    def alive(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def restarts(self) -> Mapping[str, int]: ...


class WorkerMetrics(Collector):
    """Counts jobs, and shows the pool's own figures; it is the pool's meter
    (:class:`hapta.workers.needs.WorkerMeter`)."""

    def __init__(self) -> None:
        jobs = Counter("hapta_worker_jobs", "Jobs that are over.", ["outcome"], registry=None)
        self._outcomes = {outcome: jobs.labels(outcome) for outcome in OUTCOMES}
        self._seconds = Histogram(
            "hapta_worker_job_seconds",
            "Seconds a worker was at a job.",
            buckets=JOB_BUCKETS_S,
            registry=None,
        )
        self._jobs = jobs
        self._pool: Pool | None = None

    def follow(self, pool: Pool) -> None:
        """Read the figures of ``pool`` from now on."""
        self._pool = pool

    def job_ended(self, outcome: str, seconds: float | None) -> None:
        """Count a job that ended in one of :data:`~hapta.workers.needs.OUTCOMES`.

        Args:
            seconds: how long a worker was at it; ``None``: it was never begun.
        """
        self._outcomes[outcome].inc()
        if seconds is not None:
            self._seconds.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        pool = self._pool
        yield from self._jobs.collect()
        yield from self._seconds.collect()
        yield GaugeMetricFamily(
            "hapta_worker_queue", "Jobs waiting for a worker.", 0 if pool is None else pool.waiting
        )
        yield GaugeMetricFamily(
            "hapta_workers_alive", "Workers that take jobs or are at one.", 0 if pool is None else pool.alive
        )
        restarts = CounterMetricFamily(
            "hapta_worker_restarts", "Workers that were replaced, by why.", labels=["reason"]
        )
        for reason in RESTART_REASONS:
            restarts.add_metric([reason], 0 if pool is None else pool.restarts.get(reason, 0))
        yield restarts
