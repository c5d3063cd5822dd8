"""Figures of the tables of ranked feeds, read from whoever keeps them when somebody asks for the metrics."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Table(Protocol):
    """The table of a feed."""

    @property
    def rows(self) -> int: ...
    @property
    def nbytes(self) -> int: ...


class Live(Protocol):
    """A feed."""

    @property
    def is_ready(self) -> bool: ...
    @property
    def is_exact(self) -> bool: ...
    @property
    def table(self) -> Table: ...
    @property
    def events(self) -> int: ...
    @property
    def builds(self) -> Mapping[str, int]: ...


class Keeper(Protocol):
    """Who keeps the tables."""

    @property
    def feeds(self) -> Mapping[str, Live]: ...
    @property
    def reread(self) -> int: ...


class RankedTableMetrics(Collector):
    """By name of the feed; empty where none is configured."""

    def __init__(self) -> None:
        self._keeper: Keeper | None = None

    def follow(self, keeper: Keeper) -> None:
        """From now on show what ``keeper`` has."""
        self._keeper = keeper

    def collect(self) -> Iterator[Metric]:
        ready = _gauge("ready", "1 while the feed has a table, else it answers 503.")
        exact = _gauge("exact", "1 while its table has all changes; 0 while it is built anew after a gap.")
        rows = _gauge("rows", "Rows of its collection in its table.")
        held = _gauge("bytes", "Memory of its table, by estimate.")
        events = CounterMetricFamily(
            "hapta_ranked_feed_changes", "Changes put into its table.", labels=["feed"]
        )
        builds = CounterMetricFamily(
            "hapta_ranked_feed_builds", "Tables completed, by why they were built.", labels=["feed", "why"]
        )
        reread = CounterMetricFamily(
            "hapta_ranked_rows_reread", "Rows read again because events left open what they are."
        )
        if self._keeper is not None:
            reread.add_metric([], self._keeper.reread)
            for name, live in self._keeper.feeds.items():
                ready.add_metric([name], live.is_ready)
                exact.add_metric([name], live.is_exact)
                events.add_metric([name], live.events)
                if live.is_ready:
                    rows.add_metric([name], live.table.rows)
                    held.add_metric([name], live.table.nbytes)
                for why, count in live.builds.items():
                    builds.add_metric([name, why], count)
        yield from (ready, exact, rows, held, events, builds, reread)


def _gauge(what: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"hapta_ranked_feed_{what}", text, labels=["feed"])
