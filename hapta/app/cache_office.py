"""What the operator can ask of the cache: ``hapta cache explain``, ``stats`` and ``purge``."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from hapta.app.caching import Caching
from hapta.app.explain import Explainer
from hapta.cache.generations import Standing
from hapta.cache.tags import all_rows, births
from hapta.model.clock import Clock
from hapta.model.errors import NotFound
from hapta.observe.cache_metrics import CacheMetrics


class CacheOffice:
    """Answers for one running cache.

    Args:
        caching: the cache.
        counts: what it did since the start.
        clock: both times.
    """

    def __init__(self, caching: Caching, counts: CacheMetrics, *, clock: Clock) -> None:
        self._caching = caching
        self._counts = counts
        self._explainer = Explainer(caching, clock)

    async def explain(self, url: str, caller: str) -> Mapping[str, Any]:
        """As :meth:`hapta.app.explain.Explainer.explain`."""
        return await self._explainer.explain(url, caller)

    def stats(self) -> Mapping[str, Any]:
        """As :func:`stats`."""
        return stats(self._caching, self._counts, is_enabled=self._caching.is_enabled)

    def purge(self, collection: str) -> int:
        """As :func:`purge`."""
        return purge(self._caching, collection)


def stats(caching: Caching, counts: CacheMetrics, *, is_enabled: bool) -> Mapping[str, Any]:
    """Everything counted since the start, by collection and in all."""
    rows: defaultdict[str, dict[str, Any]] = defaultdict(_empty)
    for what, found in (("how", counts.hits), ("misses", counts.misses), ("bypasses", counts.bypasses)):
        for (collection, reason), count in found.items():
            reasons = rows[caching.label(collection)][what]
            reasons[reason] = reasons.get(reason, 0) + count
    for name, count in caching.invalidations.items():
        rows[name]["invalidations"] += count
    for name, tally in caching.tallies().items():
        row = rows[name]
        row["responses"], row["bytes"] = tally.responses, tally.weight
        row["evicted"], row["not_admitted"] = tally.evicted, tally.not_admitted
    for row in rows.values():
        row["hits"] = sum(row["how"].values())
        row["hit_ratio"] = _ratio(row)
    totals = _totals(rows)
    return {
        "is_enabled": is_enabled,
        "is_live": caching.is_live,
        "pb_hooks": str(caching.hooks.default),
        "pb_hooks_auto": caching.hooks.because(),
        "budget_bytes": caching.store.max_bytes,
        "used_bytes": caching.weight,
        "doubts": caching.doubts,
        "totals": totals,
        "collections": dict(sorted(rows.items())),
        "unreadable_rules": list(caching.book.unreadable),
        "unreadable_views": _untold_views(caching),
    }


def purge(caching: Caching, name: str) -> int:
    """Make everything that depends on a collection unusable, and drop it; everything there is where no name
    is given.

    Returns:
        How many stored responses and kept files went.

    Raises:
        NotFound: there is no such collection.
    """
    store = caching.store
    if not name:
        caching.forget_all()
        caching.views.forget()  # after SQL behind Hapta they may read other tables
        return store.clear() + _purge_files(caching)
    collection = caching.book.schema.resolve(name)
    if collection is None:
        raise NotFound(f"There is no collection {name}.")
    tags = caching.book.write_tags.changed(collection.id, "", "create")
    caching.generations.move(tags | {all_rows(collection.id), births(collection.id)})
    dead = [key for key, stored in store.responses() if stored.fence.standing() is Standing.BROKEN]
    for key in dead:
        store.discard(key)
    return len(dead) + store.purge(collection.id) + _purge_files(caching, collection.id)


def _purge_files(caching: Caching, collection: str = "") -> int:
    return 0 if caching.files is None else caching.files.shelf.purge(collection)


def _untold_views(caching: Caching) -> Mapping[str, str]:
    """Views that nothing can be stored of, with the reason."""
    known, found = caching.views.known, {}
    for collection in caching.book.schema.by_id.values():
        if collection.is_view:
            reads = known.get(collection.id)
            trouble = "its tables are not known" if reads is None else reads.trouble
            if trouble:
                found[collection.name] = trouble
    return found


def _empty() -> dict[str, Any]:
    zeros = dict.fromkeys(("hits", "invalidations", "responses", "bytes", "evicted", "not_admitted"), 0)
    return {**zeros, "how": {}, "misses": {}, "bypasses": {}}


def _ratio(row: Mapping[str, Any]) -> float | None:
    """Hits among all reads of records; ``None`` without any."""
    reads = row["hits"] + sum(row["misses"].values()) + sum(row["bypasses"].values())
    return round(row["hits"] / reads, 4) if reads else None


def _totals(rows: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    totals = _empty()
    for row in rows.values():
        for name, value in row.items():
            if isinstance(value, dict):
                for reason, count in value.items():
                    totals[name][reason] = totals[name].get(reason, 0) + count
            elif name in totals:
                totals[name] += value
    totals["hit_ratio"] = _ratio(totals)
    return totals
