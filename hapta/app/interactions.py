"""Interactions put together: rows, memory, writing, the route, and what is forgotten when."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from hapta.app.interaction_commit import Counted, GroupCommit
from hapta.app.interaction_memory import Key, UserMemory
from hapta.app.interaction_rows import InteractionRows, read_row
from hapta.config import Config
from hapta.config.feed_tables import InteractionsConfig
from hapta.config.feeds import collections_of
from hapta.feed import Change, ChangeFeed, SchemaWatch
from hapta.feed.layout import INTERACTIONS_ID
from hapta.identity.rows import SuperuserApi, date_text
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError
from hapta.model.exchange import Stage
from hapta.model.identity import Identity
from hapta.model.tasks import TaskSet
from hapta.observe.interaction_metrics import InteractionCounts
from hapta.ranking.interactions import Interaction, UserInteractions, oldest
from hapta.stages.interactions import interaction_routes, is_record_id

SWEEP_EVERY_S: Final = 3600.0
FORGET_AFTER_S: Final = 1.0
"""What was on its way when a user or a row was deleted is written by then."""
_RETRY_S: Final = 10.0
_FORGET_AT_ONCE: Final = 20
_MOST_GONE: Final = 10_000
_PAGE: Final = 1000


class Interactions:
    """Everything about interactions in one running gateway.

    Args:
        config: ``[interactions]``, and the collections of ``[feeds.<name>]``.
        superuser: access to the rows.
        feed: the change feed; not yet started, so that it tells of everything from the beginning.
        schema: the schema watch.

    Attributes:
        counts: what was taken.
    """

    def __init__(
        self,
        config: Config,
        *,
        superuser: SuperuserApi,
        feed: ChangeFeed,
        schema: SchemaWatch,
        clock: Clock,
    ) -> None:
        self.counts = InteractionCounts()
        self._config = InteractionsConfig(is_enabled=False)
        self._feeds: Mapping[str, str] = {}
        self._feed = feed
        self._schema = schema
        self._clock = clock
        self._tasks = TaskSet()
        self._rows = InteractionRows(superuser, lambda: schema.features, self.counts.wrote)
        self._memory = UserMemory(self._rows, config.interactions.max_users)
        self._commit = GroupCommit(self._memory, self._rows, clock)
        self._gone: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._is_forgetting = False
        self._trimmed: set[Key] = set()
        self.configure(config)
        feed.on_change(self._on_change)
        feed.on_gap(self._memory.clear)

    def __len__(self) -> int:
        """Users in memory."""
        return len(self._memory)

    @property
    def _is_on(self) -> bool:
        return self._config.is_enabled and bool(self._feeds)

    def configure(self, config: Config) -> None:
        """What holds from now on, :meth:`stages` included."""
        if config.interactions != self._config:
            self._memory.configure(config.interactions.max_users)
        self._config = config.interactions
        self._feeds = collections_of(config.feeds)
        self._feed.wants_full((INTERACTIONS_ID,) if self._is_on else (), by="interactions")

    def start(self) -> None:
        """Begin to write, and to sweep away what is too old."""
        self._commit.start()
        self._tasks.spawn(self._sweep(), name="sweep of old interactions")

    async def stop(self) -> None:
        """Finish what is being written."""
        await self._commit.stop()
        await self._tasks.cancel()
        await self._memory.close()

    def stages(self) -> Sequence[Stage]:
        """The route, where there is one."""
        return [interaction_routes(self)] if self._is_on else []

    def collection_of(self, *, feed: str | None, collection: str | None) -> str | None:
        """The id of the collection meant, if a feed is about it.

        Args:
            feed: the feed's name, or ``None``.
            collection: its name or id, or ``None``.
        """
        named = self._feeds.get(feed) if feed is not None else collection
        found = None if named is None else self._schema.snapshot.resolve(named)
        return found.id if found is not None and found.id in self._collections() else None

    async def of(self, identity: Identity | None, collection_id: str) -> UserInteractions | None:
        """What somebody did with the rows of a collection; ``None``: nothing is kept of them.

        Raises:
            HaptaError: it could not be read.
        """
        if identity is None or identity.is_superuser or not self._is_on:
            return None
        self._feed.touch()
        return (await self._memory.get((identity.collection, identity.record))).of(collection_id)

    async def take(self, identity: Identity, collection_id: str, done: Sequence[Interaction]) -> Counted:
        """Keep what somebody did; returns once it survives a kill.

        Raises:
            HaptaError: it is not known whether all of it does.
        """
        key = (identity.collection, identity.record)
        self._feed.touch()
        counted = await self._commit.put(key, collection_id, done)
        self.counts.took(counted.accepted, counted.duplicates)
        if counted.rows > self._config.max_per_user and key not in self._trimmed:
            self._trimmed.add(key)
            self._tasks.spawn(self._trim(key), name="oldest interactions")
        return counted

    def refused(self) -> None:
        """A request was answered with an error."""
        self.counts.refused += 1

    def _collections(self) -> frozenset[str]:
        found = (self._schema.snapshot.resolve(name) for name in self._feeds.values())
        return frozenset(collection.id for collection in found if collection is not None)

    async def _trim(self, key: Key) -> None:
        try:
            state = await self._memory.get(key)
            places = {place.id: place for place, _ in state.rows()}
            ids = oldest(((place.id, row) for place, row in state.rows()), self._config.max_per_user)
            await self._rows.delete(ids)
            self._memory.wrote(key, {places[row_id]: None for row_id in ids})
        except HaptaError:
            self._memory.drop(key)  # with the next interaction it is tried again
        finally:
            self._trimmed.discard(key)

    async def _sweep(self) -> None:
        while True:
            if self._is_on:
                with suppress(HaptaError):  # the next round does it
                    before = self._clock.now() - self._config.keep_days * 86_400.0
                    await self._delete_where(f"last<'{date_text(before)}'")
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _delete_where(self, condition: str) -> None:
        while ids := await self._rows.ids_where(condition, _PAGE):
            await self._rows.delete(ids)

    def _on_change(self, change: Change) -> None:
        if change.collection_id == INTERACTIONS_ID:
            self._row_changed(change.action, change.record)
        elif change.action == "delete" and self._is_on and is_record_id(change.record_id):
            collection = self._schema.snapshot.by_id.get(change.collection_id)
            if collection is not None and collection.type == "auth":
                self._memory.drop((change.collection_id, change.record_id))
                self._forget("auth", "user", change)
            if change.collection_id in self._collections():
                self._forget("collection", "record", change)

    def _row_changed(self, action: str, record: Mapping[str, Any] | None) -> None:
        if record is None:
            self._memory.clear()  # whose it is was not told
            return
        try:
            place, row = read_row(record)
        except (KeyError, TypeError, ValueError):  # somebody took a field away
            self._memory.clear()
            return
        key: Key = (place.auth, place.user)
        if action == "delete":
            if self._memory.known(key) is not None:
                self._memory.wrote(key, {place: None})
        else:
            self._memory.told(place, row, is_own=self._commit.has_written(key))

    def _forget(self, collection_field: str, record_field: str, change: Change) -> None:
        condition = f"{record_field}='{change.record_id}' && {collection_field}='{change.collection_id}'"
        self._gone[(change.collection_id, change.record_id, condition)] = None
        if len(self._gone) > _MOST_GONE:
            self._gone.popitem(last=False)  # keep_days is for these
        if not self._is_forgetting:
            self._is_forgetting = True
            self._tasks.spawn(self._forget_all(), name="interactions of what was deleted")

    async def _forget_all(self) -> None:
        try:
            pause_s = FORGET_AFTER_S
            while self._gone:
                await asyncio.sleep(pause_s)
                pause_s = 0.0
                some = list(self._gone)[:_FORGET_AT_ONCE]
                try:
                    await self._delete_where(" || ".join(f"({condition})" for *_, condition in some))
                except HaptaError:
                    pause_s = _RETRY_S
                    continue
                for one in some:
                    self._gone.pop(one, None)
        finally:
            self._is_forgetting = False
