"""What changes, here or elsewhere, put in question of the sessions this process remembers.

Nothing is decided here: a session in doubt is read or proved again before its next answer. One with an event
stream is looked after at once, since it may make no request for hours.
"""

import asyncio
from contextlib import suppress

from hapta.identity.ending import Ending
from hapta.identity.looks import Looks
from hapta.identity.lookup import Lookup
from hapta.identity.memory import Known, Remembered
from hapta.identity.needs import Streams
from hapta.model.errors import HaptaError
from hapta.model.tasks import TaskSet

_RECHECKS = 8
"""Sessions with event streams looked after at once, so that clients' requests find a way past them."""


class Doubts:
    """Casts them.

    Args:
        known: the remembered sessions.
        looks: those being read.
        lookup: looks again.
        ending: of those that are told to have ended.
        streams: the open event streams.
        tasks: hold the looks nobody waits for.
    """

    def __init__(
        self,
        known: Remembered,
        looks: Looks,
        lookup: Lookup,
        ending: Ending,
        streams: Streams,
        tasks: TaskSet,
    ) -> None:
        self._known = known
        self._looks = looks
        self._lookup = lookup
        self._ending = ending
        self._streams = streams
        self._tasks = tasks
        self._rechecking: set[str] = set()
        self._recheck_turns = asyncio.Semaphore(_RECHECKS)

    def identity_changed(self, collection: str, record: str | None) -> None:
        """An auth record changed or may have; ``None``: any of its collection."""
        for known in self._known.of(collection, record):
            self._doubt(known)

    def everybody_changed(self) -> None:
        """Any auth record may have changed."""
        self._known.proof_round += 1

    def everything_changed(self) -> None:
        """Rows may have changed unseen."""
        for known in self._known.all():
            known.is_current = False
            self._doubt(known)
        self._looks.disturb_all()

    def session_row_changed(self, session_id: str, *, is_gone: bool | None) -> None:
        """A session's row changed; ``is_gone`` if it was deleted or ended, ``None`` if that was not told."""
        known = self._known.get(session_id)
        if is_gone:
            self._ending.end_here(session_id, "ended_elsewhere")
        elif is_gone is None and known is not None:
            self._lookup.rows_changed(known)
        else:
            self._looks.disturb(session_id)

    def rotation_row_changed(self, session_id: str, generation: int, first_used_at: float | None) -> None:
        """A generation was made or used for the first time."""
        self._looks.disturb(session_id)
        known = self._known.get(session_id)
        if known is None:
            return
        if generation not in known.session.generations:
            self._lookup.rows_changed(known)
        elif first_used_at is not None:
            known.session.was_used(generation, first_used_at)

    def _doubt(self, known: Known) -> None:
        known.is_proved = False
        known.doubts += 1
        session_id = known.session.id
        if self._streams.has(session_id) and session_id not in self._rechecking:
            self._rechecking.add(session_id)
            self._tasks.spawn(self._recheck(session_id), name=f"recheck {session_id}")

    async def _recheck(self, session_id: str) -> None:
        async with self._recheck_turns:
            self._rechecking.discard(session_id)
            with suppress(HaptaError):  # the next request asks again
                await self._lookup.find(session_id)
