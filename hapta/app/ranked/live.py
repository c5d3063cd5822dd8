"""One ranked feed as it runs: its table, or why there is none."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from hapta.app.ranked.build import Build, Shape, apply, reads_alike, shape
from hapta.app.ranked.rows import Fields, Row
from hapta.config.errors import ConfigError
from hapta.config.feed_tables import RankedFeedConfig
from hapta.model.errors import Overloaded
from hapta.model.schema import Schema
from hapta.ranking.features import Recipe
from hapta.ranking.spec import FeedSpec
from hapta.ranking.table import FeatureTable
from hapta.ranking.visible import Visible

_LATER_S: Final = 30.0


class FeedLoading(Overloaded):
    """The table of a ranked feed is not complete yet."""

    code, message = "feed_loading", "This feed is being prepared. Please try again shortly."


class FeedUnusable(Overloaded):
    """What [feeds.<name>] asks for is not in the database; the operator's log says what."""

    code, message = "feed_unusable", "This feed is not available just now."

    def __init__(self) -> None:
        super().__init__(_LATER_S)


class LiveTable:
    """One feed.

    Attributes:
        name: of the feed.
        config: its table in the configuration.
        spec: the feed under the schema there is now; ``None``: it does not fit.
        problems: what does not fit.
        build: a table on its way.
        shape: what its table depends on, as of :func:`hapta.app.ranked.build.shape`.
        is_current: the table is of that shape; else another one is to be built.
        is_followed: what the table reads is still there, so changes are put in until another one takes its
            place.
        is_exact: the table has every change that was told; not while a gap is being repaired. It serves
            meanwhile.
        why: the reason of the next build, a word for the log and the metrics.
        events: changes put in so far.
        builds: tables made so far, by why.
        changed_at: Unix seconds of the last change put in; 0 before the first.
    """

    def __init__(self, name: str, config: RankedFeedConfig) -> None:
        self.name = name
        self.config = config
        self.spec: FeedSpec | None = None
        self.shape: Shape | None = None
        self.is_current = self.is_followed = False
        self.problems: tuple[tuple[str, str], ...] = ()
        self.build: Build | None = None
        self.is_exact = False
        self.why = "start"
        self.events = 0
        self.builds: dict[str, int] = {}
        self.changed_at = 0.0
        self._table: FeatureTable | None = None
        self._made_for: Shape | None = None
        self._visible: Visible | None = None
        self._is_there = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """There is a table."""
        return self._table is not None

    @property
    def table(self) -> FeatureTable:
        """The table, once :attr:`is_ready`; another one after it was built anew."""
        assert self._table is not None, "look at is_ready first, or await ready()"
        return self._table

    @property
    def visible(self) -> Visible:
        """What of :attr:`table` callers may see."""
        assert self._visible is not None, "look at is_ready first, or await ready()"
        return self._visible

    @property
    def recipe(self) -> Recipe:
        """How it is ranked now, be the table as it may."""
        return (self.spec or self.table.spec).recipe

    @property
    def needs_build(self) -> bool:
        """A table is to be built, and none is on its way."""
        return self.spec is not None and self.build is None and not (self.is_current and self.is_exact)

    async def ready(self) -> FeatureTable:
        """The table; waits for it, but not longer than the feed may take.

        Raises:
            FeedUnusable: the feed does not fit the schema.
            FeedLoading: it was not complete in time.
        """
        if self.problems:
            raise FeedUnusable
        try:
            async with asyncio.timeout(self.config.deadline_s):
                await self._is_there.wait()
        except TimeoutError:
            raise (FeedUnusable() if self.problems else FeedLoading()) from None
        if self._table is None:  # it went while we waited for our turn
            raise FeedLoading
        return self._table

    def fits(self, spec: FeedSpec, schema: Schema) -> None:
        """The feed under another schema, or another configuration."""
        form = shape(spec, schema)
        self.spec, self.shape, self.problems = spec, form, ()
        table, made_for = self._table, self._made_for
        if table is not None and made_for is not None:
            self.is_current = made_for == form
            self.is_followed = self.is_current or reads_alike(made_for, table.spec, schema)
            self._visible = Visible(table, schema)
        if self.build is not None and self.build.shape != form:
            self.stop_build()

    def fits_not(self, problems: tuple[tuple[str, str], ...]) -> None:
        """It cannot be had; for the table see :meth:`take_away`."""
        self.spec, self.shape, self.problems = None, None, problems
        self.is_current = self.is_followed = False

    def reads(self) -> Iterator[tuple[str, Fields]]:
        """What is read now, of each collection, for what the feed is and for what its table still is."""
        if self.spec is not None:
            yield from self.spec.reads.items()
        if self._table is not None and self.is_followed:
            yield from self._table.spec.reads.items()

    def put(self, collection_id: str, record_id: str, row: Row | None, now: float) -> None:
        """What a row is now; ``None``: it is gone."""
        build, table = self.build, self._table
        is_read = False
        if build is not None and collection_id in build.spec.reads:
            build.told(collection_id, record_id, row)
            is_read = True
        if table is not None and self.is_followed and collection_id in table.spec.reads:
            apply(table, collection_id, record_id, row)
            is_read = True
        if is_read:
            self.events += 1
            self.changed_at = now

    def serve(self, build: Build, schema: Schema) -> FeatureTable | None:
        """The table is complete; returns the one it replaces."""
        before, self._table = self._table, build.table
        self._made_for = build.shape
        self.build, self.is_exact = None, True
        self.is_current = self.is_followed = True
        self.builds[build.why] = self.builds.get(build.why, 0) + 1
        self._visible = Visible(build.table, schema)
        self._is_there.set()
        return before

    def take_away(self) -> FeatureTable | None:
        """There is no table from now on; returns the one there was."""
        before, self._table, self._visible, self._made_for = self._table, None, None, None
        self._is_there.clear()
        self.is_exact = self.is_current = self.is_followed = False
        return before

    def stop_build(self) -> None:
        """What is on its way is of no use."""
        if self.build is not None:
            self.build.abandon()
            self.build = None

    def problem_lines(self, origins: Mapping[str, str]) -> list[str]:
        """The problems, each with file and line where the key is set."""
        lines = []
        for key, problem in self.problems:
            parts = f"feeds.{self.name}.{key}".split(".")
            keys = tuple(".".join(parts[:length]) for length in range(len(parts), 1, -1))
            lines.append(ConfigError(keys, problem).line(origins))
        return lines
