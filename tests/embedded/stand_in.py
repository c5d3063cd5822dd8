"""Stands in for ``hapta serve``: starts the embedded PocketBase in a folder, prints its pids, then waits.

``python -m tests.embedded.stand_in FOLDER asyncio|uvloop [with-fork]``

A program ``FOLDER/pb``, if there is one, plays PocketBase.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import uvloop

from tests.embedded.support import embedded, make_ready


def fork_holder() -> None:
    """A child that holds every pipe this process holds, as one made by ``fork`` alone does."""
    if os.fork() == 0:
        time.sleep(3)
        os._exit(0)


async def main(folder: Path, has_fork: bool) -> None:
    binary = "./pb" if (folder / "pb").exists() else ""
    pocketbase = embedded(make_ready(folder, binary=binary))
    url = await pocketbase.start()
    if has_fork:
        fork_holder()
    print(pocketbase.pid, pocketbase.guard_pid, url, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await pocketbase.stop()


if __name__ == "__main__":
    new_loop = uvloop.new_event_loop if sys.argv[2] == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main(Path(sys.argv[1]), "with-fork" in sys.argv))
