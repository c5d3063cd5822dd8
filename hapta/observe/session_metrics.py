"""Figures about sessions, read from whoever keeps them when somebody asks for the metrics."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Counts(Protocol):
    """What was counted; reasons are words of the code, so there are few."""

    @property
    def memory(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def proof(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def replays(self) -> int: ...
    @property
    def ended(self) -> Mapping[str, int]: ...


class Keeper(Protocol):
    """Who remembers sessions and counts."""

    def __len__(self) -> int: ...

    @property
    def counts(self) -> Counts: ...


class SessionMetrics(Collector):
    """The families of one registry; empty until somebody is followed."""

    def __init__(self) -> None:
        self._keeper: Keeper | None = None

    def follow(self, keeper: Keeper) -> None:
        """From now on show what ``keeper`` counts."""
        self._keeper = keeper

    def collect(self) -> Iterator[Metric]:
        remembered = GaugeMetricFamily("hapta_sessions_remembered", "Sessions now in memory.")
        checks = CounterMetricFamily(
            "hapta_token_checks",
            "Session tokens, by what it took to know what they are worth.",
            labels=["how"],
        )
        replays = CounterMetricFamily("hapta_replays", "Retired session tokens that were used again.")
        ended = CounterMetricFamily(
            "hapta_sessions_ended", "Sessions ended here, by reason.", labels=["reason"]
        )
        if self._keeper is not None:
            counts = self._keeper.counts
            remembered.add_metric([], len(self._keeper))
            for how in ("memory", "rows", "proof", "refused"):
                checks.add_metric([how], getattr(counts, how))
            replays.add_metric([], counts.replays)
            for reason, count in counts.ended.items():
                ended.add_metric([reason], count)
        yield from (remembered, checks, replays, ended)
