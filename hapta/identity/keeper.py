"""Sessions as one process knows them: who a token belongs to, looked up once and remembered while that is
safe.

What is remembered holds only while the change feed lives and its epoch is the one it was read in; every event
on the auth record, its collection or the session's own rows, and every own write, puts it in question, and
then it is read or proved again before the next answer. A remembered token costs one look-up; a made-up one
costs no read at all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from cachetools import LRUCache, TTLCache

from hapta.config import SessionsConfig
from hapta.identity.counts import SessionCounts
from hapta.identity.memory import Known, Remembered
from hapta.identity.proof import Prover
from hapta.identity.rows import RightsLost, SessionRows
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, Overloaded
from hapta.model.identity import Identity
from hapta.model.tasks import TaskSet
from hapta.sessions.keys import KeyRing
from hapta.sessions.rotation import Generation, Session, Verdict
from hapta.sessions.token import (
    Claims,
    ForgedToken,
    Parsed,
    is_genuine,
    mint,
    new_salt,
    new_session_id,
    parse,
)

_MISSING_KEPT_S = 60.0
_MISSING_KEPT = 20_000
_WITHOUT_FEED_S = 1.0
"""While the feed is down a session is read again when its last look is older than this."""
_RETRY_S = (0.2, 1.0, 5.0, 30.0)
_RECHECKS = 8
"""Sessions with event streams looked after at once, so that clients' requests find a way past them."""
MAX_LOOKS = 20
"""A session that changes faster than it can be looked at is given up."""


class SessionEnded(HaptaError):
    """A session that counts no more, or a token in our form with a session id that is not ours."""

    status, code = 401, "session_ended"
    message = "The request requires valid record authorization token."
    """PocketBase's words to whom it takes for a guest (``apis/middlewares.go``)."""


class Feed(Protocol):
    """What the keeper needs of the change feed and the schema watch."""

    @property
    def epoch(self) -> int:
        """Moves on every gap."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether changes are being heard of, those of the schema too."""
        ...

    async def confirm(self) -> None:
        """Ask about what nobody tells, if the last answer is too old; says nothing of the outcome."""

    def touch(self) -> None:
        """Something is answered on the strength of the feed."""
        ...


class Streams(Protocol):
    """What the keeper needs of the open event streams."""

    def has(self, owner: str) -> bool:
        """Whether a session has one: it makes no request that would find out that it ended."""
        ...

    def end(self, owner: str) -> None:
        """End those of a session."""

    def move(self, owner: str, new_owner: str) -> None:
        """They belong to another session of the same auth record from now on."""


