"""Sessions as one process knows them: who a token belongs to, looked up once and remembered while that is
safe.

What is remembered holds only while the change feed lives and its epoch is the one it was read in; every event
on the auth record, its collection or the session's own rows, and every own write, puts it in question, and
then it is read or proved again before the next answer. A remembered token costs one look-up; a made-up one
costs no read at all.

This file judges tokens and is the one door to the rest: :mod:`hapta.identity.lookup` reads and proves,
:mod:`hapta.identity.making` opens and rotates, :mod:`hapta.identity.ending` ends,
:mod:`hapta.identity.doubts` hears of changes.
"""

from collections.abc import Callable

from hapta.config import SessionsConfig
from hapta.identity.counts import SessionCounts
from hapta.identity.doubts import Doubts
from hapta.identity.ending import Ending
from hapta.identity.looks import Looks
from hapta.identity.lookup import Lookup
from hapta.identity.making import Making
from hapta.identity.memory import Known, Remembered
from hapta.identity.needs import Feed, Log, SessionEnded, Streams
from hapta.identity.proof import Prover
from hapta.identity.rows import SessionRows
from hapta.identity.standing import SessionStanding
from hapta.identity.writing import Writing
from hapta.model.clock import Clock
from hapta.model.identity import Identity
from hapta.model.recent import Recent
from hapta.model.tasks import TaskSet
from hapta.sessions.keys import KeyRing
from hapta.sessions.rotation import Session, Verdict
from hapta.sessions.token import ForgedToken, Parsed, is_genuine, parse


