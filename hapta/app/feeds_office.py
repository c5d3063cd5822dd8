"""What the operator can ask of ranked feeds: ``hapta feeds list``, ``explain`` and ``rebuild``."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np

from hapta.app.ranked.callers import Callers
from hapta.app.ranked.live import FeedUnusable, LiveTable
from hapta.app.ranked_tables import RankedTables
from hapta.identity.overview import Overview
from hapta.model.clock import Clock
from hapta.model.errors import BadRequest, HaptaError, NotFound
from hapta.model.identity import Identity
from hapta.model.schema import Schema
from hapta.ranking.explain import explain
from hapta.ranking.features import Caller, Ranked, Recipe
from hapta.ranking.table import FeatureTable
from hapta.ranking.visible import EVERYTHING

GUEST: Final = "guest"
SUPERUSER: Final = "superuser"


class FeedNotReady(HaptaError):
    """There is no table to look into; the message is the operator's, and says why."""

    status, code = 503, "feed_not_ready"


class Ranker(Protocol):
    """Ranks a table; :class:`hapta.app.ranker.Ranker`."""

    async def rank(
        self,
        table: FeatureTable,
        caller: Caller,
        recipe: Recipe,
        now: float,
        *,
        deadline_s: float,
        plugin: Any | None = None,
    ) -> Ranked:
        """The order for a caller."""


class FeedsOffice:
    """Answers for the ranked feeds of one Hapta.

    Args:
        tables: their tables.
        ranker: ranks as it does for clients.
        overview: finds accounts by their e-mail address.
        schema: what there is now.
        plugin_of: the plugin that scores a feed, by its name; ``None``: its preset does.
        callers: what is known of those who ask.
        clock: wall time.
    """

    def __init__(
        self,
        tables: RankedTables,
        *,
        ranker: Ranker,
        overview: Overview,
        schema: Callable[[], Schema],
        plugin_of: Callable[[str], Any | None],
        callers: Callers,
        clock: Clock,
    ) -> None:
        self._tables = tables
        self._ranker = ranker
        self._overview = overview
        self._schema = schema
        self._plugin_of = plugin_of
        self._callers = callers
        self._clock = clock

    def list(self) -> Sequence[Mapping[str, Any]]:
        """All feeds, by name."""
        return [self._shown(live) for _, live in sorted(self._tables.feeds.items())]

    def rebuild(self, name: str) -> None:
        """Build the table anew; the one there is serves until then.

        Raises:
            NotFound: there is no such feed.
        """
        self._tables.rebuild(self._found(name).name)

    async def explain(self, name: str, who: str, limit: int) -> Mapping[str, Any]:
        """The first rows of a feed for a caller, and what their scores are made of.

        Args:
            who: ``guest``, ``superuser``, ``COLLECTION/ID`` or an e-mail address; empty is a guest.

        Raises:
            NotFound: there is no such feed or account.
            BadRequest: ``who`` cannot be read, or is more than one.
            FeedNotReady: the feed has no table now.
            HaptaError: it could not be ranked.
        """
        live = self._found(name)
        try:
            await live.ready()
        except HaptaError as exc:
            raise FeedNotReady(self._why_not(live, exc)) from exc
        shown, identity = await self._identity(who or GUEST)
        theirs = await self._callers.theirs(live, identity)
        table, now = await live.ready(), self._clock.now()
        caller = self._callers.caller(table, identity, theirs, now)
        seen = (
            EVERYTHING if who == SUPERUSER else live.visible.of("" if identity is None else identity.record)
        )
        if isinstance(seen, np.ndarray):
            caller = replace(caller, visible=seen)
        recipe, plugin = live.recipe, self._plugin_of(name)
        ranked = await self._ranker.rank(
            table, caller, recipe, now, deadline_s=live.config.deadline_s, plugin=plugin
        )
        return {
            "feed": name,
            "as": shown,
            **self._scored_by(live),
            "total": ranked.total,
            "is_exact": live.is_exact,
            "visible": "unknown" if seen is None else "all" if seen is EVERYTHING else "some",
            "items": _taken_apart(table, caller, recipe, now, ranked, limit, is_plugin=plugin is not None),
        }

    def _found(self, name: str) -> LiveTable:
        live = self._tables.get(name)
        if live is None:
            raise NotFound(f"There is no ranked feed {name}.")
        return live

    def _shown(self, live: LiveTable) -> Mapping[str, Any]:
        spec, table = live.spec, live.table if live.is_ready else None
        return {
            "name": live.name,
            "collection": live.config.collection if spec is None else spec.collection.name,
            **self._scored_by(live),
            "state": _state(live),
            "visibility": _visibility(live),
            "problems": self._tables.problems(live.name),
            "rows": 0 if table is None else table.rows,
            "rows_read": 0 if live.build is None else live.build.rows,
            "bytes": 0 if table is None else table.nbytes,
            "changed_at": live.changed_at,
            "changes": live.events,
        }

    def _scored_by(self, live: LiveTable) -> Mapping[str, Any]:
        return {"preset": live.config.preset, "is_plugin": self._plugin_of(live.name) is not None}

    def _why_not(self, live: LiveTable, exc: HaptaError) -> str:
        if isinstance(exc, FeedUnusable):
            return f"The feed {live.name} does not fit the schema: " + "; ".join(
                self._tables.problems(live.name)
            )
        rows = 0 if live.build is None else live.build.rows
        return f"The table of the feed {live.name} is being loaded, {rows:,} rows so far; try again shortly."

    async def _identity(self, who: str) -> tuple[str, Identity | None]:
        """Whom it is ranked for: as shown, and as everybody else knows them."""
        if who in (GUEST, SUPERUSER):
            return who, None
        name, slash, record = who.partition("/")
        accounts = [
            each for each in self._schema().by_id.values() if each.type == "auth" and not each.is_system
        ]
        if slash:
            collection = self._schema().resolve(name)
            if collection not in accounts or not record:
                raise NotFound(f"There is no auth collection {name}.")
            found = [(collection, record)]
        elif "@" in who:
            asked = [(each, await self._overview.record_of(each.id, who)) for each in accounts]
            found = [(each, record) for each, record in asked if record]
        else:
            raise BadRequest(f"{who}: expected {GUEST}, {SUPERUSER}, COLLECTION/ID or an e-mail address.")
        if not found:
            raise NotFound(f"Nobody has the e-mail address {who}.")
        if len(found) > 1:
            names = " and ".join(each.name for each, _ in found)
            raise BadRequest(f"{who} is an account of {names}: name it as COLLECTION/ID.")
        (collection, record), *_ = found
        return f"{collection.name}/{record}", Identity(collection.id, record, "", None)


