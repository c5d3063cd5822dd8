"""What users did, in memory: read when first needed, kept current by own writes and the change feed.

A state is one value that never changes; what is learned makes another. A read that is under way when
something is learned of its user may have missed it: whoever waits for it gets what it found, and it is not
kept.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from hapta.app.interaction_rows import Place
from hapta.model.recent import Recent
from hapta.model.tasks import TaskSet
from hapta.ranking.interactions import NOTHING, Row, UserInteractions, join

Key: TypeAlias = tuple[str, str]
"""Whose: ids of the auth collection and of the record in it."""

USUAL_ROWS: Final = 100
"""Of one user; who has more takes the room of several."""


class Rows(Protocol):
    """Where it is read from."""

    async def of_user(self, auth: str, user: str) -> list[tuple[Place, Row]]: ...


@dataclass(frozen=True, slots=True)
class UserState:
    """All that one user did.

    Attributes:
        key: whose it is.
        by_collection: by the collection's id.
        count: of rows.
    """

    key: Key
    by_collection: Mapping[str, UserInteractions] = field(default_factory=dict)
    count: int = 0

    def of(self, collection: str) -> UserInteractions:
        """With the rows of one collection."""
        return self.by_collection.get(collection) or UserInteractions()

    def row(self, place: Place) -> Row:
        """As far as there is one."""
        theirs = self.by_collection.get(place.collection)
        return NOTHING if theirs is None else theirs.rows.get(place.record, NOTHING)

    def rows(self) -> Iterator[tuple[Place, Row]]:
        """All of them."""
        for collection, theirs in self.by_collection.items():
            for record, row in theirs.rows.items():
                yield Place(*self.key, collection, record), row

    def having(self, changes: Mapping[Place, Row | None]) -> "UserState":
        """The state with other rows; ``None`` for those that are gone."""
        changed: dict[str, dict[str, Row]] = {}
        for place, row in changes.items():
            rows = changed.get(place.collection)
            if rows is None:
                rows = changed[place.collection] = dict(self.of(place.collection).rows)
            if row is None:
                rows.pop(place.record, None)
            else:
                rows[place.record] = row
        theirs = {collection: UserInteractions(rows) for collection, rows in changed.items()}
        whole = {**self.by_collection, **theirs}
        return UserState(self.key, whole, sum(len(each.rows) for each in whole.values()))


@dataclass(eq=False, slots=True)
class _Read:
    """One that is under way."""

    task: "asyncio.Task[UserState]"
    is_outdated: bool = False


class UserMemory:
    """Remembers users.

    Args:
        rows: where they are read from.
        most_users: so many, of :data:`USUAL_ROWS` rows.
    """

    def __init__(self, rows: Rows, most_users: int) -> None:
        self._rows = rows
        self._tasks = TaskSet()
        self._reads: dict[Key, _Read] = {}
        self.configure(most_users)

    def __len__(self) -> int:
        return len(self._states)

    def configure(self, most_users: int) -> None:
        """Remember so many from now on, and nobody yet."""
        self._states: Recent[Key, UserState] = Recent(most_users * USUAL_ROWS, _weight)
        self.clear()

    async def get(self, key: Key) -> UserState:
        """What a user did, as it is in PocketBase by now or later.

        Raises:
            HaptaError: it could not be read.
        """
        state = self._states.get(key)
        if state is not None:
            return state
        read = self._reads.get(key)
        if read is None or read.is_outdated:
            task = self._tasks.spawn(self._read(key), name="what a user did")
            read = self._reads[key] = _Read(task)
            task.add_done_callback(lambda _, mine=read: self._end(key, mine))  # type: ignore[misc]
        return await asyncio.shield(read.task)

    def known(self, key: Key) -> UserState | None:
        """What is remembered of a user."""
        return self._states.get(key)

    def wrote(self, key: Key, rows: Mapping[Place, Row | None]) -> None:
        """Rows were written; ``None`` for those that were deleted."""
        self._outdate(key)
        state = self._states.get(key)
        if state is not None:
            joined = {
                place: None if row is None else join(row, state.row(place)) for place, row in rows.items()
            }
            self._states.put(key, state.having(joined))

    def told(self, place: Place, row: Row, *, is_own: bool) -> None:
        """An event of a row; it may be older than what is known.

        Args:
            is_own: it may be the echo of an own write.
        """
        key = (place.auth, place.user)
        self._outdate(key)
        state = self._states.get(key)
        if state is None:
            return
        joined = join(row, state.row(place))
        if joined != row and not is_own:
            self.drop(key)  # somebody made it less than it was
        elif joined != state.row(place):
            self._states.put(key, state.having({place: joined}))

    def drop(self, key: Key) -> None:
        """Forget a user; they are read again when needed."""
        self._outdate(key)
        self._states.drop(key)

    def clear(self) -> None:
        """Forget all of them."""
        for read in self._reads.values():
            read.is_outdated = True
        self._states.clear()

    async def close(self) -> None:
        """Read no longer."""
        await self._tasks.cancel()

    async def _read(self, key: Key) -> UserState:
        found = await self._rows.of_user(*key)
        return UserState(key).having(dict(found))

    def _end(self, key: Key, read: _Read) -> None:
        if self._reads.get(key) is read:
            del self._reads[key]
        if read.task.cancelled() or read.task.exception() is not None or read.is_outdated:
            return
        self._states.put(key, read.task.result())

    def _outdate(self, key: Key) -> None:
        read = self._reads.get(key)
        if read is not None:
            read.is_outdated = True


def _weight(state: UserState) -> int:
    return max(USUAL_ROWS, state.count)
