"""Ending sessions: here at once, and at rest before the answer or as soon as PocketBase takes it.

A session that ended here stays ended, whatever is read of it later: its row may not say so yet.
"""

from collections.abc import Callable

from hapta.identity.counts import SessionCounts
from hapta.identity.looks import Looks
from hapta.identity.memory import Remembered
from hapta.identity.needs import Log, Streams
from hapta.identity.rows import SessionRows
from hapta.identity.writing import Writing
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError
from hapta.sessions.rotation import Session


class Ending:
    """Ends sessions.

    Args:
        rows: sessions at rest.
        known: the remembered ones.
        looks: those being read.
        streams: the open event streams; those of a session end with it.
        writing: writes what cannot be waited for.
        clock: wall time.
        log: told of replays.
        counts: of what is done.
        on_ended: told the id of every session that ends.
    """

    def __init__(
        self,
        rows: SessionRows,
        known: Remembered,
        looks: Looks,
        streams: Streams,
        writing: Writing,
        clock: Clock,
        log: Log,
        counts: SessionCounts,
        on_ended: Callable[[str], None],
    ) -> None:
        self._rows = rows
        self._known = known
        self._looks = looks
        self._streams = streams
        self._writing = writing
        self._clock = clock
        self._log = log
        self._counts = counts
        self._on_ended = on_ended
        self._unwritten: dict[str, str] = {}

    def reason_of(self, session_id: str) -> str | None:
        """Why a session ended here whose row may not say so yet; else ``None``."""
        return self._unwritten.get(session_id)

    async def end(self, session_id: str, reason: str) -> bool:
        """End a session; when this returns it is ended at rest and here; whether there was one.

        Raises:
            HaptaError: it is not known to be ended at rest; here it is, and there it is tried again: whoever
                asked has no token any more to ask once more.
        """
        self.end_here(session_id, reason)
        try:
            existed = await self._rows.end(session_id, reason, self._clock.now())
        except HaptaError:
            self._write_later(session_id, reason)
            raise
        self.end_here(session_id, reason)  # it may have been read meanwhile
        if existed:
            self._counts.ended[reason] += 1
        return existed

    def end_here(self, session_id: str, reason: str) -> None:
        """End what this process holds of a session that is ended at rest, or about to be."""
        self._looks.disturb(session_id)
        known = self._known.get(session_id)
        if known is not None and not known.session.ended_reason:
            known.session.ended_reason = reason
        self._streams.end(session_id)
        self._on_ended(session_id)

    def end_later(self, session_id: str, reason: str) -> None:
        """End a session here now, and at rest as soon as PocketBase takes it."""
        self.end_here(session_id, reason)
        self._write_later(session_id, reason)

    def _write_later(self, session_id: str, reason: str) -> None:
        self._unwritten[session_id] = reason
        self._counts.ended[reason] += 1

        async def persist() -> None:
            await self._rows.end(session_id, reason, self._clock.now())
            self._unwritten.pop(session_id, None)

        self._writing.later(persist, name=f"end {session_id}")

    def replayed(self, session: Session, generation: int, address: str) -> None:
        """A retired token came again: somebody holds what is not theirs (RFC 9700 §4.14)."""
        self._counts.replays += 1
        self.end_later(session.id, "replay")
        self._log.warning(
            "replay",
            message="a retired session token was used again; the session was ended",
            session=session.id,
            generation=generation,
            address=address,
        )

        async def audit() -> None:
            await self._rows.audit(
                "replay", session=session, address=address, detail={"generation": generation}
            )

        self._writing.later(audit, name=f"audit {session.id}")
