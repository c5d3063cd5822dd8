"""Interactions of everybody, written together.

What comes within :data:`WINDOW_S` goes to PocketBase in one write, and while that is under way the next one
gathers. Who sent it is answered once PocketBase has it, so what was acknowledged survives whatever happens;
what was not is as if it had not been sent, or is found to be there when it is sent again.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from hapta.app.interaction_memory import Key, UserMemory, UserState
from hapta.app.interaction_rows import Place, Written
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, Overloaded
from hapta.model.tasks import TaskSet
from hapta.ranking.interactions import NOTHING, Interaction, Row, after

WINDOW_S: Final = 0.02
MOST_WAITING: Final = 10_000
"""Interactions on their way to PocketBase; beyond that 503."""
_OWN_FOR_S: Final = 5.0
"""So long after a write its event may come."""
_LEAVE_S: Final = 5.0


class Rows(Protocol):
    """Where they are written."""

    async def write(self, rows: Sequence[Written]) -> Mapping[str, HaptaError]: ...


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of a request's interactions.

    Attributes:
        accepted: changed something.
        duplicates: were known.
        rows: that the user has by now.
    """

    accepted: int
    duplicates: int
    rows: int


@dataclass(eq=False, slots=True)
class _Sent:
    """One request's."""

    key: Key
    collection: str
    done: Sequence[Interaction]
    at: float
    answer: "asyncio.Future[Counted]"
    places: set[Place] = field(default_factory=set)
    accepted: int = 0


class GroupCommit:
    """Writes them, from :meth:`start` to :meth:`stop`.

    Args:
        memory: what was done before; told of what was written.
        rows: where it is written.
    """

    def __init__(self, memory: UserMemory, rows: Rows, clock: Clock) -> None:
        self._memory = memory
        self._rows = rows
        self._clock = clock
        self._sent: list[_Sent] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks = TaskSet()
        self._wrote_at: dict[Key, float] = {}

    def start(self) -> None:
        """Begin."""
        self._tasks.spawn(self._run(), name="interactions are written")

    async def stop(self) -> None:
        """Write what is there, and end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._idle.wait()
        await self._tasks.cancel()

    def has_written(self, key: Key) -> bool:
        """Whether rows of a user are being written, or were a moment ago."""
        return self._clock.monotonic() - self._wrote_at.get(key, float("-inf")) < _OWN_FOR_S

    async def put(self, key: Key, collection: str, done: Sequence[Interaction]) -> Counted:
        """Write what a user did; returns once PocketBase has it.

        Raises:
            Overloaded: too much is on its way already; nothing was written.
            HaptaError: it is not known whether all of it was written.
        """
        if self._waiting + len(done) > MOST_WAITING:
            raise Overloaded
        self._waiting += len(done)
        self._idle.clear()
        try:
            await self._memory.get(key)  # so that nobody else waits for it
            sent = _Sent(key, collection, done, self._clock.now(), asyncio.get_running_loop().create_future())
            self._sent.append(sent)
            self._wake.set()
            return await sent.answer
        finally:
            self._waiting -= len(done)
            if not self._waiting:
                self._idle.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(WINDOW_S)
            self._wake.clear()
            sent, self._sent = self._sent, []
            try:
                await self._commit(sent)
            except Exception as exc:  # a bug of ours: whoever waits for an answer learns of it
                for each in sent:
                    _fail(each, exc)

    async def _commit(self, sent: Sequence[_Sent]) -> None:
        states = await self._states({each.key for each in sent})
        rows: dict[Key, dict[Place, Row]] = {key: {} for key in states}
        for each in sent:
            state = states[each.key]
            if isinstance(state, HaptaError):
                _fail(each, state.for_another())
            else:
                _apply(each, state, rows[each.key])
        written = [
            Written(place, state.row(place), row)
            for key, state in states.items()
            if isinstance(state, UserState)
            for place, row in rows[key].items()
            if row != state.row(place)
        ]
        self._note({(one.place.auth, one.place.user) for one in written})
        failed = await self._rows.write(written)
        self._learn(written, failed)
        for each in sent:
            if each.answer.done():
                continue
            errors = (failed[place.id] for place in each.places if place.id in failed) if failed else ()
            error = next(iter(errors), None)
            if error is not None:
                _fail(each, error.for_another())
            else:
                each.answer.set_result(_counted(each, states[each.key], rows[each.key]))

    async def _states(self, keys: Iterable[Key]) -> Mapping[Key, UserState | HaptaError]:
        async def of(key: Key) -> tuple[Key, UserState | HaptaError]:
            try:
                return key, await self._memory.get(key)
            except HaptaError as error:
                return key, error

        return dict(await asyncio.gather(*(of(key) for key in keys)))

    def _note(self, keys: Iterable[Key]) -> None:
        """Whose rows are written now; those of whom no echo can come any more are let go."""
        now = self._clock.monotonic()
        for key in keys:
            self._wrote_at.pop(key, None)
            self._wrote_at[key] = now
        while self._wrote_at:
            oldest = next(iter(self._wrote_at))
            if self.has_written(oldest):
                return
            del self._wrote_at[oldest]

    def _learn(self, written: Iterable[Written], failed: Mapping[str, HaptaError]) -> None:
        learned: dict[Key, dict[Place, Row | None]] = {}
        unsure: set[Key] = set()
        for one in written:
            key = (one.place.auth, one.place.user)
            if one.place.id in failed:
                unsure.add(key)
            else:
                learned.setdefault(key, {})[one.place] = one.row
        for key, rows in learned.items():
            self._memory.wrote(key, rows)
        for key in unsure:
            self._memory.drop(key)
        self._note(learned)


def _apply(sent: _Sent, state: UserState, rows: dict[Place, Row]) -> None:
    """Do what was sent to a user's rows, those that were changed just now being in ``rows``."""
    for done in sent.done:
        place = Place(*sent.key, sent.collection, done.record)
        before = rows.get(place)
        if before is None:
            before = state.row(place)
        row = after(before, done, sent.at)
        if row is not before:
            rows[place] = row
            sent.accepted += 1
        sent.places.add(place)


def _counted(sent: _Sent, before: UserState | HaptaError, rows: Mapping[Place, Row]) -> Counted:
    assert isinstance(before, UserState), "or it would have failed"
    new = sum(before.row(place) is NOTHING for place in rows)
    return Counted(sent.accepted, len(sent.done) - sent.accepted, before.count + new)


def _fail(sent: _Sent, error: Exception) -> None:
    if not sent.answer.done():
        sent.answer.set_exception(error)
