"""Whom the feed tells about itself: counters and the operator's log, both kept elsewhere."""

from typing import Final, Protocol

GAP_REASONS: Final = ("ended", "lost", "silent", "identity", "garbled", "consumer")
"""Why a gap was concluded: PocketBase ended the stream (a restart, its age limit), the connection broke, it
stayed silent through a heartbeat, the superuser identity behind it is gone, an event could not be read, a
part of Hapta failed on one."""


class FeedMeter(Protocol):
    """Counts; ``hapta.observe.Metrics`` is one."""

    def feed_live(self, is_live: bool) -> None:
        """The feed is connected and subscribed, or not any more."""

    def feed_lag(self, seconds: float) -> None:
        """An own write's event came so long after its answer."""

    def feed_gap(self, reason: str) -> None:
        """Changes may have been missed, for one of :data:`GAP_REASONS`."""

    def feed_reconnected(self) -> None:
        """Connected again after a gap."""

    def feed_event(self, action: str) -> None:
        """An event came: ``create``, ``update`` or ``delete``."""


class EventLog(Protocol):
    """Takes events for the operator; ``hapta.observe.Events`` is one."""

    def debug(self, event: str, **fields: object) -> None:
        """For whoever looks for a fault."""

    def info(self, event: str, **fields: object) -> None:
        """As it should be."""

    def warning(self, event: str, **fields: object) -> None:
        """Works, but the operator should look at it."""

    def error(self, event: str, **fields: object) -> None:
        """Something does not work."""
