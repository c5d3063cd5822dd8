"""The same on the loop that Hapta runs on where there is uvloop."""

import asyncio
import os
from typing import Any

import pytest
import uvloop

from hapta.config import WorkersConfig
from hapta.workers.errors import JobFailed, JobTimedOut, NotTransferable, WorkerLost
from hapta.workers.pool import WorkerPool
from tests.workers import jobs
from tests.workers.conftest import Told, is_alive, until


def test_results_crashes_deadlines_and_a_drain_on_uvloop(told: Told) -> None:
    trouble: list[dict[str, Any]] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
        config = WorkersConfig(max_jobs=40)
        pool = WorkerPool(config, count=2, environ=os.environ, events=told, meter=told)
        await pool.start()
        assert await asyncio.gather(*(pool.run(jobs.told, number) for number in range(200))) == [*range(200)]
        data = os.urandom(5_000_000)
        assert await pool.run(jobs.told, data) == data
        with pytest.raises(JobFailed):
            await pool.run(jobs.divided, 1, 0)
        with pytest.raises(NotTransferable):
            await pool.run(jobs.function_of_its_own)
        with pytest.raises(WorkerLost):
            await pool.run(jobs.kill_itself)
        with pytest.raises(JobTimedOut):
            await pool.run(jobs.spin, deadline_s=0.2)
        await until(lambda: pool.alive == 2, "whole again")
        last = asyncio.ensure_future(pool.run(jobs.told, "last", 0.1))
        await asyncio.sleep(0)
        assert await pool.drain(5.0) == 0
        assert last.result() == "last"
        pids = pool.pids
        await pool.stop()
        assert not any(map(is_alive, pids))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
    assert trouble == []
    assert told.outcomes == {"done": 202, "failed": 2, "lost": 1, "timed_out": 1}
