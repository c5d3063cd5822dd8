"""Making sessions and their tokens: a login opens one, a refresh makes its next generation.

Both are written before the client gets its token, so that what was acknowledged survives a kill; tidying up
after it is not waited for.
"""

import asyncio
from contextlib import suppress

from hapta.config import SessionsConfig
from hapta.identity.ending import Ending
from hapta.identity.lookup import Lookup
from hapta.identity.needs import Feed, SessionEnded, Streams
from hapta.identity.rows import SessionRows
from hapta.identity.writing import Writing
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError
from hapta.model.identity import Identity
from hapta.model.tasks import TaskSet
from hapta.sessions.keys import KeyRing
from hapta.sessions.rotation import Generation, Session
from hapta.sessions.token import Claims, mint, new_salt, new_session_id


class Making:
    """Opens and rotates sessions.

    Args:
        rows: sessions at rest.
        lookup: reads and remembers them.
        ending: of those a new one replaces.
        streams: the open event streams; a login takes those of the session it replaces along.
        writing: writes what is not waited for.
        tasks: hold rotations; who asked may leave without ending one for the others.
        ring: keys of the tokens.
        feed: the change feed.
        config: the ``[sessions]`` table.
        clock: wall time.
    """

    def __init__(
        self,
        rows: SessionRows,
        lookup: Lookup,
        ending: Ending,
        streams: Streams,
        writing: Writing,
        tasks: TaskSet,
        ring: KeyRing,
        feed: Feed,
        config: SessionsConfig,
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._lookup = lookup
        self._ending = ending
        self._streams = streams
        self._writing = writing
        self._tasks = tasks
        self._ring = ring
        self._feed = feed
        self._config = config
        self._clock = clock
        self._rotations: dict[tuple[str, int], asyncio.Task[str]] = {}

    def configure(self, config: SessionsConfig) -> None:
        """Other values from now on."""
        self._config = config

    async def open(
        self, *, collection: str, record: str, upstream_token: str, exp: int, refreshable: bool,
        device: str, address: str, replaces: str | None,
    ) -> str:  # fmt: skip
        """See :meth:`hapta.identity.keeper.SessionKeeper.open`."""
        now = self._clock.now()
        epoch = self._feed.epoch
        first = Generation(1, upstream_token, now, exp, first_used_at=now)
        session = Session(new_session_id(), collection, record, new_salt(), refreshable, {1: first})
        await self._rows.create(session, device=device, address=address)
        self._lookup.remember(session, epoch)  # to be proved: something may have happened since the login
        if replaces is not None:
            self._streams.move(replaces, session.id)
            await self._replaced(replaces)

        async def trim() -> None:
            await self._end_oldest(collection, record, now)

        self._writing.later(trim, name="sessions of one identity")
        return self._token(session, first)

    async def _replaced(self, session_id: str) -> None:
        with suppress(HaptaError):  # the login is made and must be answered; it is written later
            await self._ending.end(session_id, "new_login")

    async def _end_oldest(self, collection: str, record: str, now: float) -> None:
        for session_id in await self._rows.beyond(collection, record, now, self._config.max_per_identity):
            await self._ending.end(session_id, "too_many")

    async def refresh(self, identity: Identity, upstream_token: str, exp: int) -> str:
        """See :meth:`hapta.identity.keeper.SessionKeeper.refresh`."""
        session_id = identity.session
        assert session_id is not None
        key = (session_id, identity.generation)
        flight = self._rotations.get(key)
        if flight is None:
            flight = self._tasks.spawn(
                self._rotate(session_id, identity.generation, upstream_token, exp),
                name=f"rotation of {session_id}",
            )
            self._rotations[key] = flight
            flight.add_done_callback(lambda _: self._rotations.pop(key, None))
        return await asyncio.shield(flight)

    async def _rotate(self, session_id: str, generation: int, upstream_token: str, exp: int) -> str:
        known = await self._lookup.find(session_id)
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
                self._lookup.rows_changed(known)
                raise SessionEnded
            session.generations.setdefault(number, made)
            known.identities.clear()
            self._tasks.spawn(self._after_rotation(session), name="after a rotation")
        return self._token(session, made)

    async def _after_rotation(self, session: Session) -> None:
        now = self._clock.now()
        old = session.forgettable(now, self._config.overlap_s)
        for number in old:
            session.generations.pop(number, None)

        async def tidy() -> None:
            await self._rows.touch(session.id, used_at=now, exp=session.newest.exp)
            await self._rows.forget(session.id, old)

        await self._writing.persist(tidy)

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
