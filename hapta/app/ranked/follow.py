"""What the change feed tells, put into the tables, and rows read again where that is not enough.

An event says that a row has changed, and mostly also what it is now. But events of several writes come in any
order, so where two of one row come shortly after one another, nobody knows which of them is the newer: the
row is read again once it is quiet. The same where an event carries no row, and for a moment after the feed
was connected, for then the first of two may have been missed. A row that is never quiet is read again now and
then. So whatever the order, the tables end up with what PocketBase has, and in the ordinary case, one event
for a row, that costs nothing.

An answer is older than an event that came after the question: such a row is asked for once more.

An event that a hook of PocketBase suppresses is never told, and nothing here can make up for it: such a
change shows with the next one of the row, or when the table is built anew.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from hapta.app.ranked.rows import READ_FAILURES, Fields, Row, Rows, portions
from hapta.feed.changes import Change
from hapta.model.backoff import Backoff
from hapta.model.clock import Clock

DOUBTFUL_S: Final = 2.0
"""Two events of one row within this may have come in the wrong order."""
QUIET_S: Final = 0.25
"""A row is read again when so long nothing was told of it."""
LONGEST_S: Final = 5.0
"""Or when it has waited so long for that."""

_NEVER: Final = float("-inf")

Put: TypeAlias = Callable[[str, str, Row | None], None]
_Key: TypeAlias = tuple[str, str]


class Following:
    """Between the change feed and the tables.

    Args:
        rows: reads rows again.
        reads: what is followed now: fields by id of the collection.
        put: takes what a row is now; ``None``: it is gone.
        on_failure: told of an error of Hapta's own; all tables are to be built anew.
        clock: monotonic time.

    Attributes:
        reread: rows read again so far.
    """

    def __init__(
        self,
        rows: Rows,
        reads: Callable[[], Mapping[str, Fields]],
        put: Put,
        on_failure: Callable[[Exception], None],
        clock: Clock,
    ) -> None:
        self.reread = 0
        self._rows = rows
        self._reads = reads
        self._put = put
        self._on_failure = on_failure
        self._clock = clock
        self._told: dict[_Key, float] = {}
        self._doubtful: dict[_Key, float] = {}
        self._certain_from = clock.monotonic() + DOUBTFUL_S
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """Rows that are to be read again."""
        return len(self._doubtful)

    def take(self, change: Change) -> bool:
        """A change of a collection that is followed; whether the tables have it now."""
        key, now = (change.collection_id, change.record_id), change.received_at
        before = self._told.pop(key, None)
        self._told[key] = now
        self._forget_until(now - DOUBTFUL_S)
        is_gone = change.action == "delete"
        is_known = is_gone or change.record is not None
        if is_known:
            self._put(*key, None if is_gone else change.record)
        if not is_known or before is not None or now < self._certain_from:
            self._doubtful.setdefault(key, now)
            self._wake.set()
        return is_known

    def connected(self) -> None:
        """The feed is connected anew: what was told before says nothing any more."""
        self._told.clear()
        self._doubtful.clear()  # all tables are built anew
        self._certain_from = self._clock.monotonic() + DOUBTFUL_S

    async def run(self) -> None:
        """Read again what is doubtful, for ever."""
        backoff = Backoff()
        while True:
            await self._wake.wait()
            await asyncio.sleep(QUIET_S)
            try:
                for collection_id, ids in self._due().items():
                    await self._read_again(collection_id, ids)
            except READ_FAILURES:  # if PocketBase is away, so is the feed, which says so
                await asyncio.sleep(backoff.wait_s(0.0))
            except Exception as exc:
                self._doubtful.clear()
                self._on_failure(exc)
            else:
                backoff = Backoff()
            if not self._doubtful:
                self._wake.clear()

    def _due(self) -> Mapping[str, list[str]]:
        now, followed = self._clock.monotonic(), self._reads()
        due: defaultdict[str, list[str]] = defaultdict(list)
        for key, since in tuple(self._doubtful.items()):
            if key[0] not in followed:
                del self._doubtful[key]
            elif self._told.get(key, _NEVER) <= now - QUIET_S or since <= now - LONGEST_S:
                due[key[0]].append(key[1])
        return due

    async def _read_again(self, collection_id: str, ids: list[str]) -> None:
        for portion in portions(ids):
            fields = self._reads().get(collection_id)
            if fields is None:
                return
            asked_at = self._clock.monotonic()
            found = await self._rows.by_ids(collection_id, portion, fields)
            for record_id in portion:
                key = (collection_id, record_id)
                if key not in self._doubtful:
                    continue  # the feed was lost meanwhile
                if self._told.get(key, _NEVER) >= asked_at:
                    self._doubtful[key] = asked_at
                    continue
                del self._doubtful[key]
                self.reread += 1
                self._put(collection_id, record_id, found.get(record_id))

    def _forget_until(self, instant: float) -> None:
        while self._told:
            oldest = next(iter(self._told))
            if self._told[oldest] >= instant:
                return
            del self._told[oldest]
