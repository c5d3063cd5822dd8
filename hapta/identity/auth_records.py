"""Values of auth records' own fields, for answers shared by all whose ``role`` or ``plan`` is the same.

A rule that reads ``@request.auth.role`` is evaluated by PocketBase on the row as it is at that moment. The
value kept here stands in the key of what is stored, so it must never outlive a change of the row: what is
asked for is marked *before* the question is sent, a change unmarks it, and only what is still marked is kept.
Whoever holds on to :class:`AuthFields` over an ``await`` looks at ``is_current`` again before storing
anything by its values: the answer may be that of another role by then.

Changes come from the feed and, before their answer leaves, from own writes.
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import quote

from cachetools import LRUCache

from hapta.model.errors import HaptaError, OperatorError
from hapta.model.tasks import TaskSet

Scalar: TypeAlias = str | float | bool | None
"""JSON numbers may be ``int``."""

MAX_CHARACTERS: Final = 255
"""A longer text is nobody's class."""
_TRIES = 3
_NO_VALUES: Mapping[str, Scalar] = MappingProxyType({})


class Superuser(Protocol):
    """Asks PocketBase; :class:`hapta.upstream.superuser.SuperuserClient` is one."""

    async def request(self, method: str, path: str) -> tuple[int, Any]:
        """Status and parsed body."""


class _Round:
    """Ends when all records of one collection may have changed."""

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


class AuthFields:
    """The scalar fields of one auth record as a superuser sees them, hidden ones included.

    Attributes:
        values: by field name. What is missing is unknown: a list, an object, a long text, a field its
            collection does not have.
    """

    __slots__ = ("_is_valid", "_round", "values")

    def __init__(self, round_: _Round) -> None:
        self.values = _NO_VALUES
        self._round = round_
        self._is_valid = True

    @property
    def is_current(self) -> bool:
        """No change of the record was heard of since the question for it was sent."""
        return self._is_valid and not self._round.is_over

    def end(self) -> None:
        """The record changed, or no change of it would be heard of any more."""
        self._is_valid = False


class _Kept(LRUCache[tuple[str, str], AuthFields]):
    """Ends what makes room: whoever still holds it is reached by no change any more."""

    def popitem(self) -> tuple[tuple[str, str], AuthFields]:
        key, fields = super().popitem()
        fields.end()
        return key, fields


class AuthRecords:
    """Fields of auth records, asked for once and kept until they change.

    Args:
        superuser: whose view of the records counts.
        max_records: so many are kept.
    """

    def __init__(self, superuser: Superuser, *, max_records: int = 10_000) -> None:
        self._superuser = superuser
        self._kept = _Kept(max_records)
        self._flights: dict[tuple[str, str], tuple[AuthFields, asyncio.Task[bool]]] = {}
        self._rounds: dict[str, _Round] = {}
        self._tasks = TaskSet()

    def __len__(self) -> int:
        return len(self._kept)

    def known(self, collection: str, record: str) -> AuthFields | None:
        """What is kept, without asking.

        Args:
            collection: id.
        """
        kept = self._kept.get((collection, record))
        return kept if kept is not None and kept.is_current else None

    async def fields(self, collection: str, record: str) -> AuthFields | None:
        """The record's fields as they were at some moment since the call, or since the last change.

        Args:
            collection: id.

        Returns:
            ``None`` if PocketBase does not say, or has no such record. Of a record that changes all the time
            what is no more current.
        """
        found = self.known(collection, record)
        for _ in range(_TRIES):
            if found is not None and found.is_current:
                break
            found, task = self._flight(collection, record)
            try:
                is_there = await asyncio.shield(task)  # who leaves does not end it for the others
            except (HaptaError, OperatorError, TimeoutError):
                return None
            if not is_there:
                return None
        return found

    async def read_again(self, collection: str, record: str) -> AuthFields | None:
        """The record's fields as they are now, whatever is kept."""
        self.record_changed(collection, record)
        return await self.fields(collection, record)

    def record_changed(self, collection: str, record: str | None) -> None:
        """A record changed, or with ``None`` any of the collection may have."""
        if record is None:
            round_ = self._rounds.pop(collection, None)
            if round_ is not None:
                round_.is_over = True
            return
        kept = self._kept.pop((collection, record), None)
        if kept is not None:
            kept.end()
        flight = self._flights.pop((collection, record), None)
        if flight is not None:
            flight[0].end()

    def forget_all(self) -> None:
        """Changes may have been missed, or the schema is another."""
        for round_ in self._rounds.values():
            round_.is_over = True
        self._rounds.clear()
        self._kept.clear()
        self._flights.clear()

    async def stop(self) -> None:
        """Ask no more."""
        await self._tasks.cancel()

    def _flight(self, collection: str, record: str) -> tuple[AuthFields, asyncio.Task[bool]]:
        key = (collection, record)
        flight = self._flights.get(key)
        if flight is not None and flight[0].is_current:
            return flight  # else its question may have been answered before the change
        fields = AuthFields(self._rounds.setdefault(collection, _Round()))
        task = self._tasks.spawn(self._read(key, fields), name="auth record")
        flight = self._flights[key] = (fields, task)
        task.add_done_callback(lambda _: self._landed(key, fields, task))
        return flight

    def _landed(self, key: tuple[str, str], fields: AuthFields, task: asyncio.Task[bool]) -> None:
        if key in self._flights and self._flights[key][0] is fields:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more

    async def _read(self, key: tuple[str, str], fields: AuthFields) -> bool:
        collection, record = key
        path = f"/api/collections/{quote(collection, safe='')}/records/{quote(record, safe='')}"
        status, answer = await self._superuser.request("GET", path)
        if status != 200 or not isinstance(answer, Mapping):
            return False
        if answer.get("id") != record or answer.get("collectionId") != collection:
            return False
        fields.values = MappingProxyType({name: value for name, value in answer.items() if _is_scalar(value)})
        if fields.is_current:
            self._kept[key] = fields
        return True


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_CHARACTERS
    return value is None or isinstance(value, bool | int | float)
