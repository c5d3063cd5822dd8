"""Figures about interactions."""

from prometheus_client import CollectorRegistry, generate_latest

from hapta.observe.interaction_metrics import InteractionCounts, InteractionMetrics


class Keeper:
    """Remembers seven users."""

    def __init__(self) -> None:
        self.counts = InteractionCounts()

    def __len__(self) -> int:
        return 7


def text(metrics: InteractionMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode()


def test_without_a_keeper_all_families_are_there_at_nothing() -> None:
    told = text(InteractionMetrics())
    assert 'hapta_interactions_total{outcome="accepted"} 0.0' in told
    assert 'hapta_interactions_total{outcome="duplicate"} 0.0' in told
    assert "hapta_interaction_users_remembered 0.0" in told


def test_what_was_counted_is_shown() -> None:
    keeper, metrics = Keeper(), InteractionMetrics()
    metrics.follow(keeper)
    keeper.counts.took(3, 2)
    keeper.counts.wrote(3)
    keeper.counts.refused += 1
    told = text(metrics)
    assert 'hapta_interactions_total{outcome="accepted"} 3.0' in told
    assert 'hapta_interactions_total{outcome="duplicate"} 2.0' in told
    assert "hapta_interaction_requests_refused_total 1.0" in told
    assert "hapta_interaction_writes_total 1.0" in told
    assert "hapta_interaction_rows_written_total 3.0" in told
    assert "hapta_interaction_users_remembered 7.0" in told
