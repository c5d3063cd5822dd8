"""Ranked feeds in a running gateway, from nothing while none is configured.

NumPy and all that needs it is loaded with the first feed, be that at the start or at a reload.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hapta.app.caching import Caching
from hapta.app.interactions import Interactions
from hapta.app.plugins import Plugins
from hapta.app.reports import Outputs
from hapta.app.watch import Watch
from hapta.config.feed_tables import RankedFeedConfig
from hapta.identity.overview import Overview
from hapta.model.clock import Clock
from hapta.model.errors import OperatorError
from hapta.model.exchange import Stage
from hapta.model.tasks import TaskSet
from hapta.upstream.superuser import SuperuserClient
from hapta.workers.pool import WorkerPool

if TYPE_CHECKING:
    from hapta.app.feeds_office import FeedsOffice
    from hapta.app.ranked_feeds import RankedFeeds
    from hapta.app.ranked_tables import RankedTables
    from hapta.app.ranker import Ranker
    from hapta.ranking.table import FeatureTable


class Ranking:
    """All ranked feeds of one gateway.

    Args:
        superuser: reads rows.
        watch, caching, interactions, plugins: started.
        pool: ranks what is large, and whatever plugins score.

    Attributes:
        office: answers the operator; ``None`` while no feed was ever configured.
    """

    def __init__(
        self,
        superuser: SuperuserClient,
        watch: Watch,
        caching: Caching,
        interactions: Interactions,
        plugins: Plugins,
        pool: WorkerPool,
        *,
        outputs: Outputs,
        clock: Clock,
    ) -> None:
        self._superuser = superuser
        self._watch = watch
        self._caching = caching
        self._interactions = interactions
        self._plugins = plugins
        self._pool = pool
        self._outputs = outputs
        self._clock = clock
        self._tasks = TaskSet()
        self._ranker: Ranker | None = None
        self._tables: RankedTables | None = None
        self._feeds: RankedFeeds | None = None
        self.office: FeedsOffice | None = None

    async def start(self, feeds: Mapping[str, RankedFeedConfig], origins: Mapping[str, str]) -> None:
        """Load the tables of feeds, in the background."""
        await self.prepare(feeds)
        self.configure(feeds, origins)

    async def prepare(self, feeds: Mapping[str, RankedFeedConfig]) -> None:
        """Have ready what these feeds need; :meth:`configure` takes no time then."""
        if feeds and self._tables is None:
            await self._make().start()
        if any(self._plugins.scorer(name) for name in feeds):
            self._warm()

    def configure(self, feeds: Mapping[str, RankedFeedConfig], origins: Mapping[str, str]) -> None:
        """These feeds from now on, and no others; :meth:`stages` are others, too."""
        if self._tables is not None and self._feeds is not None:
            self._tables.configure(feeds, origins)
            self._feeds.forget_orders()

    def stages(self) -> Sequence[Stage]:
        """Behind the limits, in front of the cache; none while there is no feed."""
        if self._tables is None or self._feeds is None or not self._tables.feeds:
            return []
        return self._feeds.stages()

    async def stop(self) -> None:
        """Let go of all tables."""
        await self._tasks.cancel()
        if self._tables is not None:
            await self._tables.stop()

    def _make(self) -> "RankedTables":
        """The parts; no table is loaded yet."""
        from hapta.app.feeds_office import FeedsOffice
        from hapta.app.ranked.callers import Callers
        from hapta.app.ranked_feeds import RankedFeeds
        from hapta.app.ranked_tables import RankedTables
        from hapta.app.ranker import Ranker
        from hapta.ranking.shared import SharedArena

        events, metrics, schema = self._outputs.events, self._outputs.metrics, self._watch.schema
        self._tables = tables = RankedTables(
            {},
            origins={},
            superuser=self._superuser,
            feed=self._watch.feed,
            schema=schema,
            arena=SharedArena(),
            clock=self._clock,
            events=events,
            metrics=metrics.ranked_tables,
            on_ready=self._on_ready,
        )
        self._ranker = ranker = Ranker(self._pool, events=events, meter=metrics.rankings)
        callers = Callers(self._interactions)
        self._feeds = RankedFeeds(
            tables,
            ranker,
            callers,
            scorer=self._plugins.scorer,
            schema=schema,
            hooks_of=self._caching.hooks_of,
            has_store=self._caching.may_store,
            freshness=self._caching,
            clock=self._clock,
        )
        self.office = FeedsOffice(
            tables,
            ranker=ranker,
            overview=Overview(self._superuser, self._clock),
            schema=lambda: schema.snapshot,
            plugin_of=self._plugins.scorer,
            callers=callers,
            clock=self._clock,
        )
        return tables

    def _on_ready(self, table: "FeatureTable") -> None:
        """The table of a feed is complete."""
        if self._ranker is not None and self._ranker.goes_to_pool(table, table.spec.recipe):
            self._warm()

    def _warm(self) -> None:
        if self._ranker is not None:
            self._tasks.spawn(self._warmed(self._ranker), name="ranked feeds: workers")

    async def _warmed(self, ranker: "Ranker") -> None:
        try:
            await ranker.start()
        except OperatorError as exc:
            self._outputs.events.error("ranking_workers", message=f"ranked feeds have no workers: {exc}")
