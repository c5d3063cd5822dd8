"""A program with a pool, to be ended in every way: ``python -m tests.workers.gateway asyncio|uvloop``.

It prints its workers' pids when each is at a job that never ends, but for one that is idle.
"""

import asyncio
import os
import sys

import uvloop

from hapta.config import WorkersConfig
from hapta.workers.pool import WorkerPool
from tests.workers import jobs


class Nobody:
    """Is told, and forgets."""

    def info(self, event: str, **fields: object) -> None: ...

    warning = error = info

    def job_ended(self, outcome: str, seconds: float | None) -> None: ...


async def serve() -> None:
    nobody = Nobody()
    pool = WorkerPool(WorkersConfig(), count=3, environ=os.environ, events=nobody, meter=nobody)
    await pool.start()
    running = [asyncio.ensure_future(pool.run(jobs.spin)) for _ in range(2)]
    await asyncio.sleep(0.1)
    print(*pool.pids, flush=True)
    await asyncio.gather(*running)


if __name__ == "__main__":
    loop = uvloop.new_event_loop if sys.argv[1] == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(serve())
