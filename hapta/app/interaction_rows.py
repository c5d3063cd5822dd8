"""Interactions at rest: rows of ``hapta_interactions`` in PocketBase.

Many rows are written in one request through ``/api/batch`` where that is on, else one by one. Written is what
changed and no more: what another Hapta has just written of the same row stays. Every write may be repeated.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar
from urllib.parse import quote

from hapta.feed.watch import Features
from hapta.identity.rows import RightsLost, RowsRefused, SuperuserApi, date_text, date_value
from hapta.model.errors import HaptaError, OperatorError
from hapta.ranking.interactions import NOTHING, Row, interaction_id

_RECORDS: Final = "/api/collections/hapta_interactions/records"
_PAGE: Final = 1000
_MOST_IN_BATCH: Final = 200
_AT_ONCE: Final = 8
_NAMES: Final = tuple(field.name for field in fields(Row))
_DATES: Final = frozenset({"viewed", "clicked", "judged", "first", "last"})
_REFUSED: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Place:
    """Whose row it is, and about what: its id is computed of these.

    Attributes:
        auth, user: ids of the auth collection and of the record in it.
        collection, record: ids of the collection and of the row in it.
    """

    auth: str
    user: str
    collection: str
    record: str

    @property
    def id(self) -> str:
        """The row's own id."""
        return interaction_id(self.auth, self.user, self.collection, self.record)


@dataclass(frozen=True, slots=True)
class Written:
    """A row that is to be written.

    Attributes:
        place: which.
        before: as it is in PocketBase, as far as is known; ``NOTHING``: it is not there.
        row: as it shall be.
    """

    place: Place
    before: Row
    row: Row

    def body(self) -> dict[str, object]:
        """What is sent of it."""
        place = self.place
        names = (name for name in _NAMES if getattr(self.row, name) != getattr(self.before, name))
        key = {"auth": place.auth, "user": place.user, "collection": place.collection, "record": place.record}
        return {"id": place.id, **key, **{name: _stored(name, getattr(self.row, name)) for name in names}}


def _stored(name: str, value: float) -> object:
    if name not in _DATES:
        return value
    return date_text(value) if value else ""


