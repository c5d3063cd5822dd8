"""Ranked feeds put together: their tables, for whom they are ranked, and the stages that answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from hapta.app.interactions import Interactions
from hapta.app.ranked.live import FeedLoading, LiveTable
from hapta.app.ranked_tables import RankedTables
from hapta.app.ranker import Ranker, Scorer
from hapta.cache.plan import HooksMode
from hapta.config.feed_tables import RankedFeedConfig
from hapta.feed import SchemaWatch
from hapta.model.clock import Clock
from hapta.model.exchange import Stage
from hapta.model.identity import Identity
from hapta.model.schema import Collection
from hapta.ranking.explain import explain
from hapta.ranking.features import Caller, Codes, Flags
from hapta.ranking.interests import with_interactions
from hapta.ranking.snapshots import Snapshots
from hapta.ranking.table import FeatureTable
from hapta.ranking.visible import Everything
from hapta.stages.ranked import RankedPages
from hapta.stages.ranked_rows import CallerRows
from hapta.stages.ranked_writes import tell_ranked_writes

MOST_ASKED: Final = 10_000
"""Of the newest rows of a caller PocketBase is asked for where their rule cannot be told from the rows alone:
ten lists of a thousand ids."""
_GUESTS_FOR_S: Final = 2.0
"""So long guests get the order that was made for one of them, unless a row changes."""


class RankedFeeds:
    """All ranked feeds of one running gateway.

    Args:
        tables: the rows.
        ranker: makes orders of them.
        interactions: what people did with rows.
        scorer: a plugin's own scoring of a feed, by its name.
        schema: the rules of now.
        hooks_of: what PocketBase's own hooks may do to answers about a collection.
        has_store: answers about a collection may be stored.
    """

    def __init__(
        self,
        tables: RankedTables,
        ranker: Ranker,
        interactions: Interactions | None,
        *,
        scorer: Callable[[str], Scorer | None],
        schema: SchemaWatch,
        hooks_of: Callable[[str], HooksMode],
        has_store: Callable[[Collection], bool],
        clock: Clock,
    ) -> None:
        self._tables = tables
        self._ranker = ranker
        self._interactions = interactions
        self._scorer = scorer
        self._schema = schema
        self._hooks_of = hooks_of
        self._has_store = has_store
        self._clock = clock
        self._snapshots = Snapshots(clock)
        self._pages = RankedPages(self, self._snapshots)
        self._for_guests: dict[str, tuple[object, float, Sequence[str]]] = {}

    def stages(self) -> Sequence[Stage]:
        """Behind the limits, in front of the cache."""
        return [self._pages, tell_ranked_writes(self._tables, self._clock)]

    def forget_orders(self) -> None:
        """Feeds rank otherwise from now on."""
        self._snapshots.forget()
        self._for_guests.clear()

    # what the stage asks

    def config_of(self, name: str) -> RankedFeedConfig | None:
        live = self._tables.get(name)
        return None if live is None else live.config

    def collection_of(self, name: str) -> Collection:
        live = self._tables.get(name)
        if live is None or live.spec is None:
            raise FeedLoading if live is None or not live.problems else live.unusable()
        return self._schema.snapshot.by_id.get(live.spec.collection.id, live.spec.collection)

    def feeds_of(self, collection: str) -> Mapping[str, RankedFeedConfig]:
        schema = self._schema.snapshot
        asked = schema.resolve(collection)
        return {
            name: live.config
            for name, live in self._tables.feeds.items()
            if asked is not None and schema.resolve(live.config.collection) is asked
        }

    def looks_at_store(self, collection: Collection) -> bool:
        return self._has_store(collection)

    async def order(self, name: str, identity: Identity | None, rows: CallerRows) -> Sequence[str]:
        live = self._found(name)
        await live.ready()
        await self._tables.settle(name)
        theirs = await self._theirs(live, identity)
        visible = self._visible(live, identity)
        if visible is None:
            listed = await rows.visible_ids(MOST_ASKED)
            visible = _flags(live.table, listed)
        elif identity is None and (made := self._made_for_guests(name, live.table)) is not None:
            return made
        table, now = live.table, self._clock.now()
        caller = self._caller(live, identity, theirs, now)
        if not isinstance(visible, Everything):
            caller = replace(caller, visible=visible)
        version = table.version
        ranked = await self._ranked(live, table, caller, now)
        ids = [each for slot in ranked.slots.tolist() if (each := table.id_of(slot)) is not None]
        if identity is None and self._is_told_by_rows(live):
            self._for_guests[name] = (table, version), now, ids
        return ids
