"""Which plugin scores which ranked feed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from hapta.hooks.loader import shown
from hapta.hooks.registry import Hook
from hapta.workers.wire import Target


@dataclass(frozen=True, slots=True)
class Scorer:
    """A plugin's own scoring of a feed.

    Attributes:
        plugin: its name.
        target: the function, as a worker finds it.
        where: ``file:line`` of it.
    """

    plugin: str
    target: Target
    where: str


def place_of(hook: Hook) -> str:
    """``file:line`` where it was registered."""
    return f"{shown(Path(hook.file))}:{hook.line}"


def feed_problems(hooks: Iterable[Hook], feeds: Collection[str]) -> list[str]:
    """What is wrong with the scoring that plugins have registered, with file and line.

    Args:
        hooks: of all plugins that are to be at work together.
        feeds: names of those that are configured.
    """
    problems: list[str] = []
    taken: dict[str, Hook] = {}
    for hook in hooks:
        if not hook.feed:
            continue
        if hook.feed not in feeds:
            known = f"it has {', '.join(sorted(feeds))}" if feeds else "it has no feed"
            problems.append(
                f"{place_of(hook)}: feed: there is no [feeds.{hook.feed}] in the configuration, {known}: "
                "add that table, or name another feed"
            )
        elif hook.feed in taken:
            other = taken[hook.feed]
            problems.append(
                f"{place_of(hook)}: feed: {hook.feed} is scored by {other.name} already "
                f"({place_of(other)}): take one of them out"
            )
        else:
            taken[hook.feed] = hook
    return problems