def _state(live: LiveTable) -> str:
    if live.problems:
        return "unusable"
    if not live.is_ready:
        return "loading"
    return "ready" if live.is_exact and live.is_current else "rebuilding"


def _visibility(live: LiveTable) -> str:
    """Who tells which rows a caller may see: the ``rows`` themselves, or ``pocketbase``; empty: not known, or
    nobody but superusers sees any."""
    if not live.is_ready or live.table.spec.collection.rules["listRule"] is None:
        return ""
    return "pocketbase" if live.visible.of("") is None else "rows"


def _taken_apart(
    table: FeatureTable,
    caller: Caller,
    recipe: Recipe,
    now: float,
    ranked: Ranked,
    limit: int,
    *,
    is_plugin: bool,
) -> Sequence[Mapping[str, Any]]:
    first = [int(slot) for slot in ranked.slots[:limit] if table.id_of(int(slot)) is not None]
    features = table.features()
    scores = None
    if is_plugin:
        scores = np.zeros(len(features), np.float32)
        scores[ranked.slots] = ranked.scores
    parts = explain(features, caller, recipe, now, first, scores)
    return [
        {"id": table.id_of(slot), "parts": {name: _finite(value) for name, value in row.items()}}
        for slot, row in zip(first, parts, strict=True)
    ]


def _finite(value: float) -> float | None:
    """JSON has no other numbers."""
    return value if math.isfinite(value) else None
