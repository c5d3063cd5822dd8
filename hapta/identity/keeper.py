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
from hapta.identity.memory import Known, Remembered
from hapta.identity.proof import Prover
from hapta.identity.rows import SessionRows
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError
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


class SessionEnded(HaptaError):
    """A genuine session that counts no more, or a token in our form that is not ours."""

    status, code = 401, "session_ended"
    message = "The session has ended. Please log in again."


class Feed(Protocol):
    """What the keeper needs of the change feed."""

    @property
    def epoch(self) -> int:
        """Moves on every gap."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether changes are being heard of."""
        ...

    def touch(self) -> None:
        """Something is answered on the strength of the feed."""
        ...


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
        on_ended: told the id of every session that ends.
        has_stream: whether an event stream is bound to a session: it makes no request that would find out.

    Attributes:
        admits: asked for the id of every session read from its rows; a restored backup may hold ended ones.
        on_opened: told the id of every session made here.
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
        on_ended: Callable[[str], None],
        has_stream: Callable[[str], bool],
    ) -> None:
        self._rows = rows
        self._prover = prover
        self._ring = ring
        self._feed = feed
        self._config = config
        self._clock = clock
        self._log = log
        self._on_ended = on_ended
        self._has_stream = has_stream
        self._tasks = TaskSet()
        self._known: Remembered = Remembered(config.max_remembered)
        self._tokens: LRUCache[str, tuple[Known, int, int]] = LRUCache(config.max_remembered)
        self._missing: TTLCache[str, bool] = TTLCache(_MISSING_KEPT, _MISSING_KEPT_S, timer=clock.monotonic)
        self._flights: dict[str, asyncio.Task[Known | None]] = {}
        self._rotating: dict[str, asyncio.Lock] = {}
        self._disturbed: set[str] = set()
        self._proof_round = 0
        self.admits: Callable[[str], bool] = lambda _: True
        self.on_opened: Callable[[str], None] = lambda _: None

    def __len__(self) -> int:
        return len(self._known)

    def recall(self, token: str) -> Identity | None:
        """The identity of a token that needs no second look: one look-up and some comparisons."""
        entry = self._tokens.get(token)
        if entry is None:
            return None
        known, generation, exp = entry
        feed = self._feed
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
        feed.touch()
        if known.session.use(generation, now):
            self._note_first_use(known.session, generation, now)
        return known.identity(generation)

    async def resolve(self, token: str, address: str) -> Identity | None:
        """Who a token belongs to.

        Args:
            token: what the client sent, without scheme.
            address: the client's, for the audit.

        Returns:
            ``None`` for a token that is not ours, or that has expired: a guest, as at PocketBase.

        Raises:
            SessionEnded: revoked, replayed, its identity lost, or made up in our form.
            HaptaError: PocketBase had to be asked and did not answer.
        """
        if (identity := self.recall(token)) is not None:
            return identity
        try:
            parsed = parse(self._ring, token)
        except ForgedToken:
            raise SessionEnded from None
        if parsed is None or self._clock.now() >= parsed.claims.exp:
            return None
        claims = parsed.claims
        known = await self._look_up(claims.session)
        if known is None or not is_genuine(self._ring, parsed, known.session.salt):
            raise SessionEnded
        return await self._judge(token, parsed, known, address)

    async def _judge(self, token: str, parsed: Parsed, known: Known, address: str) -> Identity:
        claims, overlap_s = parsed.claims, self._config.overlap_s
        now = self._clock.now()
        verdict = known.session.judge(claims.generation, now, overlap_s)
        if verdict is Verdict.UNKNOWN:
            known.is_current = False  # another process may have made it and its event be on its way
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
        while True:
            self._disturbed.discard(session_id)
            epoch, proof_round = self._feed.epoch, self._proof_round
            known = self._known.get(session_id)
            if known is None or not known.is_current or known.epoch != epoch or not self._feed.is_live:
                session = await self._rows.load(session_id)
                if session is None:
                    self._missing[session_id] = True
                    self._forget_missing(session_id)
                    return None
                if not self.admits(session_id):
                    session.ended_reason = session.ended_reason or "restored"
                known = self._remember(session, epoch, is_proved=False)
            if known.session.ended_reason:
                return known
            doubts = known.doubts
            newest = known.session.newest
            lives = await self._prover.lives(
                newest.upstream_token, known.session.collection, known.session.record
            )
            if (session_id in self._disturbed or doubts != known.doubts) or (
                (epoch, proof_round) != (self._feed.epoch, self._proof_round)
            ):
                continue  # something changed while we asked: what we know may be older than that
            if not lives:
                await self.end(session_id, "identity_lost")
                return self._known.get(session_id)
            known.is_proved, known.proof_round = True, proof_round
            known.seen_at = self._clock.monotonic()
            return known

    def _remember(self, session: Session, epoch: int, *, is_proved: bool) -> Known:
        before = self._known.get(session.id)
        if before is not None and before.session.ended_reason:
            session.ended_reason = before.session.ended_reason  # what ended here stays ended
        known = Known(session, epoch, is_proved, True, self._clock.monotonic(), self._proof_round)
        self._known.put(known)
        return known

    def _forget_missing(self, session_id: str) -> None:
        known = self._known.get(session_id)
        if known is not None:
            known.session.ended_reason = known.session.ended_reason or "deleted"
            self._on_ended(session_id)

    # making

    async def open(
        self, *, collection: str, record: str, upstream_token: str, exp: int, refreshable: bool,
        device: str, address: str,
    ) -> str:  # fmt: skip
        """Make a session for a login that PocketBase accepted just now; returns the client's token.

        Raises:
            HaptaError: it could not be stored; the login must fail.
        """
        now = self._clock.now()
        epoch = self._feed.epoch
        first = Generation(1, upstream_token, now, exp, first_used_at=now)
        session = Session(new_session_id(), collection, record, new_salt(), refreshable, {1: first})
        await self._rows.create(session, device=device, address=address)
        self._remember(session, epoch, is_proved=True)
        self.on_opened(session.id)
        self._tasks.spawn(self._end_oldest(collection, record, now), name="sessions of one identity")
        return self._token(session, first)

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
        lock = self._rotating.setdefault(session_id, asyncio.Lock())
        try:
            async with lock:
                return await self._refresh(session_id, identity.generation, upstream_token, exp)
        finally:
            if not lock.locked():
                self._rotating.pop(session_id, None)

    async def _refresh(self, session_id: str, generation: int, upstream_token: str, exp: int) -> str:
        known = await self._look_up(session_id)
        if known is None or known.session.ended_reason:
            raise SessionEnded
        session, number = known.session, generation + 1
        made = session.generations.get(number)
        if made is None:
            made = await self._rows.rotate(
                session_id, Generation(number, upstream_token, self._clock.now(), exp)
            )
            if made is None:
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
        return await self._rows.end(session_id, reason, self._clock.now())

    def _end_here(self, session_id: str, reason: str) -> None:
        known = self._known.get(session_id)
        if known is not None and not known.session.ended_reason:
            known.session.ended_reason = reason
        self._on_ended(session_id)

    def _replayed(self, session: Session, generation: int, address: str) -> None:
        self._end_here(session.id, "replay")
        self._log.warning(
            "replay",
            message="a retired session token was used again; the session was ended",
            session=session.id,
            generation=generation,
            address=address,
        )

        async def persist() -> None:
            await self._rows.end(session.id, "replay", self._clock.now())

        async def audit() -> None:
            await self._rows.audit(
                "replay", session=session, address=address, detail={"generation": generation}
            )

        self._tasks.spawn(self._persist(persist), name=f"end {session.id}")
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
        if self._has_stream(known.session.id):
            self._tasks.spawn(self._recheck(known.session.id), name=f"recheck {known.session.id}")

    async def _recheck(self, session_id: str) -> None:
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

    def session_row_changed(self, session_id: str, *, is_gone: bool, generation: int | None = None) -> None:
        """A row of a session changed.

        Args:
            is_gone: it was deleted or ended.
            generation: a rotation row of this number appeared or changed.
        """
        known = self._known.get(session_id)
        if session_id in self._flights:
            self._disturbed.add(session_id)
        if is_gone:
            self._end_here(session_id, "ended_elsewhere")
        elif known is not None and generation is not None and generation not in known.session.generations:
            known.is_current = False

    async def close(self) -> None:
        """Finish what is being written."""
        await self._tasks.finish(2.0)
        await self._tasks.cancel()