class Log(Protocol):
    """Where the keeper tells what the operator should know."""

    def warning(self, event: str, **fields: object) -> None:
        """Works, but the operator should look at it."""


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
        self._rows = rows
        self._prover = prover
        self._ring = ring
        self._feed = feed
        self._config = config
        self._clock = clock
        self._log = log
        self._streams = streams
        self._tasks = TaskSet()
        self._known: Remembered = Remembered(config.max_remembered)
        self._tokens: LRUCache[str, tuple[Known, int, int]] = LRUCache(config.max_remembered)
        self._missing: TTLCache[str, bool] = TTLCache(_MISSING_KEPT, _MISSING_KEPT_S, timer=clock.monotonic)
        self._flights: dict[str, asyncio.Task[Known | None]] = {}
        self._rotations: dict[tuple[str, int], asyncio.Task[str]] = {}
        self._disturbed: set[str] = set()
        self._ending: dict[str, str] = {}
        self._rechecking: set[str] = set()
        self._recheck_turns = asyncio.Semaphore(_RECHECKS)
        self._proof_round = 0
        self.admits: Callable[[Session], bool] = lambda _: True
        self.on_ended: Callable[[str], None] = lambda _: None
        self.counts = SessionCounts()

    def __len__(self) -> int:
        return len(self._known)

    def recall(self, token: str) -> Identity | None:
        """The identity of a token that needs no second look: one look-up and some comparisons."""
        entry = self._tokens.get(token)
        if entry is None:
            return None
        known, generation, exp = entry
        feed = self._feed
        feed.touch()
        if not (
            known.is_proved
            and known.is_current
            and known.proof_round == self._proof_round
            and known.epoch == feed.epoch
            and feed.is_live
        ):
            return None
        now = self._clock.now()
        if now >= exp or known.session.judge(generation, now, self._config.overlap_s) is not Verdict.ACCEPT:
            return None
        if known.session.use(generation, now):
            self._note_first_use(known.session, generation, now)
        self.counts.memory += 1
        return known.identity(generation)

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
        known = await self._look_up(claims.session)
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
            self._rows_changed(known)  # another process may have made it and its event be on its way
            again = await self._look_up(claims.session)
            if again is None:
                raise SessionEnded
            known = again
            verdict = known.session.judge(claims.generation, now, overlap_s)
        if verdict is Verdict.REPLAY:
            self._replayed(known.session, claims.generation, address)
        if verdict is not Verdict.ACCEPT:
            raise SessionEnded
        if known.session.use(claims.generation, now):
            self._note_first_use(known.session, claims.generation, now)
        self._tokens[token] = (known, claims.generation, claims.exp)
        return known.identity(claims.generation)

    async def _look_up(self, session_id: str) -> Known | None:
        """The session, read and proved as far as it needs to be; joined by all who ask at once."""
        known = self._known.get(session_id)
        if known is not None and self._is_good(known):
            return known
        if session_id in self._missing:
            return None
        flight = self._flights.get(session_id)
        if flight is None:
            flight = self._tasks.spawn(self._fetch(session_id), name=f"session {session_id}")
            self._flights[session_id] = flight
            flight.add_done_callback(lambda _: self._flights.pop(session_id, None))
        return await asyncio.shield(flight)

    def _is_good(self, known: Known) -> bool:
        if known.session.ended_reason:
            return True
        if not (known.is_proved and known.is_current and known.epoch == self._feed.epoch):
            return False
        if known.proof_round != self._proof_round:
            return False
        return self._feed.is_live or self._clock.monotonic() - known.seen_at < _WITHOUT_FEED_S

    async def _fetch(self, session_id: str) -> Known | None:
        for _ in range(MAX_LOOKS):
            self._disturbed.discard(session_id)
            epoch, proof_round = self._feed.epoch, self._proof_round
            known = self._known.get(session_id)
            if known is None or not known.is_current or known.epoch != epoch or not self._feed.is_live:
                self.counts.rows += 1
                session = await self._load(session_id, known)
                if session is None:
                    self._missing[session_id] = True
                    self._end_here(session_id, "deleted")
                    return None
                known = self._remember(session, epoch, is_proved=False)
            else:
                self.counts.proof += 1
            if known.session.ended_reason:
                return known
            doubts = known.doubts
            newest = known.session.newest
            lives = await self._prover.lives(
                newest.upstream_token, known.session.collection, known.session.record
            )
            if session_id in self._disturbed:
                known.is_current = False
                continue  # what was read may be older than the change
            if doubts != known.doubts or (epoch, proof_round) != (self._feed.epoch, self._proof_round):
                continue  # PocketBase may have been asked before the change
            if not lives:
                self._end_later(session_id, "identity_lost")
                return known
            known.is_proved, known.proof_round = True, proof_round
            known.seen_at = self._clock.monotonic()
            return known
        raise Overloaded

    async def _load(self, session_id: str, known: Known | None) -> Session | None:
        try:
            session = await self._rows.load(session_id)
        except RightsLost:
            if known is None:
                raise
            return known.session  # goes on for as long as PocketBase takes its token
        if session is not None and not self.admits(session):
            session.ended_reason = session.ended_reason or "restored"
        return session

    def _remember(self, session: Session, epoch: int, *, is_proved: bool) -> Known:
        before = self._known.get(session.id)
        session.ended_reason = self._ending.get(session.id) or session.ended_reason
        if before is not None:
            session.keep(before.session)  # what happened here may not be written down yet
        known = Known(session, epoch, is_proved, True, self._clock.monotonic(), self._proof_round)
        self._known.put(known)
        return known

    # making

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
        now = self._clock.now()
        epoch = self._feed.epoch
        first = Generation(1, upstream_token, now, exp, first_used_at=now)
        session = Session(new_session_id(), collection, record, new_salt(), refreshable, {1: first})
        await self._rows.create(session, device=device, address=address)
        self._remember(session, epoch, is_proved=False)  # something may have happened since the login
        if replaces is not None:
            self._streams.move(replaces, session.id)
            await self._replaced(replaces)
        self._tasks.spawn(self._end_oldest(collection, record, now), name="sessions of one identity")
        return self._token(session, first)

    async def _replaced(self, session_id: str) -> None:
        reason = "new_login"
        try:
            await self.end(session_id, reason)
        except HaptaError:  # the login is made and must be answered
            self._end_later(session_id, reason)

    async def refresh(self, identity: Identity, upstream_token: str, exp: int) -> str:
        """The next generation after ``identity``'s, whoever makes it first.

        Args:
            upstream_token: what PocketBase answered to the auth-refresh.
            exp: its expiry.

        Raises:
            SessionEnded: it ended meanwhile.
            HaptaError: it could not be stored.
        """
        session_id = identity.session
        assert session_id is not None
        key = (session_id, identity.generation)
        flight = self._rotations.get(key)
        if flight is None:
            flight = self._tasks.spawn(
                self._refresh(session_id, identity.generation, upstream_token, exp),
                name=f"rotation of {session_id}",
            )
            self._rotations[key] = flight
            flight.add_done_callback(lambda _: self._rotations.pop(key, None))
        return await asyncio.shield(flight)

    async def _refresh(self, session_id: str, generation: int, upstream_token: str, exp: int) -> str:
        known = await self._look_up(session_id)
        if known is None or known.session.ended_reason:
            raise SessionEnded
        session, number = known.session, generation + 1
        made = session.generations.get(number)
        if made is None:
            if number <= max(session.generations):
                raise SessionEnded  # it retired and was forgotten while PocketBase was asked
            made = await self._rows.rotate(
                session_id, Generation(number, upstream_token, self._clock.now(), exp)
            )
            if made is None:
                self._rows_changed(known)
                raise SessionEnded
            session.generations.setdefault(number, made)
            known.identities.clear()
            self._tasks.spawn(self._after_rotation(session), name="after a rotation")
        return self._token(session, made)

    def _token(self, session: Session, generation: Generation) -> str:
        claims = Claims(
            session.id,
            generation.number,
            session.collection,
            session.record,
            generation.exp,
            session.refreshable,
        )
        return mint(self._ring.current, claims, session.salt)

    async def _after_rotation(self, session: Session) -> None:
        now = self._clock.now()
        old = session.forgettable(now, self._config.overlap_s)
        for number in old:
            session.generations.pop(number, None)

        async def tidy() -> None:
            await self._rows.touch(session.id, used_at=now, exp=session.newest.exp)
            await self._rows.forget(session.id, old)

        await self._persist(tidy)

    async def _end_oldest(self, collection: str, record: str, now: float) -> None:
        async def trim() -> None:
            rows = await self._rows.of_identity(collection, record, now)
            for row in rows[self._config.max_per_identity :]:
                await self.end(row["id"], "too_many")

        await self._persist(trim)

    # ending

    async def end(self, session_id: str, reason: str) -> bool:
        """End a session; when this returns it is ended at rest and here; whether there was one.

        Raises:
            HaptaError: it is not known to be ended at rest; here it is.
        """
        self._end_here(session_id, reason)
        existed = await self._rows.end(session_id, reason, self._clock.now())
        self._end_here(session_id, reason)  # it may have been read meanwhile
        if existed:
            self.counts.ended[reason] += 1
        return existed

    def _end_here(self, session_id: str, reason: str) -> None:
        if session_id in self._flights:
            self._disturbed.add(session_id)
        known = self._known.get(session_id)
        if known is not None and not known.session.ended_reason:
            known.session.ended_reason = reason
        self._streams.end(session_id)
        self.on_ended(session_id)

    def _end_later(self, session_id: str, reason: str) -> None:
        """End a session here now, and at rest as soon as PocketBase takes it."""
        self._ending[session_id] = reason
        self._end_here(session_id, reason)
        self.counts.ended[reason] += 1

        async def persist() -> None:
            await self._rows.end(session_id, reason, self._clock.now())
            self._ending.pop(session_id, None)

        self._tasks.spawn(self._persist(persist), name=f"end {session_id}")

    def _replayed(self, session: Session, generation: int, address: str) -> None:
        self.counts.replays += 1
        self._end_later(session.id, "replay")
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

        self._tasks.spawn(self._persist(audit), name=f"audit {session.id}")

    def _note_first_use(self, session: Session, generation: int, at: float) -> None:
        async def persist() -> None:
            await self._rows.first_used(session.id, generation, at)

        self._tasks.spawn(self._persist(persist), name=f"first use {session.id}")

    async def _persist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what must be written in the end, again and again for a while."""
        for delay_s in _RETRY_S:
            try:
                return await work()
            except HaptaError:
                await asyncio.sleep(delay_s)
        try:
            await work()
        except HaptaError as exc:
            self._log.warning("sessions", message=f"a session's row could not be brought up to date: {exc}")

    # doubts

    def identity_changed(self, collection: str, record: str | None) -> None:
        """An auth record changed or may have: prove its tokens again before the next answer; ``None``: all of
        them."""
        for known in self._known.of(collection, record):
            self._doubt(known)

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
                await self._look_up(session_id)

    def has_ended(self, session_id: str) -> bool:
        """Whether a session is known to have ended."""
        known = self._known.get(session_id)
        return known is not None and bool(known.session.ended_reason)

    def everybody_changed(self) -> None:
        """Any auth record may have changed: all tokens are proved again before the next answer."""
        self._proof_round += 1

    def everything_changed(self) -> None:
        """Rows may have changed unseen: all of it is read again, and streams are looked after at once."""
        for known in self._known.all():
            known.is_current = False
            self._doubt(known)
        self._disturbed.update(self._flights)

    def session_row_changed(self, session_id: str, *, is_gone: bool | None) -> None:
        """A session's row changed.

        Args:
            is_gone: it was deleted or ended; ``None`` if that was not told.
        """
        known = self._known.get(session_id)
        if is_gone:
            self._end_here(session_id, "ended_elsewhere")
        elif is_gone is None and known is not None:
            self._rows_changed(known)
        elif session_id in self._flights:
            self._disturbed.add(session_id)

    def rotation_row_changed(self, session_id: str, generation: int, first_used_at: float | None) -> None:
        """A generation was made or used for the first time, by this process or another."""
        if session_id in self._flights:
            self._disturbed.add(session_id)
        known = self._known.get(session_id)
        if known is None:
            return
        if generation not in known.session.generations:
            self._rows_changed(known)
        elif first_used_at is not None:
            known.session.was_used(generation, first_used_at)

    def _rows_changed(self, known: Known) -> None:
        known.is_current = False
        if known.session.id in self._flights:
            self._disturbed.add(known.session.id)

    async def close(self) -> None:
        """Finish what is being written."""
        await self._tasks.finish(2.0)
        await self._tasks.cancel()
