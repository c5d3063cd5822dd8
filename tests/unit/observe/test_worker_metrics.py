"""Figures of the worker pool."""

import re

from prometheus_client import CollectorRegistry, generate_latest

from hapta.observe.worker_metrics import WorkerMetrics
from hapta.workers.needs import OUTCOMES, RESTART_REASONS


class Pool:
    """Two workers, five jobs waiting."""

    alive, waiting = 2, 5
    restarts = {"lost": 3}  # noqa: RUF012 - as the pool itself has it


def text(metrics: WorkerMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode()


def test_without_a_pool_all_families_are_there_at_nothing() -> None:
    told = text(WorkerMetrics())
    assert "hapta_workers_alive 0.0" in told
    assert "hapta_worker_queue 0.0" in told
    assert set(re.findall(r'hapta_worker_jobs_total\{outcome="(\w+)"\} 0\.0', told)) == set(OUTCOMES)
    assert set(re.findall(r'worker_restarts_total\{reason="(\w+)"\} 0\.0', told)) == set(RESTART_REASONS)


def test_a_pool_s_own_figures_are_those_of_the_moment() -> None:
    metrics = WorkerMetrics()
    metrics.follow(Pool())
    told = text(metrics)
    assert "hapta_workers_alive 2.0" in told
    assert "hapta_worker_queue 5.0" in told
    assert 'hapta_worker_restarts_total{reason="lost"} 3.0' in told


def test_jobs_are_counted_by_outcome_and_timed_if_they_were_begun() -> None:
    metrics = WorkerMetrics()
    metrics.job_ended("done", 0.02)
    metrics.job_ended("timed_out", 3.0)
    metrics.job_ended("refused", None)
    told = text(metrics)
    for outcome in ("done", "timed_out", "refused"):
        assert f'hapta_worker_jobs_total{{outcome="{outcome}"}} 1.0' in told
    assert "hapta_worker_job_seconds_count 2.0" in told
    assert 'hapta_worker_job_seconds_bucket{le="0.025"} 1.0' in told
