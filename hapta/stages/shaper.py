"""Runs the hooks that shape rows: first what may be read at all, then what the rows are made into.

All rows of one collection in an answer are shaped together, wherever in it they stand; each hook gets them
without what is expanded in them, which is rows of its own and shaped as such. Only when all of it is done is
anything written anew, so a hook that fails leaves nothing half shaped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
import orjson

from hapta.cache.lookup import Lookup
from hapta.cache.shapes import NO_SHAPES, Shape, Shapes
from hapta.hooks.change import LeftOut, Viewer
from hapta.hooks.registry import Hook, Registry
from hapta.hooks.reject import Reject
from hapta.hooks.run import HookLog, HookRunner
from hapta.model.errors import HaptaError
from hapta.model.schema import Collection, Schema
from hapta.stages.altered import NOTHING, Altered
from hapta.stages.shown_rows import EXPAND, FIXED, Row, Rows, everything
from hapta.stages.viewers import CannotShape, Viewers, Who

KINDS: Final = ("can_read", "on_answer")


class ShownRow(Mapping[str, Any]):
    """A row as a ``can_read`` hook gets it: as PocketBase shows it to the viewer.

    A field that the answer does not show as it is (it is hidden, the request's ``fields`` leave it out or
    shorten it) is not taken for an empty one, nor for what is left of it: who takes away what the decision
    rests on gets nothing by it. That goes for every way of asking, so a row of which ``fields`` keep
    something back cannot be looked through as a whole.
    """

    __slots__ = ("_altered", "_names", "_private", "_values")

    def __init__(self, collection: Collection, values: Mapping[str, Any], altered: Altered = NOTHING) -> None:
        self._values = values
        self._altered = altered
        # PocketBase shows it to some and not to others
        self._private = frozenset({"email"} if collection.type == "auth" else ())
        self._names = {str(each["name"]): bool(each.get("hidden")) for each in collection.fields}

    def _is_left_out(self, name: object) -> bool:
        if name in self._altered:
            return True
        return (
            name not in self._values and name not in self._private and (name in self._names or name in FIXED)
        )

    def __getitem__(self, name: str) -> Any:
        if self._is_left_out(name):
            raise LeftOut
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        if self._is_left_out(name):
            raise LeftOut
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        if self._altered or any(
            self._is_left_out(name) for name, is_hidden in self._names.items() if not is_hidden
        ):
            raise LeftOut
        return iter(self._values)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class PresentShapes:
    """What plans have to know of the hooks of now.

    Args:
        registry: the hooks of now; the same object while they are the same.
    """

    def __init__(self, registry: Callable[[], Registry]) -> None:
        self._registry = registry
        self._made_from: Registry | None = None
        self._made = NO_SHAPES

    def __call__(self) -> Shapes:
        registry = self._registry()
        if registry is not self._made_from:
            self._made_from = registry
            self._made = Shapes(self._made.version + 1, lambda each: _shape(registry, each))
        return self._made


class Shaper:
    """Shapes rows by the hooks of now.

    Args:
        registry: the hooks of now.
        shapes: what plans know of these (:class:`PresentShapes`).
        runner: runs them.
        schema: of now.
        viewers: tells for whom.
        log: told why rows could not be shaped.
    """

    def __init__(
        self,
        registry: Callable[[], Registry],
        shapes: Callable[[], Shapes],
        runner: HookRunner,
        schema: Callable[[], Schema],
        viewers: Viewers,
        log: HookLog,
    ) -> None:
        self._log = log
        self._registry = registry
        self._shapes = shapes
        self._runner = runner
        self._schema = schema
        self._viewers = viewers
        self._lookup: Lookup | None = None
        self._looked_at: Registry | None = None
        self._is_idle = True

    @property
    def moment(self) -> tuple[int, int]:
        """Versions of the schema and of the hooks: what was concluded from others is void."""
        return (self._schema().version, self._shapes().version)

    @property
    def is_idle(self) -> bool:
        """No hook shapes anything."""
        registry = self._registry()
        if registry is not self._looked_at:
            self._looked_at = registry
            self._is_idle = not any(registry.all_of(kind) for kind in KINDS)
        return self._is_idle

    @property
    def lookup(self) -> Lookup:
        """The schema of now."""
        schema = self._schema()
        if self._lookup is None or self._lookup.schema is not schema:
            self._lookup = Lookup(schema)
        return self._lookup

    def concerns(self, collection: Collection) -> bool:
        """Whether hooks shape rows of a collection."""
        registry = self._registry()
        return any(registry.of(kind, collection) for kind in KINDS)

    def guards(self, collection: Collection) -> tuple[Hook, ...]:
        """The hooks that say which fields of a collection may be read."""
        return self._registry().of("can_read", collection)

    def guards_of(self, collection: Collection, field: str) -> tuple[Hook, ...]:
        """Those that say it of one field."""
        return self._registry().readers(collection, field)

    def rows(self, altered: Altered = NOTHING) -> Rows:
        """Takes answers apart.

        Args:
            altered: values the request has changed.
        """
        return Rows(self.lookup, altered)

    def tell(self, error: HaptaError, what: str = "an event", request_id: str = "") -> None:
        """Something is not sent. Failures of hooks are in the log already."""
        if isinstance(error, CannotShape):
            fields = {"request_id": request_id} if request_id else {}
            self._log.error("hook_failed", message=f"{what} is not sent: {error.why}", **fields)

    async def shape(self, rows: list[Row], who: Who, request_id: str = "") -> None:
        """Shape rows and all that stands under them, in place.

        Raises:
            HookFailed: it cannot be done; nothing of them may be sent.
        """
        found: dict[str, list[Row]] = {}
        for row in everything(rows):
            found.setdefault(row.collection.id, []).append(row)
        registry = self._registry()
        for same in found.values():
            collection = same[0].collection
            for hook, viewer in await self._viewers.views(who, registry.of("can_read", collection)):
                await self._hide(registry, hook, viewer, same, request_id)
            for row in same:
                for name in row.hidden:
                    row.fields.pop(name, None)
        for same in found.values():
            hooks = registry.of("on_answer", same[0].collection)
            if hooks:
                await self._change(await self._viewers.views(who, hooks), same, request_id)

    async def may_read(
        self, hook: Hook, viewer: Viewer, row: Mapping[str, Any] | None, request_id: str = ""
    ) -> bool:
        """What a ``can_read`` hook says.

        Args:
            row: ``None``: of any row.

        Raises:
            HookFailed: nothing.
        """
        try:
            verdict = await self._runner.guard(hook, viewer, row, request_id=request_id)
        except LeftOut:
            return False
        except Reject:
            raise CannotShape(f"{hook.name} raised Reject; it says False") from None
        if not isinstance(verdict, bool):  # a coroutine nobody awaited would pass for True
            raise CannotShape(f"{hook.name} returned {type(verdict).__name__}, not True or False")
        return verdict

    async def unreadable(
        self, who: Who, named: Iterable[tuple[str, str]], request_id: str = ""
    ) -> frozenset[tuple[str, str]]:
        """Which of these fields (collection and name) somebody may not read of every row."""
        by_id = self._schema().by_id
        wanted: dict[str, set[str]] = {}
        for collection_id, name in named:
            wanted.setdefault(collection_id, set()).add(name)
        found: set[tuple[str, str]] = set()
        for collection_id, names in wanted.items():
            concerned: dict[Hook, set[str]] = {}
            for name in names:
                for hook in self.guards_of(by_id[collection_id], name):
                    concerned.setdefault(hook, set()).add(name)
            hooks = [hook for hook in self.guards(by_id[collection_id]) if hook in concerned]
            for hook, viewer in await self._viewers.views(who, hooks):
                if not await self.may_read(hook, viewer, None, request_id):
                    found.update((collection_id, name) for name in concerned[hook])
        return frozenset(found)

    async def _hide(
        self, registry: Registry, hook: Hook, viewer: Viewer, rows: list[Row], request_id: str
    ) -> None:
        decides: dict[str, bool] = {"": False, EXPAND: False}
        for row in rows:
            told = {*row.fields, row.via, *(expanded.relation for expanded in row.expands)}
            for name in told - decides.keys():
                decides[name] = hook in registry.readers(row.collection, name)
            names = {name for name in told - row.hidden if decides[name]}
            if names:
                seen = ShownRow(row.collection, row.seen, row.altered)
                if not await self.may_read(hook, viewer, seen, request_id):
                    row.hidden |= names

    async def _change(self, hooks: list[tuple[Hook, Viewer]], rows: list[Row], request_id: str) -> None:
        before = [row.values() for row in rows]
        after = [row.values() for row in rows]
        for hook, viewer in hooks:
            given = list(after)
            try:
                await self._runner.guard(hook, given, viewer, request_id=request_id)
            except Reject:
                raise CannotShape(f"{hook.name} raised Reject; it can only change rows") from None
            if len(given) != len(after) or any(a is not b for a, b in zip(given, after, strict=True)):
                raise CannotShape(f"{hook.name} changed the list instead of the rows in it")
        for row, old, new in zip(rows, before, after, strict=True):
            _take_over(row, old, new)


def _take_over(row: Row, old: dict[str, Any], new: dict[str, Any]) -> None:
    """What hooks changed; what they left alone stays byte for byte."""
    for name in row.fields.keys() - old.keys() - FIXED:
        del row.fields[name]  # what no hook can be shown nobody is
    if not all(isinstance(name, str) for name in new):
        raise CannotShape(f"a hook gave a member of {row.collection.name} a name that is no text")
    for name in old.keys() - new.keys() - FIXED:
        del row.fields[name]
    for name, value in new.items():
        if name in FIXED:
            continue
        try:
            orjson.dumps({name: None})
            made = orjson.dumps(value)
        except TypeError:
            raise CannotShape(f"a hook put what is no JSON into {row.collection.name}") from None
        if name not in old or orjson.dumps(old[name]) != made:
            row.fields[name] = msgspec.Raw(made)


def _shape(registry: Registry, collection: Collection) -> Shape | None:
    hooks = [hook for kind in KINDS for hook in registry.of(kind, collection)]
    if not hooks:
        return None
    return Shape(
        frozenset(name for hook in hooks for name in hook.depends_on),
        frozenset(name for hook in hooks for name in hook.reads),
    )
