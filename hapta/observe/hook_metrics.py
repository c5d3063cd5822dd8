"""Figures about hooks. Labels are names of loaded plugins and of kinds, so there are few."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS_S = (0.0001, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)


class HookMetrics:
    """The families.

    Args:
        registry: where they are shown.

    Attributes:
        loaded: plugins at work.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = Counter(
            "hapta_hook_runs",
            "Runs of hooks, by plugin, kind and outcome.",
            ["plugin", "kind", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "hapta_hook_seconds",
            "Seconds hooks took, by plugin and kind.",
            ["plugin", "kind"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._dropped = Counter(
            "hapta_watcher_calls_dropped",
            "Calls of watchers that were too slow, by plugin and kind.",
            ["plugin", "kind"],
            registry=registry,
        )
        self._reloads = Counter(
            "hapta_plugin_reloads", "Plugins loaded anew, by outcome.", ["outcome"], registry=registry
        )
        self.loaded = Gauge("hapta_plugins_loaded", "Plugins at work.", registry=registry)
        self._children: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def hook_done(self, plugin: str, kind: str, outcome: str, seconds: float) -> None:
        """A hook ended; :class:`hapta.hooks.run.HookMeter`."""
        labels = (plugin, kind, outcome)
        found = self._children.get(labels)
        if found is None:  # to find them by their labels takes longer than to count
            found = self._runs.labels(*labels), self._seconds.labels(plugin, kind)
            self._children[labels] = found
        found[0].inc()
        found[1].observe(seconds)

    def watcher_dropped(self, plugin: str, kind: str) -> None:
        """A call was dropped; :class:`hapta.hooks.watchers.DropMeter`."""
        self._dropped.labels(plugin, kind).inc()

    def reloaded(self, outcome: str) -> None:
        """Plugins were loaded anew: ``done`` or ``refused``."""
        self._reloads.labels(outcome).inc()
