"""hapta.observe.metrics"""

import math
import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from hapta import __version__
from hapta.model.operation import OperationClass
from hapta.observe.metrics import BUCKETS_S, OUTCOMES, REFUSALS, Metrics

READ = OperationClass.RECORD_READ


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of the rendered text, by name and sorted labels."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, tuple(sorted(labels.items()))]


def test_a_request_is_counted_by_class_and_status_and_timed_by_class() -> None:
    metrics = Metrics()
    metrics.request_done(READ, 200, 0.002)
    metrics.request_done(READ, 200, 0.004)
    metrics.request_done(READ, 404, 0.001)
    labels = {"class": "record_read"}
    assert value(metrics, "hapta_http_requests_total", **labels, status="200") == 2
    assert value(metrics, "hapta_http_requests_total", **labels, status="404") == 1
    assert value(metrics, "hapta_http_request_duration_seconds_count", **labels) == 3
    assert value(metrics, "hapta_http_request_duration_seconds_sum", **labels) == pytest.approx(0.007)


def test_what_is_bound_counts_with_the_rest() -> None:
    metrics, labels = Metrics(), {"class": "record_read"}
    bound, unused, odd = (metrics.bind_request(READ, status) for status in (200, 304, 999))
    for count in (bound, bound, odd):
        count(0.002)
    metrics.request_done(READ, 200, 0.004)
    assert value(metrics, "hapta_http_requests_total", **labels, status="200") == 3
    assert value(metrics, "hapta_http_requests_total", **labels, status="other") == 1
    assert value(metrics, "hapta_http_request_duration_seconds_count", **labels) == 4
    assert value(metrics, "hapta_http_request_duration_seconds_sum", **labels) == pytest.approx(0.01)
    assert b'status="304"' not in metrics.render()
    unused(0.001)
    assert value(metrics, "hapta_http_requests_total", **labels, status="304") == 1


def test_a_bound_hit_counts_with_the_others() -> None:
    metrics = Metrics()
    count = metrics.cache.bind_hit("abc", "shared")
    assert not metrics.cache.hits
    count()
    metrics.cache.cache_hit("abc", "shared")
    count()
    assert metrics.cache.hits == {("abc", "shared"): 3}


@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
def test_an_upstream_request_is_counted_by_class_and_outcome(outcome: str) -> None:
    metrics = Metrics()
    metrics.upstream_done(READ, outcome, 0.5)
    labels = {"class": "record_read"}
    assert value(metrics, "hapta_upstream_requests_total", **labels, outcome=outcome) == 1
    assert value(metrics, "hapta_upstream_request_duration_seconds_count", **labels) == 1


@pytest.mark.parametrize("status", [0, 99, 600, 999, -1])
def test_a_status_outside_100_to_599_makes_no_label_of_its_own(status: int) -> None:
    metrics = Metrics()
    metrics.request_done(READ, status, 0.1)
    assert value(metrics, "hapta_http_requests_total", **{"class": "record_read"}, status="other") == 1


def test_an_unknown_outcome_or_reason_makes_no_label_of_its_own() -> None:
    metrics = Metrics()
    metrics.upstream_done(READ, "made-up", 0.1)
    metrics.connection_refused("203.0.113.9")
    assert value(metrics, "hapta_upstream_requests_total", **{"class": "record_read"}, outcome="other") == 1
    assert value(metrics, "hapta_connections_refused_total", reason="other") == 1
    assert not {b"made-up", b"203.0.113.9"} & set(re.findall(rb'"([^"]*)"', metrics.render()))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_each_bucket_counts_the_durations_up_to_its_bound(durations: list[float]) -> None:
    metrics = Metrics()
    for seconds in durations:
        metrics.request_done(READ, 200, seconds)
    shown = {
        float(dict(labels)["le"]): count
        for (name, labels), count in samples(metrics).items()
        if name == "hapta_http_request_duration_seconds_bucket"
    }
    bounds = (*BUCKETS_S, math.inf)
    assert shown == {bound: sum(seconds <= bound for seconds in durations) for bound in bounds}


@pytest.mark.parametrize("reason", sorted(REFUSALS))
def test_a_refused_connection_is_counted_by_reason(reason: str) -> None:
    metrics = Metrics()
    metrics.connection_refused(reason)
    assert value(metrics, "hapta_connections_refused_total", reason=reason) == 1


def test_gauges_and_rare_counters_show_what_was_set() -> None:
    metrics = Metrics()
    metrics.open_streams.inc()
    metrics.open_connections.inc(3)
    metrics.open_connections.dec()
    metrics.upstream_restarts.inc()
    metrics.spooled_bytes.set(4096)
    metrics.log_lines_dropped.inc(7)
    metrics.breaker_open.set(1)
    metrics.untrusted_forwarding.inc()
    assert value(metrics, "hapta_open_streams") == 1
    assert value(metrics, "hapta_open_connections") == 2
    assert value(metrics, "hapta_upstream_restarts_total") == 1
    assert value(metrics, "hapta_spooled_bytes") == 4096
    assert value(metrics, "hapta_log_lines_dropped_total") == 7
    assert value(metrics, "hapta_breaker_open") == 1
    assert value(metrics, "hapta_untrusted_forwarding_total") == 1


@pytest.mark.parametrize("outcome", ["done", "refused"])
def test_a_reload_is_counted_by_its_outcome(outcome: Literal["done", "refused"]) -> None:
    metrics = Metrics()
    metrics.reloaded(outcome)
    assert value(metrics, "hapta_reloads_total", outcome=outcome) == 1
    assert metrics.render().count(b"hapta_reloads_total{") == 2


def test_the_version_stands_in_build_info() -> None:
    assert value(Metrics(), "hapta_build_info", version=__version__) == 1


def test_two_gateways_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.open_streams.inc()
    assert value(other, "hapta_open_streams") == 0


def test_a_class_without_requests_is_not_shown() -> None:
    metrics = Metrics()
    metrics.request_done(READ, 200, 0.1)
    assert set(re.findall(rb'class="(\w+)"', metrics.render())) == {b"record_read"}


def test_no_counter_carries_a_second_series_with_its_birth() -> None:
    assert b"_created" not in Metrics().render()
