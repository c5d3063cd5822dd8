"""Figures of the cache by collection, read when somebody asks for them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

EVERYTHING = "*"
"""The label of invalidations that leave nothing."""


class Tally(Protocol):
    """What the store holds of one collection, and what became of the rest."""

    responses: int
    weight: int
    evicted: int
    not_admitted: int


class CacheState(Protocol):
    """Whoever keeps the cache."""

    def label(self, collection: str) -> str:
        """The name of a collection, from its id; one word for all that are no more."""
        ...

    def tallies(self) -> Mapping[str, Tally]:
        """By name of the collection."""
        ...

    @property
    def weight(self) -> int:
        """Bytes of everything stored."""
        ...

    @property
    def invalidations(self) -> Mapping[str, int]:
        """How many times writes and events made responses unusable, by name of the collection they
        reached, or :data:`EVERYTHING`."""
        ...

    @property
    def doubts(self) -> int:
        """Tags in doubt now."""
        ...


class CacheMetrics(Collector):
    """Counts what the cache did, by ids of collections there are or were, so nobody outside makes it grow."""

    def __init__(self) -> None:
        self.hits: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.misses: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.bypasses: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.refusals: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.variants: defaultdict[str, int] = defaultdict(int)
        self.saved_bytes: defaultdict[str, int] = defaultdict(int)
        self._state: Callable[[], CacheState | None] = lambda: None

    def follow(self, state: CacheState) -> None:
        """Read the figures of what is stored there from now on."""
        self._state = lambda: state

    def cache_hit(self, collection: str, how: str) -> None:
        """A read was served without PocketBase; a :class:`hapta.cache.status.Hit`."""
        self.hits[collection, how] += 1

    def bind_hit(self, collection: str, how: str) -> Callable[[], None]:
        """What :meth:`cache_hit` does, for hits that differ in nothing."""
        hits, label = self.hits, (collection, how)

        def count() -> None:
            hits[label] += 1

        return count

    def cache_miss(self, collection: str, reason: str) -> None:
        """A read was fetched: ``uri-miss``, ``stale`` or ``collapsed``."""
        self.misses[collection, reason] += 1

    def cache_bypass(self, collection: str, reason: str) -> None:
        """A read was passed on, for one of :class:`hapta.cache.plan.Reason`."""
        self.bypasses[collection, reason] += 1

    def variant_made(self, collection: str) -> None:
        """A stored response was put into gzip."""
        self.variants[collection] += 1

    def variant_served(self, collection: str, saved_bytes: int) -> None:
        """A body left in gzip, shorter by so much."""
        self.saved_bytes[collection] += saved_bytes

    def edge_refused(self, collection: str, action: str) -> None:
        """A request for records was refused without asking PocketBase."""
        self.refusals[collection, action] += 1

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        yield _refused(self.refusals, str if state is None else state.label)
        if state is None:
            return
        yield _by_label("hits", "Reads served without PocketBase.", "how", self.hits, state)
        yield _by_collection("gzip_variants", "Stored responses put into gzip.", self.variants, state)
        yield _by_collection("gzip_saved_bytes", "Bytes not sent thanks to gzip.", self.saved_bytes, state)
        yield _by_label("misses", "Reads fetched for the store.", "reason", self.misses, state)
        yield _by_label("bypasses", "Reads passed on, nothing stored.", "reason", self.bypasses, state)
        yield from _stored(state)


def _by_collection(what: str, text: str, counts: Mapping[str, int], state: CacheState) -> Metric:
    family = CounterMetricFamily(f"hapta_cache_{what}", text, labels=["collection"])
    named: defaultdict[str, int] = defaultdict(int)
    for collection, count in counts.items():
        named[state.label(collection)] += count
    for name, count in named.items():
        family.add_metric([name], count)
    return family


def _by_label(
    what: str, text: str, label: str, counts: Mapping[tuple[str, str], int], state: CacheState
) -> Metric:
    family = CounterMetricFamily(f"hapta_cache_{what}", text, labels=["collection", label])
    named: defaultdict[tuple[str, str], int] = defaultdict(int)
    for (collection, value), count in counts.items():
        named[state.label(collection), value] += count
    for labels, count in named.items():
        family.add_metric(list(labels), count)
    return family


def _refused(counts: Mapping[tuple[str, str], int], label: Callable[[str], str]) -> Metric:
    family = CounterMetricFamily(
        "hapta_edge_refusals",
        "Requests for records that a rule provably denies, answered without asking PocketBase.",
        labels=["collection", "action"],
    )
    named: defaultdict[tuple[str, str], int] = defaultdict(int)
    for (collection, action), count in counts.items():
        named[label(collection), action] += count
    for labels, count in named.items():
        family.add_metric(list(labels), count)
    return family


def _stored(state: CacheState) -> Iterator[Metric]:
    yield GaugeMetricFamily("hapta_cache_bytes", "Bytes of all that is stored.", state.weight)
    yield GaugeMetricFamily("hapta_cache_doubts", "Tags in doubt: a write to them was lost.", state.doubts)
    labels = ["collection"]
    invalidations = CounterMetricFamily(
        "hapta_cache_invalidations", "Writes and events that made responses unusable.", labels=labels
    )
    for collection, count in state.invalidations.items():
        invalidations.add_metric([collection], count)
    yield invalidations
    families: tuple[GaugeMetricFamily | CounterMetricFamily, ...] = (
        GaugeMetricFamily("hapta_cache_responses", "Responses stored.", labels=labels),
        GaugeMetricFamily("hapta_cache_response_bytes", "Bytes of responses stored.", labels=labels),
        CounterMetricFamily("hapta_cache_evictions", "Responses that had to make room.", labels=labels),
        CounterMetricFamily(
            "hapta_cache_not_admitted", "Responses for which no room was made.", labels=labels
        ),
    )
    for collection, tally in state.tallies().items():
        counts = (tally.responses, tally.weight, tally.evicted, tally.not_admitted)
        for family, count in zip(families, counts, strict=True):
            family.add_metric([collection], count)
    yield from families
