"""Whether changes are heard of, for whoever asks a hundred thousand times a second.

The answer of :class:`~hapta.feed.feed.ChangeFeed` and :class:`~hapta.feed.watch.SchemaWatch` together holds
until an instant they name, unless the one loses its stream or the other comes to doubt: so for as long as
neither happens, one comparison with the time is enough. What is relied on is kept up: the feed is told to
prove itself, and the schema is confirmed again before its time is over, so that a busy gateway waits for
neither.
"""

from typing import TYPE_CHECKING

from hapta.feed.feed import ChangeFeed
from hapta.feed.watch import SchemaWatch

if TYPE_CHECKING:
    from hapta.feed.stream import FeedStream


class Liveness:
    """The feed lives and the schema is confirmed.

    Args:
        feed: the change feed.
        schema: the schema watch.
    """

    def __init__(self, feed: ChangeFeed, schema: SchemaWatch) -> None:
        self.feed = feed
        self._schema = schema
        self._until = float("-inf")
        self._stream: FeedStream | None = None
        self._doubts = -1

    def holds(self, now: float) -> bool:
        """Whether something may be answered on the strength of it at ``now``, monotonic seconds; keeps the
        feed proving itself."""
        if now < self._until and self.feed.stream is self._stream and self._schema.doubts == self._doubts:
            return True
        return self._look(now)

    def _look(self, now: float) -> bool:
        feed, schema = self.feed, self._schema
        feed.touch()
        if not (feed.is_live and schema.is_confirmed()):
            return False
        due_at = schema.due_at()
        if now >= due_at:
            schema.renew()  # until it is, this is looked at each time
        self._until = min(feed.certain_until(), due_at)
        self._stream, self._doubts = feed.stream, schema.doubts
        return True
