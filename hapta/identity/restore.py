"""A restored backup must not revive sessions that had ended since it was made.

A restore brings back old rows: sessions that were ended or deleted after the backup live again in it. So
before Hapta passes a restore on, it reads which sessions live now; from then on only these, as long as they
do, and what is made later, are admitted, and when PocketBase is back the others are ended in the restored
rows too. A
restore behind Hapta's back cannot be told from a restart: then the sessions this process saw end stay ended
here, and no more can be said.
"""

from hapta.identity.keeper import SessionKeeper
from hapta.identity.rows import SessionRows, date_value
from hapta.model.clock import Clock
from hapta.sessions.rotation import Session


class RestoreFence:
    """Admits only sessions that lived when a restore began, or came after it.

    Args:
        rows: sessions at rest.
        keeper: told whom to admit.
        clock: wall time.
    """

    def __init__(self, rows: SessionRows, keeper: SessionKeeper, clock: Clock) -> None:
        self._rows = rows
        self._keeper = keeper
        self._clock = clock
        self._living: set[str] | None = None
        self._raised_at = 0.0
        keeper.on_ended = self._forget

    async def raise_fence(self) -> None:
        """A restore is about to be asked for; when this returns, nobody it could revive is let in.

        Raises:
            HaptaError: it is not known who lives; the restore must not go on.
        """
        raised_at = self._clock.now()
        self._living = {row["id"] for row in await self._rows.list_living(raised_at)}
        self._raised_at = raised_at
        self._keeper.admits = self._admits

    def lower_fence(self) -> None:
        """PocketBase refused the restore."""
        self._living = None
        self._keeper.admits = lambda _: True

    def _admits(self, session: Session) -> bool:
        return self._is_later(session.newest.issued_at) or self._living is None or session.id in self._living

    def _is_later(self, issued_at: float | None) -> bool:
        """No backup made before holds it, and it was made by a session that was admitted."""
        return issued_at is not None and issued_at >= self._raised_at

    def _forget(self, session_id: str) -> None:
        if self._living is not None:
            self._living.discard(session_id)

    async def settle(self) -> int:
        """PocketBase is back: end in the restored rows whoever should not live; returns how many.

        To be called after every gap from then on: which of them was the restore's is not to be seen.

        Raises:
            HaptaError: some may still live at rest; here they do not.
        """
        if self._living is None:
            return 0
        revived = [
            row["id"]
            for row in await self._rows.list_living(self._clock.now())
            if row["id"] not in self._living and not self._is_later(date_value(row["issued"]))
        ]
        for session_id in revived:
            await self._keeper.end(session_id, "restored")
        return len(revived)
