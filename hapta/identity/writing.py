"""What must be written in the end but no answer waits for: tried again and again for a while."""

import asyncio
from collections.abc import Awaitable, Callable

from hapta.identity.needs import Log
from hapta.model.errors import HaptaError
from hapta.model.tasks import TaskSet

_RETRY_S = (0.2, 1.0, 5.0, 30.0)


class Writing:
    """Writes behind answers.

    Args:
        tasks: hold what is being written.
        log: told of what could not be.
    """

    def __init__(self, tasks: TaskSet, log: Log) -> None:
        self._tasks = tasks
        self._log = log

    def later(self, work: Callable[[], Awaitable[None]], *, name: str) -> None:
        """Do it without anybody waiting."""
        self._tasks.spawn(self.persist(work), name=name)

    async def persist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again for a while."""
        for delay_s in _RETRY_S:
            try:
                return await work()
            except HaptaError:
                await asyncio.sleep(delay_s)
        try:
            await work()
        except HaptaError as exc:
            self._log.warning("sessions", message=f"a session's row could not be brought up to date: {exc}")
