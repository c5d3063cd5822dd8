"""A session as it stands now: its rows read and its token proved, as far as they need to be.

What is remembered holds only while the change feed lives and its epoch is the one it was read in, and until
something puts it in question. A change that comes while rows are read or a token is proved makes the look
begin anew.

Mere doubts do so only a few times: anybody can cast them on everybody, by writing to an app's own routes, and
must not keep all others from being answered. After that who asked before the doubt is answered by what
PocketBase says; who comes after it waits for a look that began later.
"""

from collections.abc import Callable

from cachetools import TTLCache

from hapta.identity.counts import SessionCounts
from hapta.identity.ending import Ending
from hapta.identity.looks import Looks
from hapta.identity.memory import Known, Remembered
from hapta.identity.needs import Feed
from hapta.identity.proof import Prover
from hapta.identity.rows import RightsLost, SessionRows
from hapta.model.clock import Clock
from hapta.model.errors import Overloaded
from hapta.sessions.rotation import Session

_MISSING_KEPT_S = 60.0
_MISSING_KEPT = 20_000
_WITHOUT_FEED_S = 1.0
"""While the feed is down a session is read again when its last look is older than this."""
MAX_LOOKS = 20
"""A session that changes faster than it can be looked at is given up."""
LOOKS_IN_DOUBT = 2
"""So many begin anew because of a doubt alone."""


class Lookup:
    """Reads, proves and remembers sessions.

    Args:
        rows: sessions at rest.
        prover: asks PocketBase whether a token lives.
        feed: the change feed.
        known: the remembered ones.
        looks: those being read.
        ending: of what does not live any more.
        clock: monotonic time.
        counts: of what is done.
        admits: asked of every session read from its rows.
    """

    def __init__(
        self,
        rows: SessionRows,
        prover: Prover,
        feed: Feed,
        known: Remembered,
        looks: Looks,
        ending: Ending,
        clock: Clock,
        counts: SessionCounts,
        admits: Callable[[Session], bool],
    ) -> None:
        self._rows = rows
        self._prover = prover
        self._feed = feed
        self._known = known
        self._looks = looks
        self._ending = ending
        self._clock = clock
        self._counts = counts
        self._admits = admits
        self._proofs: dict[str, tuple[Known, int, int]] = {}
        self._missing: TTLCache[str, bool] = TTLCache(_MISSING_KEPT, _MISSING_KEPT_S, timer=clock.monotonic)

    async def find(self, session_id: str) -> Known | None:
        """The session, read and proved as far as it needs to be; joined by all who ask at once.

        Returns:
            ``None`` if there is no such session; one that ended says so itself.

        Raises:
            HaptaError: PocketBase had to be asked and did not answer.
        """
        known = self._known.get(session_id)
        if known is not None and self._is_good(known):
            return known
        if session_id in self._missing:
            return None
        is_overtaken = self._is_overtaken(session_id)
        found = await self._looks.join(session_id, self._look)
        return await self.find(session_id) if is_overtaken else found  # it may be older than this request

    def _is_overtaken(self, session_id: str) -> bool:
        """Whether a doubt came since PocketBase was asked in the look that is under way."""
        asked = self._proofs.get(session_id)
        if asked is None:
            return False
        known, doubts, proof_round = asked
        return (known.doubts, self._known.proof_round) != (doubts, proof_round)

    def _is_good(self, known: Known) -> bool:
        if known.session.ended_reason:
            return True
        if not known.holds(self._feed.epoch, self._known.proof_round):
            return False
        return self._feed.is_live or self._clock.monotonic() - known.seen_at < _WITHOUT_FEED_S

    async def _look(self, session_id: str) -> Known | None:
        for look in range(MAX_LOOKS):
            self._looks.begin(session_id)
            epoch = self._feed.epoch
            known = self._known.get(session_id)
            if known is None or not known.is_current or known.epoch != epoch or not self._feed.is_live:
                self._counts.rows += 1
                session = await self._load(session_id, known)
                if session is None:
                    self._missing[session_id] = True
                    self._ending.end_here(session_id, "deleted")
                    return None
                known = self.remember(session, epoch)
            else:
                self._counts.proof += 1
            if known.session.ended_reason:
                return known
            doubts, proof_round = known.doubts, self._known.proof_round
            lives = await self._prove(known)
            if self._looks.is_disturbed(session_id):
                known.is_current = False
                continue  # what was read may be older than the change
            if epoch != self._feed.epoch:
                continue
            if (doubts, proof_round) == (known.doubts, self._known.proof_round):
                known.is_proved, known.proof_round = lives, proof_round
                known.seen_at = self._clock.monotonic()
            elif not lives or look < LOOKS_IN_DOUBT:
                continue  # PocketBase may have been asked before the change
            if not lives:
                self._ending.end_later(session_id, "identity_lost")
            return known
        raise Overloaded

    async def _prove(self, known: Known) -> bool:
        session = known.session
        self._proofs[session.id] = known, known.doubts, self._known.proof_round
        try:
            return await self._prover.lives(session.newest.upstream_token, session.collection, session.record)
        finally:
            del self._proofs[session.id]

    async def _load(self, session_id: str, known: Known | None) -> Session | None:
        try:
            session = await self._rows.load(session_id)
        except RightsLost:
            if known is None:
                raise
            return known.session  # goes on for as long as PocketBase takes its token
        if session is not None and not self._admits(session):
            session.ended_reason = session.ended_reason or "restored"
        return session

    def remember(self, session: Session, epoch: int) -> Known:
        """Keep a session that was read or made in ``epoch``; its token is still to be proved."""
        before = self._known.get(session.id)
        session.ended_reason = self._ending.reason_of(session.id) or session.ended_reason
        if before is not None:
            session.keep(before.session)  # what happened here may not be written down yet
        known = Known(
            session,
            epoch,
            is_proved=False,
            is_current=True,
            seen_at=self._clock.monotonic(),
            proof_round=self._known.proof_round,
        )
        self._known.put(known)
        return known

    def rows_changed(self, known: Known) -> None:
        """A remembered session's rows are not what was read any more."""
        known.is_current = False
        self._looks.disturb(known.session.id)
