"""Figures of the cache, by collections' names of the moment."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hapta.cache.store import Tally
from hapta.observe.cache_metrics import CacheMetrics


class State:
    """Two collections that are known by name, the rest together."""

    weight, doubts = 500, 1

    def __init__(self) -> None:
        self.invalidations = {"posts": 3}

    def label(self, collection: str) -> str:
        return {"pbc_1": "posts", "pbc_2": "users"}.get(collection, "other")

    def tallies(self) -> dict[str, Tally]:
        tally = Tally()
        tally.responses, tally.weight, tally.evicted, tally.not_admitted = 2, 400, 5, 6
        return {"posts": tally}


@pytest.fixture
def figures() -> tuple[CacheMetrics, CollectorRegistry]:
    metrics, registry = CacheMetrics(), CollectorRegistry()
    registry.register(metrics)
    return metrics, registry


def test_what_was_counted_is_shown_by_name(figures: tuple[CacheMetrics, CollectorRegistry]) -> None:
    metrics, registry = figures
    metrics.follow(State())
    for collection in ("pbc_1", "pbc_1", "gone", "gone too"):
        metrics.cache_hit(collection, "shared")
        metrics.cache_miss(collection, "stale")
        metrics.cache_bypass(collection, "write")
        metrics.edge_refused(collection, "create")
        metrics.variant_made(collection)
        metrics.variant_served(collection, 50)
    for labels in ({"collection": "posts"}, {"collection": "other"}):
        assert registry.get_sample_value("hapta_cache_gzip_variants_total", labels) == 2
        assert registry.get_sample_value("hapta_cache_gzip_saved_bytes_total", labels) == 100
        counted = (("hits", "how", "shared"), ("misses", "reason", "stale"), ("bypasses", "reason", "write"))
        for name, label, value in counted:
            more = {**labels, label: value}
            assert registry.get_sample_value(f"hapta_cache_{name}_total", more) == 2
        assert registry.get_sample_value("hapta_edge_refusals_total", {**labels, "action": "create"}) == 2


def test_what_is_stored_is_shown_as_it_is_now(figures: tuple[CacheMetrics, CollectorRegistry]) -> None:
    metrics, registry = figures
    metrics.follow(State())
    assert registry.get_sample_value("hapta_cache_bytes") == 500
    assert registry.get_sample_value("hapta_cache_doubts") == 1
    posts = {"collection": "posts"}
    assert registry.get_sample_value("hapta_cache_invalidations_total", posts) == 3
    assert registry.get_sample_value("hapta_cache_responses", posts) == 2
    assert registry.get_sample_value("hapta_cache_response_bytes", posts) == 400
    assert registry.get_sample_value("hapta_cache_evictions_total", posts) == 5
    assert registry.get_sample_value("hapta_cache_not_admitted_total", posts) == 6


def test_before_there_is_a_cache_there_are_no_figures_of_it(
    figures: tuple[CacheMetrics, CollectorRegistry],
) -> None:
    assert b"hapta_cache_" not in generate_latest(figures[1])