class SessionKeeper:
    """Remembers, reads, proves, makes and ends sessions.

    Args:
        rows: sessions at rest.
        prover: asks PocketBase whether a token lives.
        ring: keys of the tokens.
        feed: the change feed.
        config: the ``[sessions]`` table.
        clock: wall and monotonic time.
        log: told of replays.
        streams: the open event streams; those of a session end with it.

    Attributes:
        admits: asked of every session read from its rows; a restored backup may hold ended ones.
        on_ended: told the id of every session that ends.
        counts: what it did.
    """

    admits: Callable[[Session], bool]
    on_ended: Callable[[str], None]

    def __init__(
        self,
        rows: SessionRows,
        prover: Prover,
        ring: KeyRing,
        feed: Feed,
        config: SessionsConfig,
        clock: Clock,
        log: Log,
        streams: Streams,
    ) -> None:
        self.admits = lambda _: True
        self.on_ended = lambda _: None
        self.counts = counts = SessionCounts()
        self._rows = rows
        self._ring = ring
        self._feed = feed
        self._config = config
        self._clock = clock
        self._tasks = tasks = TaskSet()
        self._known = known = Remembered(config.max_remembered)
        self._tokens: Recent[str, tuple[Known, int, int]] = Recent(config.max_remembered)
        self._writing = writing = Writing(tasks, log)
        looks = Looks(tasks)
        self._ending = ending = Ending(
            rows, known, looks, streams, writing, clock, log, counts, lambda ended: self.on_ended(ended)
        )
        self._lookup = lookup = Lookup(
            rows, prover, feed, known, looks, ending, clock, counts, lambda session: self.admits(session)
        )
        self._making = Making(rows, lookup, ending, streams, writing, tasks, ring, feed, config, clock)
        self._doubts = Doubts(known, looks, lookup, ending, streams, tasks)

    def __len__(self) -> int:
        return len(self._known)

    def configure(self, config: SessionsConfig) -> None:
        """Another overlap and another most per identity from now on."""
        self._config = config
        self._making.configure(config)

    def recall(self, token: str) -> Identity | None:
        """The identity of a token that needs no second look: one look-up and some comparisons."""
        remembered = self._tokens.get(token)
        if remembered is None:
            return None
        known, generation, exp = remembered
        feed = self._feed
        feed.touch()
        if not (known.holds(feed.epoch, self._known.proof_round) and feed.is_live):
            return None
        now = self._clock.now()
        if now >= exp or known.session.judge(generation, now, self._config.overlap_s) is not Verdict.ACCEPT:
            return None
        if known.session.use(generation, now):
            self._note_first_use(known.session, generation, now)
        self.counts.memory += 1
        return known.identity(generation)

    def standing(self, token: str) -> SessionStanding | None:
        """Of a token that was looked up just now."""
        remembered = self._tokens.get(token)
        return None if remembered is None else SessionStanding(*remembered, self._known, self.counts)

    async def resolve(self, token: str, address: str) -> Identity | None:
        """Who a token belongs to.

        Args:
            token: what the client sent, without scheme.
            address: the client's, for the audit.

        Returns:
            ``None`` for a token that is not ours, was tampered with or has expired: a guest, as at
            PocketBase.

        Raises:
            SessionEnded: revoked, replayed, its identity lost, or of a session id we never gave away.
            HaptaError: PocketBase had to be asked and did not answer.
        """
        if (identity := self.recall(token)) is not None:
            return identity
        try:
            return await self._resolve(token, address)
        except SessionEnded:
            self.counts.refused += 1
            raise

    async def _resolve(self, token: str, address: str) -> Identity | None:
        try:
            parsed = parse(self._ring, token)
        except ForgedToken:
            raise SessionEnded from None
        if parsed is None or self._clock.now() >= parsed.claims.exp:
            return None
        claims = parsed.claims
        self._feed.touch()
        await self._feed.confirm()
        known = await self._lookup.find(claims.session)
        if known is None:
            raise SessionEnded
        if not is_genuine(self._ring, parsed, known.session.salt):
            return None
        return await self._judge(token, parsed, known, address)

    async def _judge(self, token: str, parsed: Parsed, known: Known, address: str) -> Identity:
        claims, overlap_s = parsed.claims, self._config.overlap_s
        now = self._clock.now()
        verdict = known.session.judge(claims.generation, now, overlap_s)
        if verdict is Verdict.UNKNOWN:
            self._lookup.rows_changed(known)  # another process may have made it, its event being on its way
            again = await self._lookup.find(claims.session)
            if again is None:
                raise SessionEnded
            known = again
            verdict = known.session.judge(claims.generation, now, overlap_s)
        if verdict is Verdict.REPLAY:
            self._ending.replayed(known.session, claims.generation, address)
        if verdict is not Verdict.ACCEPT:
            raise SessionEnded
        if known.session.use(claims.generation, now):
            self._note_first_use(known.session, claims.generation, now)
        self._tokens.put(token, (known, claims.generation, claims.exp))
        return known.identity(claims.generation)

    def _note_first_use(self, session: Session, generation: int, at: float) -> None:
        async def persist() -> None:
            await self._rows.first_used(session.id, generation, at)

        self._writing.later(persist, name=f"first use {session.id}")

    async def open(
        self, *, collection: str, record: str, upstream_token: str, exp: int, refreshable: bool,
        device: str, address: str, replaces: str | None = None,
    ) -> str:  # fmt: skip
        """Make a session for a login that PocketBase accepted just now; returns the client's token.

        Args:
            replaces: a session of the same auth record, which ends; its event streams go on.

        Raises:
            HaptaError: it could not be stored; the login must fail.
        """
        return await self._making.open(
            collection=collection,
            record=record,
            upstream_token=upstream_token,
            exp=exp,
            refreshable=refreshable,
            device=device,
            address=address,
            replaces=replaces,
        )

    async def refresh(self, identity: Identity, upstream_token: str, exp: int) -> str:
        """The next generation after ``identity``'s, whoever makes it first.

        Args:
            upstream_token: what PocketBase answered to the auth-refresh.
            exp: its expiry.

        Raises:
            SessionEnded: it ended meanwhile.
            HaptaError: it could not be stored.
        """
        return await self._making.refresh(identity, upstream_token, exp)

    async def end(self, session_id: str, reason: str) -> bool:
        """End a session; when this returns it is ended at rest and here; whether there was one.

        Raises:
            HaptaError: it is not known to be ended at rest; here it is.
        """
        return await self._ending.end(session_id, reason)

    def has_ended(self, session_id: str) -> bool:
        """Whether a session is known to have ended."""
        known = self._known.get(session_id)
        return known is not None and bool(known.session.ended_reason)

    def identity_changed(self, collection: str, record: str | None) -> None:
        """An auth record changed or may have: prove its tokens again before the next answer; ``None``: all of
        them."""
        self._doubts.identity_changed(collection, record)

    def everybody_changed(self) -> None:
        """Any auth record may have changed: all tokens are proved again before the next answer."""
        self._doubts.everybody_changed()

    def everything_changed(self) -> None:
        """Rows may have changed unseen: all of it is read again, and streams are looked after at once."""
        self._doubts.everything_changed()

    def session_row_changed(self, session_id: str, *, is_gone: bool | None) -> None:
        """A session's row changed.

        Args:
            is_gone: it was deleted or ended; ``None`` if that was not told.
        """
        self._doubts.session_row_changed(session_id, is_gone=is_gone)

    def rotation_row_changed(self, session_id: str, generation: int, first_used_at: float | None) -> None:
        """A generation was made or used for the first time, by this process or another."""
        self._doubts.rotation_row_changed(session_id, generation, first_used_at)

    async def close(self) -> None:
        """Finish what is being written."""
        await self._tasks.finish(2.0)
        await self._tasks.cancel()
