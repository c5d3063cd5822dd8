"""Figures about interactions, read from whoever keeps them when somebody asks for the metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


@dataclass(slots=True)
class InteractionCounts:
    """Counted since the start, by this process.

    Attributes:
        accepted: interactions that changed something.
        duplicates: those that were known.
        refused: requests answered with an error.
        writes: to PocketBase.
        rows: in these.
    """

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    writes: int = 0
    rows: int = 0

    def took(self, accepted: int, duplicates: int) -> None:
        """A request was answered."""
        self.accepted += accepted
        self.duplicates += duplicates

    def wrote(self, rows: int) -> None:
        """A write of so many rows was answered."""
        self.writes += 1
        self.rows += rows


class Keeper(Protocol):
    """Who remembers users and counts."""

    def __len__(self) -> int: ...

    @property
    def counts(self) -> InteractionCounts: ...


class InteractionMetrics(Collector):
    """The families of one registry; at nothing until somebody is followed."""

    def __init__(self) -> None:
        self._keeper: Keeper | None = None

    def follow(self, keeper: Keeper) -> None:
        """From now on show what ``keeper`` counts."""
        self._keeper = keeper

    def collect(self) -> Iterator[Metric]:
        keeper = self._keeper
        counts = InteractionCounts() if keeper is None else keeper.counts
        told = CounterMetricFamily(
            "hapta_interactions", "Interactions told, by what became of them.", labels=["outcome"]
        )
        told.add_metric(["accepted"], counts.accepted)
        told.add_metric(["duplicate"], counts.duplicates)
        yield told
        yield CounterMetricFamily(
            "hapta_interaction_requests_refused", "Requests with interactions refused.", counts.refused
        )
        yield CounterMetricFamily(
            "hapta_interaction_writes", "Writes of interactions to PocketBase.", counts.writes
        )
        yield CounterMetricFamily(
            "hapta_interaction_rows_written", "Rows of interactions in these writes.", counts.rows
        )
        yield GaugeMetricFamily(
            "hapta_interaction_users_remembered",
            "Users whose interactions are in memory.",
            0 if keeper is None else len(keeper),
        )
