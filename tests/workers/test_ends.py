"""Workers that end, and jobs that do not: only the job concerned notices, and the pool is whole again."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from hapta.model import backoff
from hapta.model.errors import OperatorError
from hapta.workers import crew, worker
from hapta.workers.errors import JobTimedOut, WorkerLost
from hapta.workers.pool import WorkerPool
from tests.workers import jobs
from tests.workers.conftest import MakePool, Told, is_alive, until


async def test_a_worker_killed_in_the_middle_costs_its_own_job_and_no_other(
    make_pool: MakePool, told: Told
) -> None:
    pool = make_pool(count=3)
    await pool.start()
    others = [asyncio.ensure_future(pool.run(jobs.told, number, 0.3)) for number in range(2)]
    with pytest.raises(WorkerLost, match="ended by SIGKILL"):
        await pool.run(jobs.kill_itself)
    assert await asyncio.gather(*others) == [0, 1]
    await until(lambda: pool.alive == 3, "whole again")
    assert pool.restarts == {"lost": 1}
    assert told.outcomes == {"lost": 1, "done": 2}
    (lost,) = told.named("worker_lost")
    assert lost["message"] == "a worker ended while it ran tests.workers.jobs.kill_itself: ended by SIGKILL"
    await until(lambda: bool(told.named("worker_restarted")), "told")
    assert told.named("worker_restarted")[0]["reason"] == "lost"


async def test_a_lost_job_is_not_tried_again(pool: WorkerPool, tmp_path: Path) -> None:
    running = asyncio.ensure_future(pool.run(jobs.marked, str(tmp_path / "ran"), 30.0))
    await until((tmp_path / "ran").exists, "begun")
    (tmp_path / "ran").unlink()
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerLost):
        await running
    await until(lambda: pool.alive == 2, "whole again")
    assert await pool.run(jobs.told, 1) == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("status", [0, 3])
async def test_a_worker_that_exits_in_the_middle_is_lost_too(pool: WorkerPool, status: int) -> None:
    with pytest.raises(WorkerLost, match=f"exit status {status}"):
        await pool.run(jobs.exit_at_once, status)


async def test_an_idle_worker_that_ends_is_replaced(pool: WorkerPool, told: Told) -> None:
    before = set(pool.pids)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: pool.alive == 2 and not before & set(pool.pids), "whole again")
    assert await pool.run(jobs.told, 1) == 1
    assert [fields["message"] for fields in told.named("worker_lost")] == [
        "a worker ended between two jobs: ended by SIGKILL"
    ] * 2


async def test_a_job_given_while_a_worker_dies_is_done_or_lost_and_nothing_else(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 0.0)  # idle ones that end again and again are waited for
    for turn in range(20):
        await until(lambda: pool.alive == 2, "whole again")
        os.kill(pool.pids[turn % 2], signal.SIGKILL)
        for number in range(20):
            try:
                assert await pool.run(jobs.told, number) == number
            except WorkerLost:
                await asyncio.sleep(0)


async def test_crashes_of_jobs_do_not_slow_the_replacement(pool: WorkerPool) -> None:
    async with asyncio.timeout(10):
        for _ in range(15):
            with pytest.raises(WorkerLost):
                await pool.run(jobs.kill_itself)


async def test_a_job_that_does_not_end_is_killed_at_its_deadline(pool: WorkerPool, told: Told) -> None:
    other = asyncio.ensure_future(pool.run(jobs.told, "fine", 0.6))
    before = set(pool.pids)
    began = asyncio.get_running_loop().time()
    with pytest.raises(JobTimedOut, match=r"was not done within 0\.2 s") as caught:
        await pool.run(jobs.spin, deadline_s=0.2)
    assert caught.value.was_begun
    assert 0.2 <= asyncio.get_running_loop().time() - began < 0.5
    await until(lambda: pool.alive == 2, "whole again")
    assert len(before - set(pool.pids)) == 1
    assert await other == "fine"
    assert pool.restarts == {"deadline": 1}
    assert told.outcomes == {"timed_out": 1, "done": 1}
    assert told.named("worker_killed")[0]["message"] == (
        "tests.workers.jobs.spin was not done at its deadline; its worker was killed"
    )


async def test_the_deadline_of_the_configuration_holds_where_none_is_given(make_pool: MakePool) -> None:
    with pytest.raises(JobTimedOut, match=r"0\.3 s"):
        await make_pool(deadline_s=0.3).run(jobs.spin)


async def test_what_a_job_left_behind_ends_with_its_worker(pool: WorkerPool) -> None:
    left = await pool.run(jobs.leave_a_process_behind, 30.0)
    assert is_alive(left)
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: not is_alive(left), "gone")
    await until(lambda: pool.alive == 2, "whole again")


async def test_the_end_of_a_worker_is_noticed_though_a_fork_of_it_holds_the_line(
    pool: WorkerPool, tmp_path: Path
) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(WorkerLost):
            await pool.run(jobs.leave_a_process_behind_and_die, str(tmp_path / "pid"), 30.0)
    await until(lambda: not is_alive(int((tmp_path / "pid").read_text())), "gone")


async def test_a_worker_that_scribbles_on_its_line_is_ended(pool: WorkerPool) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(WorkerLost):
            await pool.run(jobs.scribble_on_the_line)
    await until(lambda: pool.alive == 2, "whole again")
    assert await pool.run(jobs.told, 1) == 1


async def test_a_worker_is_replaced_after_so_many_jobs(make_pool: MakePool, told: Told) -> None:
    pool = make_pool(count=1, max_jobs=3)
    seen = [await pool.run(jobs.pid) for _ in range(9)]
    assert [seen.count(pid) for pid in dict.fromkeys(seen)] == [3, 3, 3]
    assert pool.restarts["jobs"] >= 2
    assert told.events == []


async def test_a_worker_that_has_grown_is_replaced_once_its_job_is_done(
    make_pool: MakePool, told: Told
) -> None:
    pool = make_pool(count=1, max_rss_bytes=2**26)
    first = await pool.run(jobs.pid)
    await pool.run(jobs.grow, 10_000_000)
    assert await pool.run(jobs.pid) == first
    await pool.run(jobs.grow, 100_000_000)
    assert await pool.run(jobs.pid) != first
    assert pool.restarts == {"memory": 1}
    assert [fields["reason"] for fields in told.named("worker_restarted")] == ["memory"]


async def test_workers_that_never_start_are_the_operator_s_to_know(
    make_pool: MakePool, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_START", "raise SystemExit(9)")
    pool = make_pool()
    with pytest.raises(OperatorError, match="the worker processes do not start"):
        await pool.start()
    assert len(told.named("worker_not_started")) >= 3
    assert told.named("worker_not_started")[0]["message"] == "a worker did not start: exit status 9"


async def test_ends_at_the_start_are_tried_again_at_growing_intervals(
    make_pool: MakePool, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = worker._START
    monkeypatch.setattr(worker, "_START", "raise SystemExit(9)")
    pool = make_pool(count=1)
    waiting = asyncio.ensure_future(pool.run(jobs.told, "at last", deadline_s=20.0))
    await until(lambda: len(told.named("worker_not_started")) == 4, "tried four times")
    assert [fields["next_try_s"] for fields in told.named("worker_not_started")] == [0.0, 0.25, 0.5, 1.0]
    monkeypatch.setattr(worker, "_START", start)
    assert await waiting == "at last"
    assert pool.restarts == {"not_started": 4}


async def test_a_job_s_deadline_holds_though_no_worker_can_be_started(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_START", "import time; time.sleep(60)")
    pool = make_pool(count=1)
    with pytest.raises(JobTimedOut, match=r"found no free worker within 0\.3 s") as caught:
        await pool.run(jobs.told, 1, deadline_s=0.3)
    assert not caught.value.was_begun


async def test_a_worker_that_is_never_ready_is_killed(
    make_pool: MakePool, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_START", "import time; time.sleep(60)")
    monkeypatch.setattr(crew, "START_WITHIN_S", 0.2)
    with pytest.raises(OperatorError):
        await make_pool(count=1).start()


async def test_no_process_to_be_had_is_a_failed_start(
    make_pool: MakePool, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OperatorError):
        await make_pool(count=1).start()
    assert "No such file" in str(told.named("worker_not_started")[0]["message"])
