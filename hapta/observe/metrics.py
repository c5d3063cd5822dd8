"""What is counted, and the text Prometheus reads.

Labels come from closed sets only (:class:`~hapta.model.operation.OperationClass`, statuses 100-599, the
outcomes and reasons named here); what is in none of them is counted as ``other``, so nobody outside can
make this table grow.

The two counts made for every request are plain numbers, turned into metric families when somebody reads
them: a pair of prometheus_client children costs 1.2 µs a request, this a tenth of it. They are counted and
rendered on the event loop, so they need no lock; the rarer ones are prometheus_client's own and may be
counted from any thread.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hapta import __version__
from hapta.feed.meters import GAP_REASONS
from hapta.model.operation import OperationClass
from hapta.observe.cache_metrics import CacheMetrics
from hapta.observe.file_metrics import FileMetrics
from hapta.observe.hook_metrics import HookMetrics
from hapta.observe.interaction_metrics import InteractionMetrics
from hapta.observe.ranked_metrics import RankedTableMetrics
from hapta.observe.ranking_metrics import RankingMetrics
from hapta.observe.session_metrics import SessionMetrics
from hapta.observe.worker_metrics import WorkerMetrics

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS_S: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds in seconds: a hit is below the first, a password login near 0.1, a backup beyond 10."""
_SHORTEST_S: Final = BUCKETS_S[0]

OUTCOMES: Final = frozenset({"1xx", "2xx", "3xx", "4xx", "5xx", "refused", "lost", "rejected"})
"""How an upstream request ended: the status class of its answer, or

``refused`` no connection, nothing was sent; ``lost`` sent, but no (whole) answer came; ``rejected`` never
tried: the circuit breaker was open or the waiting line was full.
"""

REFUSALS: Final = frozenset({"total", "address", "draining", "handshake"})
"""Why a client's connection was closed at once: ``server.max_connections``,
``server.max_connections_per_address``, or the gateway was shutting down."""

FEED_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Upper bounds in seconds: an event follows the answer within milliseconds."""

ACTIONS: Final = frozenset({"create", "update", "delete"})
"""What an event of the change feed tells of."""

OTHER: Final = "other"


class _Tally:
    """Requests of one class that ended one way, by duration; how many there were is the sum of it."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[0 if seconds <= _SHORTEST_S else bisect_left(BUCKETS_S, seconds)] += 1
        self.seconds += seconds


class _Tallies(Collector):
    """Tallies of all classes, shown as one counter and one histogram."""

    def __init__(self, subject: str, label: str, what: str) -> None:
        self._subject, self._label, self._what = subject, label, what
        self._by_class: Mapping[OperationClass, defaultdict[str | int, _Tally]] = {
            kind: defaultdict(_Tally) for kind in OperationClass
        }

    def tally(self, kind: OperationClass, label: str | int) -> _Tally:
        return self._by_class[kind][label]

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            f"hapta_{self._subject}_requests",
            f"{self._what}, by class and {self._label}.",
            labels=["class", self._label],
        )
        duration = HistogramMetricFamily(
            f"hapta_{self._subject}_request_duration_seconds",
            f"{self._what}: seconds from the first byte in to the last byte out.",
            labels=["class"],
        )
        for kind, tallies in self._by_class.items():
            counts = {label: sum(tally.buckets) for label, tally in tallies.items()}
            if not any(counts.values()):  # what is bound may never be counted
                continue
            for label, count in counts.items():
                if count:
                    total.add_metric([kind, str(label)], count)
            seconds = sum(tally.seconds for tally in tallies.values())
            duration.add_metric([kind], _cumulative(tallies.values()), seconds)
        yield total
        yield duration


def _cumulative(tallies: Iterable[_Tally]) -> list[tuple[str, float]]:
    """Prometheus counts a bucket together with all smaller ones."""
    sums = map(sum, zip(*(tally.buckets for tally in tallies), strict=True))
    so_far, buckets = 0, []
    for bound, count in zip((*BUCKETS_S, float("inf")), sums, strict=True):
        so_far += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(so_far)))
    return buckets


