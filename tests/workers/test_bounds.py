"""What waits is bounded, may be given up, and is brought to an end at shutdown."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from hapta.model.errors import Overloaded
from hapta.workers.errors import JobTimedOut, WorkerLost
from hapta.workers.pool import WorkerPool
from tests.workers import jobs
from tests.workers.conftest import MakePool, Told, is_alive, until


async def full(pool: WorkerPool, after_s: float) -> "list[asyncio.Task[Any]]":
    """Have the only worker at a job and two waiting."""
    await pool.start()
    asked = [asyncio.ensure_future(pool.run(jobs.told, number, after_s)) for number in range(3)]
    await until(lambda: (pool.running, pool.waiting) == (1, 2), "full")
    return asked


async def test_one_job_more_than_may_wait_is_refused_and_never_begun(
    make_pool: MakePool, told: Told, tmp_path: Path
) -> None:
    pool = make_pool(count=1, max_queue=2)
    asked = await full(pool, 0.1)
    with pytest.raises(Overloaded) as caught:
        await pool.run(jobs.marked, str(tmp_path / "ran"))
    assert caught.value.status == 503
    assert int(caught.value.headers["Retry-After"]) >= 1
    assert await asyncio.gather(*asked) == [0, 1, 2]
    assert await pool.run(jobs.told, "room again") == "room again"
    assert not (tmp_path / "ran").exists()
    assert told.outcomes == {"refused": 1, "done": 4}
    assert told.seconds.count(None) == 1


async def test_who_waits_is_served_in_order(make_pool: MakePool) -> None:
    pool = make_pool(count=1)
    ended: list[int] = []

    async def ask(number: int) -> None:
        await pool.run(jobs.told, number)
        ended.append(number)

    await asyncio.gather(*map(ask, range(50)))
    assert ended == list(range(50))


async def test_a_job_whose_deadline_passes_while_it_waits_is_never_begun(
    make_pool: MakePool, told: Told, tmp_path: Path
) -> None:
    pool = make_pool(count=1, max_queue=3)
    asked = await full(pool, 0.2)
    with pytest.raises(JobTimedOut) as caught:
        await pool.run(jobs.marked, str(tmp_path / "ran"), deadline_s=0.1)
    assert not caught.value.was_begun
    assert await asyncio.gather(*asked) == [0, 1, 2]
    assert await pool.run(jobs.told, 1) == 1
    assert not (tmp_path / "ran").exists()
    assert told.outcomes == {"timed_out": 1, "done": 4}
    assert pool.restarts == {}


async def test_a_job_that_waits_is_dropped_when_whoever_asked_leaves(
    make_pool: MakePool, told: Told, tmp_path: Path
) -> None:
    pool = make_pool(count=1, max_queue=3)
    asked = await full(pool, 0.1)
    leaving = asyncio.ensure_future(pool.run(jobs.marked, str(tmp_path / "ran")))
    await until(lambda: pool.waiting == 3, "waits")
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert pool.waiting == 2
    assert await asyncio.gather(*asked) == [0, 1, 2]
    assert not (tmp_path / "ran").exists()
    assert told.outcomes == {"dropped": 1, "done": 3}


async def test_a_job_that_was_begun_goes_on_when_whoever_asked_leaves(
    make_pool: MakePool, told: Told, tmp_path: Path
) -> None:
    pool = make_pool(count=1)
    await pool.start()
    (pid,) = pool.pids
    leaving = asyncio.ensure_future(pool.run(jobs.marked, str(tmp_path / "ran"), 0.3))
    await until((tmp_path / "ran").exists, "begun")
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert pool.running == 1
    assert await pool.run(jobs.pid) == pid  # the same worker, and not the other job's result
    assert told.outcomes == {"done": 2}
    assert pool.restarts == {}


async def test_a_job_nobody_waits_for_is_killed_at_its_deadline_all_the_same(
    make_pool: MakePool, told: Told
) -> None:
    pool = make_pool(count=1)
    await pool.start()
    leaving = asyncio.ensure_future(pool.run(jobs.spin, deadline_s=0.3))
    await until(lambda: pool.running == 1, "begun")
    leaving.cancel()
    await until(lambda: pool.restarts == {"deadline": 1}, "killed")
    assert await pool.run(jobs.told, 1) == 1


async def test_draining_lets_what_was_taken_end_and_takes_no_more(make_pool: MakePool, told: Told) -> None:
    pool = make_pool(count=1)
    asked = await full(pool, 0.1)
    draining = asyncio.ensure_future(pool.drain(10.0))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await pool.run(jobs.told, 1)
    assert await draining == 0
    assert [one.result() for one in asked] == [0, 1, 2]


async def test_draining_tells_what_is_left_when_its_time_is_over(make_pool: MakePool, told: Told) -> None:
    pool = make_pool(count=1)
    asked = await full(pool, 30.0)
    assert await pool.drain(0.1) == 3
    await pool.stop()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(outcome, WorkerLost) for outcome in outcomes)
    assert told.outcomes == {"lost": 3}
    assert told.events == []


async def test_draining_a_pool_nobody_used_takes_no_time(make_pool: MakePool) -> None:
    pool = make_pool()
    assert await pool.drain(10.0) == 0
    await pool.stop()
    assert pool.pids == []


async def test_a_stopped_pool_refuses(pool: WorkerPool) -> None:
    await pool.stop()
    await pool.stop()
    with pytest.raises(Overloaded):
        await pool.run(jobs.told, 1)
    assert pool.pids == []


async def test_a_stop_while_workers_start_leaves_none(make_pool: MakePool) -> None:
    pool = make_pool(count=3)
    starting = asyncio.ensure_future(pool.start())
    await until(lambda: len(pool.pids) == 3, "being started")
    pids = pool.pids
    await pool.stop()
    await starting
    assert [pid for pid in pids if is_alive(pid)] == []


async def test_a_pool_nobody_used_has_no_processes_and_the_first_job_starts_it(make_pool: MakePool) -> None:
    pool = make_pool(count=2)
    await asyncio.sleep(0.05)
    assert (pool.pids, pool.alive) == ([], 0)
    assert await pool.run(jobs.told, 1) == 1
    await pool.start()
    assert (len(pool.pids), pool.alive) == (2, 2)


async def test_hundreds_of_jobs_leave_no_open_files(pool: WorkerPool) -> None:
    await pool.run(jobs.told, 1)
    before = os.listdir("/proc/self/fd")
    for _ in range(200):
        await pool.run(jobs.told, 1)
    for _ in range(5):
        with pytest.raises(WorkerLost):
            await pool.run(jobs.kill_itself)
    await until(lambda: pool.alive == 2, "whole again")
    assert len(os.listdir("/proc/self/fd")) == len(before)
