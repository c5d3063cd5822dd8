"""Figures of the cache of files, read when somebody asks for them."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class KeptFiles(Protocol):
    """Whoever keeps them.

    Attributes:
        weight: bytes on disk.
        evicted: how many had to make room.
    """

    weight: int
    evicted: int

    def __len__(self) -> int: ...


class FileMetrics(Collector):
    """Counts what became of requests for files, by ids of collections there are or were."""

    def __init__(self) -> None:
        self.hits: defaultdict[str, int] = defaultdict(int)
        self.misses: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.bypasses: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.confirmations: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._shelf: KeptFiles | None = None
        self._label: Callable[[str], str] = str

    def follow(self, shelf: KeptFiles, label: Callable[[str], str]) -> None:
        """Read the figures of what is kept there from now on.

        Args:
            label: the name of a collection, from its id.
        """
        self._shelf, self._label = shelf, label

    def file_hit(self, collection: str) -> None:
        """A file was told from the disk."""
        self.hits[collection] += 1

    def file_miss(self, collection: str, reason: str) -> None:
        """A file was fetched: ``uri-miss``, ``stale`` or ``collapsed``."""
        self.misses[collection, reason] += 1

    def file_bypass(self, collection: str, reason: str) -> None:
        """A request was left to PocketBase, for one of :class:`hapta.filecache.wanted.Left`."""
        self.bypasses[collection, reason] += 1

    def file_confirmed(self, collection: str, outcome: str) -> None:
        """A kept file was asked for once more: ``there``, ``gone`` or ``unknown``."""
        self.confirmations[collection, outcome] += 1

    def collect(self) -> Iterator[Metric]:
        shelf = self._shelf
        weight, count, evicted = (0, 0, 0) if shelf is None else (shelf.weight, len(shelf), shelf.evicted)
        hits = {(collection, ""): count for collection, count in self.hits.items()}
        yield self._family("hits", "Files told from the disk.", hits)
        yield self._family("misses", "Files fetched from PocketBase to be kept.", self.misses, "reason")
        yield self._family("bypasses", "Requests for files left to PocketBase.", self.bypasses, "reason")
        yield self._family(
            "confirmations", "Kept files PocketBase was asked for again.", self.confirmations, "outcome"
        )
        yield GaugeMetricFamily("hapta_file_cache_bytes", "Bytes on disk of all kept files.", weight)
        yield GaugeMetricFamily("hapta_file_cache_files", "Files kept.", count)
        yield CounterMetricFamily("hapta_file_cache_evictions", "Files that had to make room.", evicted)

    def _family(self, what: str, text: str, counts: dict[tuple[str, str], int], label: str = "") -> Metric:
        labels = ["collection", label] if label else ["collection"]
        family = CounterMetricFamily(f"hapta_file_cache_{what}", text, labels=labels)
        named: defaultdict[tuple[str, str], int] = defaultdict(int)
        for (collection, reason), count in counts.items():
            named[self._label(collection), reason] += count
        for values, count in named.items():
            family.add_metric(list(values[: len(labels)]), count)
        return family
