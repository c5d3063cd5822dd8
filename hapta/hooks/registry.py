"""The hooks of all plugins in their order, looked up by kind, collection and action."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from hapta.hooks.spec import ACTIONS, KINDS, HookKind
from hapta.model.schema import Collection, fold_name

HookFunction: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
EVERY: Final = "*"
"""All collections but system ones and Hapta's own; of fields all but :data:`ALWAYS_READ`."""
ALWAYS_READ: Final = frozenset({"id", "collectionId", "collectionName"})
"""Fields that are about nothing but which row it is; a ``can_read`` of every field leaves them out."""
_MOST_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Hook:
    """One registered function.

    Attributes:
        kind: what it is.
        plugin: name of the plugin.
        function: the coroutine function; of a ``feed`` a plain one.
        collections: names or ids as written; :data:`EVERY` for all; empty for a kind that has none.
        actions: on which it runs, of kinds about changes.
        field: the field it is about; of ``can_read`` and ``on_upload``, else empty. :data:`EVERY`: all that
            no other ``can_read`` of its plugin names.
        depends_on: what of a viewer it may ask for.
        reads: collections whose rows its result depends on.
        priority: lower runs first.
        deadline_s: seconds it may take; ``None``: the configuration's.
        file, line: where it was registered.
        number: order of registration within its plugin.
        feed: name of the ranked feed, of ``feed``, else empty.
    """

    kind: HookKind
    plugin: str
    function: Callable[..., Any]
    collections: frozenset[str] = frozenset()
    actions: frozenset[str] = ACTIONS
    field: str = ""
    depends_on: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    priority: int = 0
    deadline_s: float | None = None
    file: str = ""
    line: int = 0
    number: int = 0
    feed: str = ""

    @property
    def name(self) -> str:
        """For logs: ``link_limit.few_links``."""
        return f"{self.plugin}.{getattr(self.function, '__name__', '?')}"

    @property
    def order(self) -> tuple[int, str, int]:
        """Hooks of a kind run in this order."""
        return (self.priority, self.plugin, self.number)

    def concerns(self, collection: Collection) -> bool:
        """Whether it is registered for this collection."""
        if EVERY in self.collections and (not collection.is_system or self.kind.name == "on_auth"):
            return True  # superusers are a system collection, and log in like everybody
        return any(
            name == collection.id or fold_name(name) == fold_name(collection.name)
            for name in self.collections
            if name != EVERY
        )


class Registry:
    """All hooks; never changes.

    Args:
        hooks: in any order.
    """

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        by_kind: dict[str, list[Hook]] = {name: [] for name in KINDS}
        for hook in hooks:
            by_kind[hook.kind.name].append(hook)
        self._by_kind: Mapping[str, tuple[Hook, ...]] = {
            name: tuple(sorted(found, key=lambda hook: hook.order)) for name, found in by_kind.items()
        }
        self._memo: dict[tuple[str, str, str, str, bool], tuple[Hook, ...]] = {}

    def __iter__(self) -> Iterator[Hook]:
        for hooks in self._by_kind.values():
            yield from hooks

    def of(self, kind: str, collection: Collection) -> tuple[Hook, ...]:
        """Those of a kind that concern a collection, in their order.

        Args:
            kind: name of a row of :data:`~hapta.hooks.spec.KINDS`.
        """
        return self.on(kind, collection, "")

    def on(self, kind: str, collection: Collection, action: str) -> tuple[Hook, ...]:
        """The same, of those that run on an action; empty for all actions."""
        hooks = self._by_kind[kind]
        if not hooks:
            return ()
        key = (kind, action, collection.id, collection.name, collection.is_system)
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= _MOST_REMEMBERED:
                self._memo.clear()
            found = self._memo[key] = tuple(
                hook for hook in hooks if (not action or action in hook.actions) and hook.concerns(collection)
            )
        return found

    def readers(self, collection: Collection, field: str) -> tuple[Hook, ...]:
        """The ``can_read`` hooks that have a say about a field: of each plugin the one that names it, else
        its one for every field. It is read by whom all of them let read it."""
        hooks = self.of("can_read", collection)
        naming = tuple(hook for hook in hooks if hook.field == field)
        if field in ALWAYS_READ:
            return naming
        named_by = {hook.plugin for hook in naming}
        return naming + tuple(h for h in hooks if h.field == EVERY and h.plugin not in named_by)

    def all_of(self, kind: str) -> tuple[Hook, ...]:
        """All of a kind, in their order."""
        return self._by_kind[kind]

    def collections(self) -> frozenset[str]:
        """Every collection that some hook names, as written."""
        return frozenset(name for hook in self for name in hook.collections if name != EVERY)


EMPTY: Final = Registry()
