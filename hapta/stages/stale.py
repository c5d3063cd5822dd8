"""Stale answers: while PocketBase fails, and while they are fetched anew (:mod:`hapta.cache.stale`).

After a failure the read is planned once more: feed and schema must be alive at the end of the wait, not only
at its beginning. A refresh runs behind the answer's back, one for a response at a time, and ends with Hapta.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from hapta.cache.key import Key
from hapta.cache.plan import Bypass
from hapta.cache.stale import StaleLimits, stale_s
from hapta.cache.store import ResponseStore
from hapta.cache.stored import Stored
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError
from hapta.model.exchange import Exchange
from hapta.model.schema import Collection
from hapta.model.tasks import TaskSet
from hapta.stages.fill import Filled
from hapta.stages.lookup import Look, Lookup

Fetch: TypeAlias = Callable[[], Awaitable[tuple[Filled, bool] | Bypass | None]]
"""As :meth:`hapta.stages.fill.Filler.fill`."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A stale answer that may be given; ``stale_s`` says for how many seconds at most it has been that."""

    look: Look
    stored: Stored
    stale_s: float


class StaleAnswers:
    """Finds them, and has them refreshed.

    Args:
        lookup: plans reads.
        store: what is kept.
        limits_of: what the operator allows for a collection, by id.
        collection_of: a collection of the present schema, by id.
        clock: both times.
    """

    def __init__(
        self,
        lookup: Lookup,
        store: ResponseStore,
        *,
        limits_of: Callable[[str], StaleLimits],
        collection_of: Callable[[str], Collection | None],
        clock: Clock,
    ) -> None:
        self._lookup = lookup
        self._store = store
        self._limits_of = limits_of
        self._collection_of = collection_of
        self._clock = clock
        self._tasks = TaskSet()
        self._refreshing: set[Key] = set()

    async def close(self) -> None:
        """End the refreshes under way."""
        await self._tasks.cancel()

    async def on_error(self, exchange: Exchange) -> Stale | None:
        """What may be given to a read that PocketBase did not answer."""
        if not self._limits_of(exchange.operation.collection or "").if_error_s:
            return None
        look = await self._lookup.look_up(exchange, is_own=False)
        if isinstance(look, Bypass):
            return None
        found = self._store.peek(look.slot)
        return self._within(exchange, look, found, self._limits_of(look.plan.collection).if_error_s)

    def while_revalidating(self, exchange: Exchange, look: Look, found: Stored | None) -> Stale | None:
        """What may be given to a read at once, if it is refreshed meanwhile."""
        limit_s = self._limits_of(look.plan.collection).while_revalidate_s
        return self._within(exchange, look, found, limit_s)

    def refresh(self, slot: Key, fetch: Fetch) -> None:
        """Fetch it anew, unless that is under way."""
        if slot not in self._refreshing:
            self._refreshing.add(slot)
            task = self._tasks.spawn(_quietly(fetch), name="refresh of a stale answer")
            task.add_done_callback(lambda _: self._refreshing.discard(slot))

    def _within(self, exchange: Exchange, look: Look, found: Stored | None, limit_s: float) -> Stale | None:
        identity = exchange.identity
        if not limit_s or found is None or look.is_own:
            return None
        if identity is not None and identity.record in found.members:
            return None
        since_s = stale_s(
            look.plan,
            found,
            self._collection_of,
            monotonic=self._clock.monotonic(),
            wall=self._clock.now(),
        )
        return Stale(look, found, since_s) if since_s is not None and since_s <= limit_s else None


async def _quietly(fetch: Fetch) -> None:
    """Nobody waits for it; who reads next asks again."""
    try:
        filled = await fetch()
    except HaptaError:
        return
    if isinstance(filled, tuple) and not filled[1] and not filled[0].may_be_shared:
        filled[0].discard()
