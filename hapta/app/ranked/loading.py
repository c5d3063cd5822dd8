"""Tables are filled: each collection is read once, for all tables that are on their way.

Collection after collection, one request at a time, so that loading is one client among many to PocketBase.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hapta.app.ranked.build import Build
from hapta.app.ranked.live import LiveTable
from hapta.app.ranked.rows import BULKY_PAGE, PAGE, Fields, Rows
from hapta.feed import EventLog, SchemaWatch
from hapta.model.clock import Clock

_TOLD_EVERY_S: Final = 1.0
_BULKY: Final = frozenset({"text", "editor", "json", "url"})

Builds = Mapping[LiveTable, Build]


class Loading:
    """Fills tables.

    Args:
        rows: reads.
        schema: tells what rows are like.
        clock: monotonic time.
        events: the operator's log.
    """

    def __init__(self, rows: Rows, schema: SchemaWatch, clock: Clock, events: EventLog) -> None:
        self._rows = rows
        self._schema = schema
        self._clock = clock
        self._events = events
        self._told = clock.monotonic()

    async def load(self, builds: Builds, on_complete: Callable[[LiveTable, Build], None]) -> None:
        """Fill tables; each is told when it is complete, if it is still wanted.

        Raises:
            RowsUnread, HaptaError, OperatorError, TimeoutError: PocketBase does not show rows.
        """
        self._told = self._clock.monotonic()
        for collection_id in dict.fromkeys(each for build in builds.values() for each in build.spec.reads):
            concerned = [build for build in builds.values() if collection_id in build.missing]
            await self._read(concerned, collection_id, builds)
            for live, build in builds.items():
                build.missing.discard(collection_id)
                if not build.missing and live.build is build:
                    on_complete(live, build)

    async def _read(self, concerned: Sequence[Build], collection_id: str, builds: Builds) -> None:
        fields = frozenset[str]().union(*(build.spec.reads[collection_id] for build in concerned))
        most, last = self._page_size(collection_id, fields), ""
        while not all(build.is_void for build in concerned):
            rows = await self._rows.page(collection_id, fields, after=last, most=most)
            for build in concerned:
                await build.take(collection_id, rows)
            self._tell(builds)
            if len(rows) < most:
                return
            last = rows[-1]["id"]

    def _page_size(self, collection_id: str, fields: Fields) -> int:
        collection = self._schema.snapshot.by_id.get(collection_id)
        named = () if collection is None else collection.fields
        is_bulky = any(each["type"] in _BULKY and each["name"] in fields - {"id"} for each in named)
        return BULKY_PAGE if is_bulky else PAGE

    def _tell(self, builds: Builds) -> None:
        now = self._clock.monotonic()
        if now - self._told < _TOLD_EVERY_S:
            return
        self._told = now
        for live, build in builds.items():
            if live.build is build:
                self._events.info(
                    "ranked_feed_loading",
                    feed=live.name,
                    message=f"the table of the ranked feed {live.name} is being loaded",
                    rows_read=build.rows,
                    seconds=round(now - build.began, 1),
                )