def read_row(stored: Mapping[str, Any]) -> tuple[Place, Row]:
    """A row as PocketBase shows it.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    place = Place(*(str(stored[name]) for name in ("auth", "user", "collection", "record")))
    row = Row(
        views=int(stored["views"]),
        viewed=date_value(stored["viewed"]) or 0.0,
        view_ms=int(stored["view_ms"]),
        dwell_ms=int(stored["dwell_ms"]),
        clicks=int(stored["clicks"]),
        clicked=date_value(stored["clicked"]) or 0.0,
        hidden=bool(stored["hidden"]),
        judged=date_value(stored["judged"]) or 0.0,
        first=date_value(stored["first"]) or 0.0,
        last=date_value(stored["last"]) or 0.0,
    )
    return place, row


class InteractionRows:
    """Reads and writes the rows.

    Args:
        api: superuser access.
        features: what PocketBase can do, as last probed.
        on_batch: told of each write, how many rows it had.
    """

    def __init__(
        self, api: SuperuserApi, features: Callable[[], Features], on_batch: Callable[[int], None]
    ) -> None:
        self._api = api
        self._features = features
        self._on_batch = on_batch
        self._refused_under: Features | None = None
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def of_user(self, auth: str, user: str) -> list[tuple[Place, Row]]:
        """All rows of a user.

        Raises:
            HaptaError: PocketBase did not answer, or not as it should.
        """
        async with self._turns:
            return [read_row(row) async for row in self._all(f"user='{user}' && auth='{auth}'")]

    async def ids_where(self, condition: str, most: int) -> list[str]:
        """Ids of at most ``most`` rows, those untouched for longest first.

        Raises:
            HaptaError: as :meth:`of_user`.
        """
        items = await self._page(
            f"perPage={min(most, _PAGE)}&page=1&sort=last&fields=id&{_filter(condition)}"
        )
        return [item["id"] for item in items]

    async def write(self, rows: Sequence[Written]) -> Mapping[str, HaptaError]:
        """Write rows, each of them once.

        Returns:
            Why not, by the ids of those of which it is not known that they are written.
        """
        failed: dict[str, HaptaError] = {}
        for chunk in _chunks(rows, self._most()):
            requests = [{"method": "PUT", "url": _RECORDS, "body": written.body()} for written in chunk]
            try:
                if not await self._in_batch(requests):
                    failed |= await self._singly(chunk)
            except HaptaError as error:
                failed |= {written.place.id: error for written in chunk}
        return failed

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete rows; those that are gone already are none the less.

        Raises:
            HaptaError: it is not known that all are deleted.
        """
        for chunk in _chunks(ids, self._most()):
            paths = [f"{_RECORDS}/{row_id}" for row_id in chunk]
            if not await self._in_batch([{"method": "DELETE", "url": path} for path in paths]):
                for path in paths:
                    status, _ = await self._ask("DELETE", path)
                    if status not in (204, 404):
                        raise RowsRefused(f"an interaction could not be deleted (status {status})")

    def _most(self) -> int:
        return min(self._features().batch_most, _MOST_IN_BATCH)

    async def _in_batch(self, requests: Sequence[Mapping[str, object]]) -> bool:
        """Send requests in one transaction; ``False``: nothing was done, and one by one it may be."""
        features = self._features()
        if len(requests) < 2 or not features.has_batch or features is self._refused_under:
            return False
        try:
            status, _ = await self._ask("POST", "/api/batch", {"requests": requests})
        except RightsLost:  # of these, or it was switched off: one by one it will show
            self._refused_under = features
            return False
        if status == 400:  # one of them is refused, or there are more than it takes by now
            return False
        if status != 200:
            raise RowsRefused(f"interactions could not be written (status {status})")
        self._on_batch(len(requests))
        return True

    async def _singly(self, rows: Iterable[Written]) -> dict[str, HaptaError]:
        failed: dict[str, HaptaError] = {}

        async def write(written: Written) -> None:
            async with self._turns:
                try:
                    await self._upsert(written)
                except HaptaError as error:
                    failed[written.place.id] = error

        await asyncio.gather(*(write(written) for written in rows))
        return failed

    async def _upsert(self, written: Written) -> None:
        """Change the row or make it; another Hapta may do the same, or forget it, at the same time."""
        body, row_path = written.body(), f"{_RECORDS}/{written.place.id}"
        ways = [("PATCH", row_path), ("POST", _RECORDS)]
        if written.before is NOTHING:
            ways.reverse()
        status = 0
        for method, path in [*ways, ways[0]]:
            status, _ = await self._ask(method, path, body)
            if status == 200:
                self._on_batch(1)
                return
            if status != (404 if method == "PATCH" else 400):
                break
        raise RowsRefused(f"an interaction could not be written (status {status})")

    async def _all(self, condition: str) -> AsyncIterator[Any]:
        page, query = 1, f"perPage={_PAGE}&sort=id&{_filter(condition)}"
        while True:
            items = await self._page(f"page={page}&{query}")
            for item in items:
                yield item
            if len(items) < _PAGE:
                return
            page += 1

    async def _page(self, query: str) -> list[Any]:
        status, answer = await self._ask("GET", f"{_RECORDS}?skipTotal=1&{query}")
        if status != 200 or not isinstance(answer, Mapping):
            raise RowsRefused(f"interactions could not be listed (status {status})")
        return list(answer["items"])

    async def _ask(self, method: str, path: str, json: Mapping[str, object] | None = None) -> tuple[int, Any]:
        try:
            status, answer = await self._api.request(method, path, json)
        except OperatorError as exc:
            raise RightsLost(str(exc)) from exc
        if status in _REFUSED:
            raise RightsLost(f"PocketBase refuses Hapta its superuser rights (status {status})")
        return status, answer


_T = TypeVar("_T")


def _chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def _filter(condition: str) -> str:
    return f"filter={quote(condition, safe='')}"
