"""Ranked feeds put together: their tables, for whom they are ranked, and the stages that answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np

from hapta.app.feed_scorers import Scorer
from hapta.app.ranked.callers import Callers
from hapta.app.ranked.live import FeedUnusable, LiveTable
from hapta.app.ranked_tables import RankedTables
from hapta.app.ranker import Ranker
from hapta.cache.plan import HooksMode
from hapta.config.feed_tables import RankedFeedConfig
from hapta.feed import SchemaWatch
from hapta.model.clock import Clock
from hapta.model.errors import NotFound
from hapta.model.exchange import Stage
from hapta.model.identity import Identity
from hapta.model.schema import Collection
from hapta.ranking.explain import explain
from hapta.ranking.features import Flags
from hapta.ranking.snapshots import Snapshots
from hapta.ranking.table import FeatureTable
from hapta.ranking.visible import EVERYTHING, Everything
from hapta.stages.ranked import RankedPages
from hapta.stages.ranked_rows import MOST_WHOLE, CallerRows
from hapta.stages.ranked_writes import tell_ranked_writes
from hapta.stages.viewers import Freshness

_Told: TypeAlias = Flags | Everything | None
MOST_ASKED: Final = 10_000
"""Of the newest rows of a caller PocketBase is asked for where their rule cannot be told from the rows alone:
ten lists of a thousand ids."""
GUESTS_FOR_S: Final = 2.0
"""So long guests get the order that was made for one of them, unless a row changes."""


class RankedFeeds:
    """All ranked feeds of one running gateway.

    Args:
        tables: the rows.
        ranker: makes orders of them.
        callers: what is known of those who ask.
        scorer: a plugin's own scoring of a feed, by its name.
        schema: the rules of now.
        hooks_of: what PocketBase's own hooks may do to answers about a collection.
        has_store: answers about a collection may be stored.
        freshness: confirms that rules are what they were.
    """

    def __init__(
        self,
        tables: RankedTables,
        ranker: Ranker,
        callers: Callers,
        *,
        scorer: Callable[[str], Scorer | None],
        schema: SchemaWatch,
        hooks_of: Callable[[str], HooksMode],
        has_store: Callable[[Collection], bool],
        freshness: Freshness,
        clock: Clock,
    ) -> None:
        self._tables = tables
        self._ranker = ranker
        self._callers = callers
        self._scorer = scorer
        self._schema = schema
        self._hooks_of = hooks_of
        self._has_store = has_store
        self._freshness = freshness
        self._clock = clock
        self._snapshots = Snapshots(clock)
        self._for_guests: dict[str, tuple[FeatureTable, int, float, Sequence[str]]] = {}

    def stages(self) -> Sequence[Stage]:
        """Behind the limits, in front of the cache."""
        return [RankedPages(self, self._snapshots), tell_ranked_writes(self._tables, self._clock)]

    def forget_orders(self) -> None:
        """Feeds rank otherwise from now on."""
        self._snapshots.forget()
        self._for_guests.clear()

    # what the stage asks

    def config_of(self, name: str) -> RankedFeedConfig | None:
        live = self._tables.get(name)
        return None if live is None else live.config

    def feeds_of(self, collection: str) -> Sequence[str]:
        schema = self._schema.snapshot
        asked = schema.resolve(collection)
        if asked is None:
            return ()
        feeds = self._tables.feeds.items()
        return [name for name, live in feeds if schema.resolve(live.config.collection) is asked]

    async def collection_of(self, name: str) -> Collection:
        live = self._found(name)
        if live.problems:  # they may be gone: where nobody asks for anything else nobody would notice
            self._freshness.touch()
            await self._freshness.confirm()
        await live.ready()
        collection = self._schema.snapshot.by_id.get(live.table.spec.collection.id)
        if collection is None:
            raise FeedUnusable
        return collection

    def looks_at_store(self, collection: Collection) -> bool:
        # a hook may show a row otherwise where it is asked for alone
        return self._has_store(collection) and not self.has_hooks(collection)

    def has_hooks(self, collection: Collection) -> bool:
        return self._hooks_of(collection.id) is not HooksMode.NONE

    def whole_by(self, name: str, collection: Collection) -> str:
        live = self._found(name)
        if collection.rules.get("listRule") != "" or not live.is_ready or live.table.rows > MOST_WHOLE:
            return ""
        hidden = {field["name"] for field in collection.fields if field.get("hidden")}
        return "" if live.config.created in hidden else live.config.created

    async def order(self, name: str, identity: Identity | None, rows: CallerRows) -> Sequence[str]:
        live = self._found(name)
        await self._tables.settle(name)
        await live.ready()
        theirs = await self._callers.theirs(live, identity)
        self._freshness.touch()
        if not self._freshness.is_live:
            await self._freshness.confirm()
        visible = self._visible(live, identity)
        listed: set[str] | None = None
        if visible is None:
            listed = await rows.visible_ids(MOST_ASKED)
            await live.ready()
            visible = _flags(live.table, listed)
        elif identity is None and (made := self._made_for_guests(live)) is not None:
            return made
        # nothing is awaited from here until the columns are looked at: slots are those of this moment
        table, now, version = live.table, self._clock.now(), live.table.version
        caller = self._callers.caller(table, identity, theirs, now)
        if not isinstance(visible, Everything):
            caller = replace(caller, visible=visible)
        ranked = await self._ranker.rank(
            table,
            caller,
            live.recipe,
            now,
            deadline_s=live.config.deadline_s,
            plugin=self._scorer(name),
        )
        slots = ranked.slots.tolist()
        if table.version != version:  # a slot may be another row's, and a row not for this caller any more
            slots = self._still_visible(live, table, identity, slots)
        ids = [each for slot in slots if (each := table.id_of(slot)) is not None]
        if listed is not None:
            return [each for each in ids if each in listed]
        if identity is None:
            self._for_guests[name] = table, version, now, ids
        return ids

    async def explain(self, name: str, identity: Identity | None, ids: Sequence[str]) -> list[dict[str, Any]]:
        live = self._found(name)
        theirs = await self._callers.theirs(live, identity)
        await live.ready()
        table, now = live.table, self._clock.now()
        caller = self._callers.caller(table, identity, theirs, now)
        slots = {each: slot for each in ids if (slot := table.slot_of(each)) is not None}
        if self._scorer(name) is not None:  # what its scores are made of only the plugin knows
            return [{} for _ in ids]
        found = explain(table.features(), caller, live.recipe, now, list(slots.values()))
        parts = dict(zip(slots, found, strict=True))
        return [parts.get(each, {}) for each in ids]

    def _found(self, name: str) -> LiveTable:
        live = self._tables.get(name)
        if live is None:  # a reload has taken it away
            raise NotFound("There is no ranked feed of this name.")
        return live

    def _visible(self, live: LiveTable, identity: Identity | None) -> _Told:
        """What a caller may see, where the rows alone tell it for certain."""
        if identity is not None and identity.is_superuser:
            return EVERYTHING
        if (
            not live.is_exact
            or not self._freshness.is_live
            or self._hooks_of(live.table.spec.collection.id) is not HooksMode.NONE
        ):
            return None
        return live.visible.of("" if identity is None else identity.record)

    def _still_visible(
        self, live: LiveTable, table: FeatureTable, identity: Identity | None, slots: Sequence[int]
    ) -> Sequence[int]:
        """Slots of an order without those of which the rows of now say that they are not for this caller."""
        if live.table is not table or not isinstance(visible := self._visible(live, identity), np.ndarray):
            return slots
        return [slot for slot in slots if slot < len(visible) and visible[slot]]

    def _made_for_guests(self, live: LiveTable) -> Sequence[str] | None:
        made = self._for_guests.get(live.name)
        if made is None or (made[0], made[1]) != (live.table, live.table.version):
            return None
        return made[3] if 0 <= self._clock.now() - made[2] < GUESTS_FOR_S else None  # a clock may be set back


def _flags(table: FeatureTable, ids: set[str]) -> Flags:
    flags = np.zeros(table.length, np.bool_)
    flags[[slot for each in ids if (slot := table.slot_of(each)) is not None]] = True
    return flags
