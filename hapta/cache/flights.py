"""One miss, one upstream request: reads of one key that come while it is fetched wait for that fetch.

A read joins only while the fence of the fetch holds: were it broken, a write was answered since the fetch
began, and this read began after it (:mod:`hapta.cache.generations`). Then it starts a fetch of its own, which
the next ones join. Of what only the answer names the fence knows nothing until it is extended: the fetch
itself tells whether its answer suits those who joined. Who leaves does not end it for the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from hapta.cache.generations import Fence
from hapta.model.tasks import TaskSet

T = TypeVar("T")


class Flights(Generic[T]):
    """Fetches under way, by key."""

    def __init__(self) -> None:
        self._tasks = TaskSet()
        self._under_way: dict[Hashable, tuple[Fence, asyncio.Task[T]]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def is_joinable(self, key: Hashable) -> bool:
        """Whether a fetch of this key is under way that a read beginning now may wait for."""
        flight = self._under_way.get(key)
        return flight is not None and flight[0].holds()

    async def join(self, key: Hashable) -> T:
        """What the fetch under way brings; only where it is :meth:`is_joinable`.

        Raises:
            BaseException: whatever ended the fetch.
        """
        return await asyncio.shield(self._under_way[key][1])

    async def lead(self, key: Hashable, fence: Fence, fetch: Callable[[], Awaitable[T]]) -> T:
        """Fetch, for this read and for those that join it."""
        task = self._tasks.spawn(self._fetch(fence, fetch), name="fetch for the cache")
        self._under_way[key] = (fence, task)
        task.add_done_callback(lambda _: self._land(key, task))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End all of them."""
        await self._tasks.cancel()

    async def _fetch(self, fence: Fence, fetch: Callable[[], Awaitable[T]]) -> T:
        try:
            return await fetch()
        finally:
            fence.fetched()

    def _land(self, key: Hashable, task: asyncio.Task[T]) -> None:
        flight = self._under_way.get(key)
        if flight is not None and flight[1] is task:  # else a later one took its place
            del self._under_way[key]
        if not task.cancelled():
            task.exception()  # whoever waits gets it; nobody may be left to
