"""The fast lane put together."""

from hapta.app.caching import Caching
from hapta.app.limits import Limiting
from hapta.app.reports import Reports
from hapta.app.watch import Watch
from hapta.config import Config
from hapta.fastlane.lane import FastLane
from hapta.feed.liveness import Liveness
from hapta.model.clock import Clock
from hapta.server.transmit import Transmitter


def fast_lane(
    watch: Watch,
    caching: Caching,
    limiting: Limiting,
    reports: Reports,
    transmitter: Transmitter,
    clock: Clock,
    config: Config,
) -> FastLane | None:
    """The lane of one running gateway; ``None`` where it is switched off or nothing is stored."""
    if not (config.server.fast_lane and config.cache.is_enabled):
        return None
    return FastLane(
        Liveness(watch.feed, watch.schema),
        caching.store,
        caching.generations,
        caching.book,
        caching.origins,
        limiting.charger,
        reports,
        clock=clock,
        date=transmitter.date_line,
    )
