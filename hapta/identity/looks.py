"""Looks at sessions that are under way: one for all who ask at once, and told when what it reads may be older
than a change."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hapta.identity.memory import Known
from hapta.model.tasks import TaskSet

Look = Callable[[str], Coroutine[Any, Any, Known | None]]


class Looks:
    """Runs them.

    Args:
        tasks: hold them; who asked may leave without ending a look for the others.
    """

    def __init__(self, tasks: TaskSet) -> None:
        self._tasks = tasks
        self._flights: dict[str, asyncio.Task[Known | None]] = {}
        self._disturbed: set[str] = set()

    async def join(self, session_id: str, look: Look) -> Known | None:
        """What the look under way finds, or ``look`` if there is none."""
        flight = self._flights.get(session_id)
        if flight is None:
            flight = self._tasks.spawn(look(session_id), name=f"session {session_id}")
            self._flights[session_id] = flight
            flight.add_done_callback(lambda _: self._done(session_id))
        return await asyncio.shield(flight)

    def _done(self, session_id: str) -> None:
        del self._flights[session_id]
        self._disturbed.discard(session_id)  # it may have ended before it saw

    def begin(self, session_id: str) -> None:
        """Rows are going to be read: what was changed until now will be seen."""
        self._disturbed.discard(session_id)

    def is_disturbed(self, session_id: str) -> bool:
        """Whether a change came since the last beginning."""
        return session_id in self._disturbed

    def disturb(self, session_id: str) -> None:
        """A session changed; what a look at it has read may be older."""
        if session_id in self._flights:
            self._disturbed.add(session_id)

    def disturb_all(self) -> None:
        """Any may have changed."""
        self._disturbed.update(self._flights)