class Metrics:
    """All of Hapta's metrics, on a registry of its own.

    Attributes:
        open_streams: event streams now open towards clients.
        open_connections: client connections now open.
        upstream_restarts: starts of the embedded PocketBase after its first.
        spooled_bytes: request bodies now lying in temporary files.
        log_lines_dropped: access lines given up because the log could not take them.
        breaker_open: 1 while PocketBase is not asked because it did not answer.
        limit_table_keys: callers and accounts the limits remember now.
        certificate_expiry: when the certificate ends, in Unix seconds; 0 without one.
        untrusted_forwarding: requests with forwarding headers from a peer outside ``server.trusted_proxies``.
        sessions: figures of whoever keeps sessions, read from there.
        cache: what the cache did, and what it holds.
        files: the same of the cache of files.
        interactions: what was told of people and rows of ranked feeds.
        workers: jobs of the worker pool, and the pool itself.
        hooks: runs of plugins' hooks.
        rankings: orders of ranked feeds.

    It is also the feed's meter (``hapta.feed.FeedMeter``).
    """

    def __init__(self) -> None:
        # Else each counter has a second series that nobody reads. Process-wide, alas, and untyped.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._http = _Tallies("http", "status", "Requests answered")
        self._upstream = _Tallies("upstream", "outcome", "Requests to PocketBase")
        registry.register(self._http)
        registry.register(self._upstream)
        self.sessions = SessionMetrics()
        registry.register(self.sessions)
        self.cache = CacheMetrics()
        registry.register(self.cache)
        self.files = FileMetrics()
        registry.register(self.files)
        self.interactions = InteractionMetrics()
        registry.register(self.interactions)
        self.workers = WorkerMetrics()
        registry.register(self.workers)
        self.ranked_tables = RankedTableMetrics()
        registry.register(self.ranked_tables)
        self.hooks = HookMetrics(registry)
        self.rankings = RankingMetrics(registry)
        self.open_streams = Gauge("hapta_open_streams", "Event streams now open.", registry=registry)
        self.open_connections = Gauge(
            "hapta_open_connections", "Client connections now open.", registry=registry
        )
        refused = Counter(
            "hapta_connections_refused", "Connections closed at once.", ["reason"], registry=registry
        )
        self._refused = {reason: refused.labels(reason) for reason in sorted({*REFUSALS, OTHER})}
        self.upstream_restarts = Counter(
            "hapta_upstream_restarts", "Restarts of the embedded PocketBase.", registry=registry
        )
        self.spooled_bytes = Gauge(
            "hapta_spooled_bytes", "Request bodies now in temporary files.", registry=registry
        )
        self.log_lines_dropped = Counter(
            "hapta_log_lines_dropped", "Access lines given up.", registry=registry
        )
        self.breaker_open = Gauge(
            "hapta_breaker_open", "1 while the circuit breaker is open.", registry=registry
        )
        self.certificate_expiry = Gauge(
            "hapta_certificate_expiry_timestamp_seconds",
            "When the certificate of server.tls_cert ends; 0 without one.",
            registry=registry,
        )
        reloads = Counter("hapta_reloads", "Reloads of the configuration.", ["outcome"], registry=registry)
        self._reloads = {outcome: reloads.labels(outcome) for outcome in ("done", "refused")}
        self.untrusted_forwarding = Counter(
            "hapta_untrusted_forwarding",
            "Requests with forwarding headers from a peer that is no trusted proxy.",
            registry=registry,
        )
        self._limited = Counter(
            "hapta_limited", "Requests refused by a limit (429).", ["rule"], registry=registry
        )
        self.limit_table_keys = Gauge(
            "hapta_limit_table_keys", "Callers and accounts the limits remember now.", registry=registry
        )
        self._feed_live = Gauge(
            "hapta_feed_live", "1 while the change feed is connected and subscribed.", registry=registry
        )
        self._feed_lag = Histogram(
            "hapta_feed_lag_seconds",
            "Seconds from the answer to an own write to its event.",
            buckets=FEED_BUCKETS_S,
            registry=registry,
        )
        gaps = Counter(
            "hapta_feed_gaps",
            "Gaps: changes may have been missed.",
            ["reason"],
            registry=registry,
        )
        self._feed_gaps = {reason: gaps.labels(reason) for reason in sorted({*GAP_REASONS, OTHER})}
        self._feed_reconnects = Counter(
            "hapta_feed_reconnects", "Connections of the change feed after its first.", registry=registry
        )
        feed_events = Counter(
            "hapta_feed_events", "Events of the change feed.", ["action"], registry=registry
        )
        self._feed_events = {action: feed_events.labels(action) for action in sorted({*ACTIONS, OTHER})}
        Gauge("hapta_build_info", "1, with the version.", ["version"], registry=registry).labels(
            __version__
        ).set(1)
        ProcessCollector(registry=registry)

    def request_done(self, kind: OperationClass, status: int, seconds: float) -> None:
        """Count one request answered with ``status`` after ``seconds``; on the event loop only."""
        self._http.tally(kind, _status_label(status)).add(seconds)

    def bind_request(self, kind: OperationClass, status: int) -> Callable[[float], None]:
        """What :meth:`request_done` does for one class and status; to be called with the seconds of each."""
        return self._http.tally(kind, _status_label(status)).add

    def upstream_done(self, kind: OperationClass, outcome: str, seconds: float) -> None:
        """Count one upstream request that ended in one of :data:`OUTCOMES`; on the event loop only."""
        self._upstream.tally(kind, outcome if outcome in OUTCOMES else OTHER).add(seconds)

    def limited(self, rule: str) -> None:
        """Count a request refused by a limit, by the name it has in the configuration."""
        self._limited.labels(rule).inc()

    def reloaded(self, outcome: Literal["done", "refused"]) -> None:
        """The configuration was read again."""
        self._reloads[outcome].inc()

    def connection_refused(self, reason: str) -> None:
        """Count a connection closed at once for one of :data:`REFUSALS`."""
        self._refused.get(reason, self._refused[OTHER]).inc()

    def feed_live(self, is_live: bool) -> None:
        """Tell whether the change feed is connected and subscribed."""
        self._feed_live.set(is_live)

    def feed_lag(self, seconds: float) -> None:
        """Count an own write whose event came ``seconds`` after its answer."""
        self._feed_lag.observe(seconds)

    def feed_gap(self, reason: str) -> None:
        """Count a gap for one of :data:`~hapta.feed.meters.GAP_REASONS`."""
        self._feed_gaps.get(reason, self._feed_gaps[OTHER]).inc()

    def feed_reconnected(self) -> None:
        """Count a connection of the change feed after its first."""
        self._feed_reconnects.inc()

    def feed_event(self, action: str) -> None:
        """Count an event of one of :data:`ACTIONS`."""
        self._feed_events.get(action, self._feed_events[OTHER]).inc()

    def render(self) -> bytes:
        """Everything in Prometheus' text form 0.0.4; on the event loop only."""
        return generate_latest(self._registry)


def _status_label(status: int) -> str | int:
    return status if 100 <= status <= 599 else OTHER
