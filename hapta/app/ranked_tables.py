"""The tables of all ranked feeds: loaded in the background, kept current, built anew where that is needed.

* A feed whose table is not there yet answers 503; Hapta itself is up without it.
* All tables that are to be built read each collection once, together.
* When the change feed was lost, changes may be missing: a new table is built beside the old one, which serves
  until then. The same where the schema has changed in what the feed reads, or the configuration.
* A feed that the schema does not fit has no table, and gets one once it fits.
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hapta.app.ranked.build import Build
from hapta.app.ranked.follow import Following
from hapta.app.ranked.live import LiveTable
from hapta.app.ranked.loading import Loading
from hapta.app.ranked.rows import READ_FAILURES, Fields, Row, Rows
from hapta.app.ranked.settle import OwnWrites
from hapta.config.feed_tables import RankedFeedConfig
from hapta.feed import Change, ChangeFeed, EventLog, SchemaWatch
from hapta.model.backoff import Backoff
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError
from hapta.model.schema import Schema
from hapta.model.tasks import TaskSet
from hapta.observe.ranked_metrics import RankedTableMetrics
from hapta.ranking.arena import Arena
from hapta.ranking.spec import FeedSpec, UnusableFeed
from hapta.ranking.table import FeatureTable
from hapta.upstream.superuser import SuperuserClient

_RELEASED_AFTER_S: Final = 10.0
"""A ranking that began with a table that was replaced has ended by then."""
_BY: Final = "ranked feeds"


class RankedTables:
    """A table for each feed, from :meth:`start` to :meth:`stop`.

    Args:
        feeds: the ranked feeds, by name.
        origins: where each key of the configuration was set.
        superuser: reads rows.
        feed: tells of changes.
        schema: tells what there is.
        arena: where columns lie.
        events: the operator's log.
        metrics: shows the figures.
        on_ready: told of a table that is complete.
    """

    def __init__(
        self,
        feeds: Mapping[str, RankedFeedConfig],
        *,
        origins: Mapping[str, str],
        superuser: SuperuserClient,
        feed: ChangeFeed,
        schema: SchemaWatch,
        arena: Arena,
        clock: Clock,
        events: EventLog,
        metrics: RankedTableMetrics,
        on_ready: Callable[[FeatureTable], None] = lambda _: None,
    ) -> None:
        self._live = {name: LiveTable(name, config) for name, config in feeds.items()}
        self._origins = origins
        self._on_ready = on_ready
        self._feed = feed
        self._schema = schema
        self._arena = arena
        self._clock = clock
        self._events = events
        rows = Rows(superuser)
        self._loading = Loading(rows, schema, clock, events)
        self._following = Following(rows, lambda: self._read, self._put, self._all_failed, clock)
        self._own_writes = OwnWrites(clock)
        self._read: Mapping[str, Fields] = {}
        self._tasks = TaskSet()
        self._old: set[FeatureTable] = set()
        self._wake = asyncio.Event()
        self._is_stopped = False
        self._has_told = False
        metrics.follow(self)

    @property
    def feeds(self) -> Mapping[str, LiveTable]:
        """All of them, by name."""
        return self._live

    @property
    def reread(self) -> int:
        """Rows read again so far, because events did not say for certain what they are."""
        return self._following.reread

    async def start(self) -> None:
        """Load in the background, and follow changes from now on."""
        self._fit(self._schema.snapshot, is_start=True)
        self._feed.on_change(self._on_change)
        self._feed.on_gap(self._on_gap)
        self._feed.on_live(self._on_live)
        self._schema.on_change(self._on_schema)
        self._tasks.spawn(self._following.run(), name="ranked feeds: rows read again")
        self._tasks.spawn(self._build_all(), name="ranked feeds: tables")

    async def stop(self) -> None:
        """Follow no longer, and let go of all tables."""
        self._is_stopped = True
        await self._tasks.cancel()
        for live in self._live.values():
            live.stop_build()
            if (table := live.take_away()) is not None:
                self._old.add(table)
        while self._old:
            self._old.pop().release()

    def get(self, name: str) -> LiveTable | None:
        """A feed, ready or not; ``None``: there is none of this name."""
        return self._live.get(name)

    def problems(self, name: str) -> Sequence[str]:
        """What of a feed does not fit the schema, with file and line where the key is set."""
        return self._live[name].problem_lines(self._origins)

    def configure(self, feeds: Mapping[str, RankedFeedConfig], origins: Mapping[str, str]) -> None:
        """Other feeds from now on; one that stays as it was keeps its table, one that changed serves as
        before until its new one is complete."""
        self._origins = origins
        for name in [name for name in self._live if name not in feeds]:
            self._let_go(self._live.pop(name))
        for name, config in feeds.items():
            live = self._live.get(name)
            if live is None:
                self._live[name] = LiveTable(name, config)
            elif live.config != config:
                live.config, live.problems = config, ()
        self._fit(self._schema.snapshot, is_start=True, why="configuration")

    def rebuild(self, name: str) -> None:
        """Build the table of a feed anew; the one there is serves until then."""
        live = self._live[name]
        live.stop_build()
        live.is_exact, live.why = False, "operator"
        self._wake.set()

    def reads(self, collection: str) -> str | None:
        """The id of a collection that some feed reads, by its name or id; ``None`` for any other."""
        found = self._schema.snapshot.resolve(collection)
        return found.id if found is not None and found.id in self._read else None

    def wrote(self, collection_id: str, record_id: str, started_at: float | None = None) -> None:
        """An own write was answered; :meth:`settle` waits for its event.

        Args:
            started_at: monotonic instant at which it was sent, if that is known.
        """
        if collection_id in self._read and self._feed.covers(collection_id):
            self._own_writes.wrote(collection_id, record_id, started_at)

    async def settle(self, name: str) -> None:
        """Wait, 50 ms at most, until the table of a feed has all that was written through Hapta and answered
        before."""
        live = self._live.get(name)
        if live is not None and live.spec is not None:
            await self._own_writes.settle(live.spec.reads)

    # what is told

    def _on_change(self, change: Change) -> None:
        if self._is_stopped or change.collection_id not in self._read:
            return
        if self._following.take(change):
            self._own_writes.applied(change.collection_id, change.record_id)

    def _put(self, collection_id: str, record_id: str, row: Row | None) -> None:
        now = self._clock.now()
        for live in self._live.values():
            try:
                live.put(collection_id, record_id, row, now)
            except Exception as exc:  # else it would be a gap for all of Hapta
                self._failed([live], exc)

    def _on_gap(self) -> None:
        if self._is_stopped:
            return
        if not self._feed.is_connected:
            self._own_writes.forget()
            for live in self._live.values():
                live.stop_build()
                live.is_exact, live.why = False, "gap" if live.is_ready else live.why
        self._wake.set()  # the epoch moves for new collections, too: of those it follows now

    def _on_live(self) -> None:
        self._following.connected()
        self._wake.set()

    def _on_schema(self, schema: Schema) -> None:
        if not self._is_stopped:
            self._fit(schema)

    def _fit(self, schema: Schema, *, is_start: bool = False, why: str = "schema") -> None:
        """Hold all feeds against a schema."""
        for live in self._live.values():
            try:
                live.fits(FeedSpec.of(live.name, live.config, schema), schema)
            except UnusableFeed as exc:
                self._unusable(live, exc.problems, is_start=is_start)
            except Exception as exc:  # else nobody would have the schema
                self._failed([live], exc)
                self._unusable(live, (("collection", "Hapta failed on the schema"),), is_start=is_start)
            if live.is_ready and not live.is_current:
                live.why = why
        reads: dict[str, Fields] = {}
        for live in self._live.values():
            for collection_id, fields in live.reads():
                reads[collection_id] = reads.get(collection_id, frozenset()) | fields
        self._read = reads
        self._feed.wants_full(reads, by=_BY)
        self._wake.set()

    def _unusable(self, live: LiveTable, problems: tuple[tuple[str, str], ...], *, is_start: bool) -> None:
        self._let_go(live)
        is_told, live.why = live.problems == problems, "schema"
        live.fits_not(problems)
        if is_told:
            return
        lines = live.problem_lines(self._origins)
        if is_start:  # the schema may still be imported
            for line in lines:
                self._events.warning(
                    "ranked_feed_unusable",
                    feed=live.name,
                    message=f"{line}; the feed answers 503 until it fits",
                )
        else:
            self._events.error(
                "ranked_feed_unusable",
                feed=live.name,
                message=f"PocketBase's schema does not fit [feeds.{live.name}] any more, which answers 503 "
                "until one of them is corrected",
                problems=lines,
            )

    def _let_go(self, live: LiveTable) -> None:
        live.stop_build()
        table = live.take_away()
        if table is not None:
            self._release(table)

    def _release(self, table: FeatureTable) -> None:
        """Once the rankings that began with it have ended."""
        self._old.add(table)
        self._tasks.spawn(self._released_later(table), name="ranked feeds: old table")

    async def _released_later(self, table: FeatureTable) -> None:
        await asyncio.sleep(_RELEASED_AFTER_S)
        self._old.discard(table)
        table.release()

    def _all_failed(self, exc: Exception) -> None:
        self._failed(list(self._live.values()), exc)

    def _failed(self, lives: Sequence[LiveTable], exc: Exception) -> None:
        for live in lives:
            live.stop_build()
            live.is_exact, live.why = False, "failure"
        self._wake.set()
        self._events.error(
            "ranked_feed_failed",
            feeds=[live.name for live in lives],
            message="Hapta failed on rows of a ranked feed, whose table is built anew; please report it",
            trace="".join(traceback.format_exception(exc)),
        )

    # building

    async def _build_all(self) -> None:
        backoff = Backoff()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._loading.load(self._begin(), self._complete)
            except READ_FAILURES as exc:
                self._waits(exc)
            except Exception as exc:
                self._failed([live for live in self._live.values() if live.build is not None], exc)
            else:
                backoff = Backoff()
                continue
            for live in self._live.values():
                live.stop_build()
            await asyncio.sleep(backoff.wait_s(0.0))
            self._wake.set()

    def _begin(self) -> dict[LiveTable, Build]:
        """Tables to be filled now: nothing is read of a collection whose changes are not told."""
        builds: dict[LiveTable, Build] = {}
        for live in self._live.values():
            spec, form = live.spec, live.shape
            if (
                live.needs_build
                and spec is not None
                and form is not None
                and all(map(self._feed.covers, spec.reads))
            ):
                table = FeatureTable(spec, self._arena, self._clock)
                live.build = Build(spec, table, form, why=live.why, clock=self._clock)
                builds[live] = live.build
        return builds

    def _complete(self, live: LiveTable, build: Build) -> None:
        before = live.serve(build, self._schema.snapshot)
        if before is not None:
            self._release(before)
        self._has_told = False
        self._events.info(
            "ranked_feed_ready",
            feed=live.name,
            message=f"the table of the ranked feed {live.name} is complete",
            why=build.why,
            rows=build.table.rows,
            rows_read=build.rows,
            seconds=round(self._clock.monotonic() - build.began, 3),
            bytes=build.table.nbytes,
        )
        self._on_ready(build.table)

    def _waits(self, exc: BaseException) -> None:
        if self._has_told:
            return
        self._has_told = True
        reason = (
            exc.message if isinstance(exc, HaptaError) else str(exc) or "PocketBase does not answer in time"
        )
        self._events.warning(
            "ranked_feed_waits",
            message=f"tables of ranked feeds cannot be loaded now, and are tried again: {reason}",
        )
