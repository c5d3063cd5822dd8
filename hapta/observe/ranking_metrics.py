"""Figures about orders of ranked feeds."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class RankingMetrics:
    """The families; a :class:`hapta.app.ranker.RankMeter`.

    Args:
        registry: where they are shown.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rankings = Counter(
            "hapta_rankings", "Orders of ranked feeds.", ["where", "outcome"], registry=registry
        )
        self._seconds = Histogram(
            "hapta_ranking_seconds",
            "Seconds an order took.",
            ["where"],
            buckets=_BUCKETS_S,
            registry=registry,
        )

    def ranked(self, where: str, outcome: str, seconds: float) -> None:
        """An order was worked out, or was not.

        Args:
            where: ``process`` or ``pool``.
            outcome: ``done``, ``failed``, ``timed_out``, ``lost`` or ``refused``.
        """
        self._rankings.labels(where, outcome).inc()
        self._seconds.labels(where).observe(seconds)
