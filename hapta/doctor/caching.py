"""What the cache of the running Hapta could do better."""

from collections.abc import Iterator, Mapping
from typing import Any

from hapta.doctor.finding import Finding, ok, warn


def caching(stats: Mapping[str, Any]) -> Iterator[Finding]:
    """What an answer to ``GET /cache/stats`` means."""
    if not stats["is_enabled"]:
        yield warn(
            "cache", "it is off: every read goes to PocketBase", "remove cache.is_enabled, or set it to true"
        )
        return
    ratio = stats["totals"]["hit_ratio"]
    hits = "nobody has read yet" if ratio is None else f"{ratio:.0%} of the reads of records were hits"
    yield ok("cache", f"{hits}, {stats['used_bytes']:,} of {stats['budget_bytes']:,} bytes used")
    yield _hooks(stats["pb_hooks"], stats["pb_hooks_auto"])
    if stats["doubts"]:
        yield warn(
            "cache",
            f"{stats['doubts']} tags are in doubt: the answer to a write was lost",
            "they settle after cache.in_doubt_s; if it goes on, look at why PocketBase breaks off",
        )
    for rule in stats["unreadable_rules"]:
        yield warn("cache", f"a rule cannot be read: {rule}", "what rests on it is not stored; report it")
    for view, why in stats["unreadable_views"].items():
        yield warn(
            "cache",
            f"answers of the view {view} are not stored: {why}",
            "write its query so that it reads collections alone, without clock and chance",
        )


def _hooks(mode: str, because: str) -> Finding:
    why = f": {because}" if because else " by cache.pb_hooks"
    if mode == "none":
        return ok("pb_hooks", f"answers are shared between all who may see them{why}")
    gain = (
        'if no hook changes what reads answer, cache.pb_hooks = "none" lets users share what they all may '
        "see, and keeps what is stored when a write is refused"
    )
    if mode == "auth":
        return warn("pb_hooks", f"each user has stored answers of their own{why}", gain)
    return warn("pb_hooks", f"nothing is stored{why}", f"{gain}; it can be said of single collections")
