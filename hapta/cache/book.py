"""Plans and write tags of the present: made anew when the schema, the views' SQL or the hooks are others.

What was planned under another state is void, and :attr:`PlanBook.version` says so. Plans are remembered by
target and audience, bounded in bytes, for the same few URLs are asked for again and again.
"""

from collections.abc import Callable, Sequence
from collections.abc import Collection as Several
from typing import NamedTuple

from hapta.cache.known_rows import KnownRows
from hapta.cache.plan import Audience, Bypass, Expand, HooksMode, Plan, Views
from hapta.cache.planner import Planner
from hapta.cache.shapes import NO_SHAPES, Shapes
from hapta.cache.writes import WriteTags
from hapta.model.operation import Operation
from hapta.model.recent import Recent
from hapta.model.schema import Collection, Schema
from hapta.model.target import Target

MEMO_BYTES = 16 * 1024 * 1024
_PLAN_BYTES = 5500
"""Memory of one plan, about; without its expands and what the client wrote."""
_EXPAND_BYTES = 160
_CONDITION_BYTES = 120
"""Memory of a filter that is kept taken apart, for each of its characters."""
"""Of one expand in it."""
MAX_REMEMBERED = 3000
"""Characters of the longest target whose plan is remembered."""
UNKNOWN = "other"
"""The label of collections that are not known."""


class Circumstances(NamedTuple):
    """What plans are made from.

    Attributes:
        schema: as last seen.
        views: what its views read; the same object while nothing changed.
        hooks_version: moves with every change of what PocketBase's hooks may do.
        shapes: how plugins shape rows; the same object while they are the same plugins.
    """

    schema: Schema
    views: Views
    hooks_version: int
    shapes: Shapes = NO_SHAPES

    def is_same(self, other: "Circumstances | None") -> bool:
        """Whether plans of the one hold under the other."""
        return (
            other is not None
            and (self.schema is other.schema or self.schema.version == other.schema.version)
            and self.views is other.views
            and self.hooks_version == other.hooks_version
            and self.shapes is other.shapes
        )


class PlanBook:
    """Plans of the present.

    Args:
        circumstances: asked before every plan; cheap.
        hooks: how server-side code may shape answers with rows of a collection.
        is_enabled: whether the operator lets answers with rows of a collection be stored.
        custom_routes_write: ``cache.custom_routes_write``.
        on_warning: told once of each rule that cannot be read.
        rows: told by what field lists are restricted, before the first of them is fetched; ``None`` where
            none may be.

    Attributes:
        version: moves whenever plans made before are void.
    """

    def __init__(
        self,
        circumstances: Callable[[], Circumstances],
        *,
        hooks: Callable[[Collection], HooksMode],
        is_enabled: Callable[[Collection], bool],
        custom_routes_write: Several[str],
        on_warning: Callable[[str], None],
        rows: KnownRows | None = None,
    ) -> None:
        self._circumstances = circumstances
        self._hooks = hooks
        self._is_enabled = is_enabled
        self._custom_routes_write = custom_routes_write
        self._rows = rows
        self._on_warning = on_warning
        self._warned: set[str] = set()
        self._unreadable: set[str] = set()
        self._version = 0
        self._made_from: Circumstances | None = None
        self._planner: Planner
        self._write_tags: WriteTags
        self._memo: Recent[tuple[str, Audience], Plan | Bypass] = Recent(MEMO_BYTES, _weight)

    def configure(self, custom_routes_write: Several[str]) -> None:
        """Whatever is configured may be other: plans made before are void."""
        self._custom_routes_write = custom_routes_write
        self._made_from = None

    @property
    def version(self) -> int:
        """Of plans made now."""
        self._keep_up()
        return self._version

    @property
    def planned_version(self) -> int:
        """Of the plan made last."""
        return self._version

    @property
    def schema(self) -> Schema:
        """Of plans made now."""
        self._keep_up()
        assert self._made_from is not None
        return self._made_from.schema

    @property
    def write_tags(self) -> WriteTags:
        """Of writes that begin now."""
        self._keep_up()
        return self._write_tags

    @property
    def unreadable(self) -> Sequence[str]:
        """Rules that some plan of now had to read and could not; sorted."""
        self._keep_up()
        return sorted(self._unreadable)

    def plan(self, target: Target, operation: Operation, audience: Audience) -> Plan | Bypass:
        """The plan of a read, as :meth:`hapta.cache.planner.Planner.plan`."""
        self._keep_up()
        key = (target.raw, audience)
        found = self._memo.get(key)
        if found is None:
            found = self._planner.plan(target, operation, audience)
            self._watch(found)
            if len(target.raw) < MAX_REMEMBERED:
                self._memo.put(key, found)
            self._unreadable.update(self._planner.warnings)
            for warning in self._planner.warnings:
                if warning not in self._warned:
                    self._warned.add(warning)
                    self._on_warning(warning)
            self._planner.warnings.clear()
        return found

    def _watch(self, found: Plan | Bypass) -> None:
        if self._rows is not None and isinstance(found, Plan) and found.restriction is not None:
            self._rows.watch(found.collection, found.restriction)

    def label(self, name_or_id: str) -> str:
        """A collection's name for metrics and people; :data:`UNKNOWN` for one that is not known."""
        collection = self.schema.resolve(name_or_id)
        return UNKNOWN if collection is None else collection.name

    def id_of(self, name_or_id: str) -> str:
        """A collection's id; :data:`UNKNOWN` for one that is not known."""
        collection = self.schema.resolve(name_or_id)
        return UNKNOWN if collection is None else collection.id

    def _keep_up(self) -> None:
        present = self._circumstances()
        if present.is_same(self._made_from):
            return
        planner = Planner(
            present.schema,
            present.views,
            self._hooks,
            self._is_enabled,
            restricts=self._rows is not None,
            shapes=present.shapes,
        )
        write_tags = WriteTags(present.schema, present.views, custom_routes_write=self._custom_routes_write)
        # only now: were one of them not to be made, nothing of before may pass for the present
        self._planner, self._write_tags, self._made_from = planner, write_tags, present
        self._version += 1
        self._memo.clear()
        if self._rows is not None:
            self._rows.keep_up(present.schema)
        self._unreadable.clear()


def _weight(found: Plan | Bypass) -> int:
    """Bytes of memory: with the target, which is in the key as well."""
    if isinstance(found, Bypass):
        return _PLAN_BYTES + len(found.detail)
    weight = _PLAN_BYTES + 2 * len(found.target) + _EXPAND_BYTES * _count(found.expands)
    if found.local is not None and found.local.is_filtered:
        weight += _CONDITION_BYTES * len(found.target)  # its filter is in there
    return weight


def _count(expands: tuple[Expand, ...]) -> int:
    return sum(1 + _count(expand.children) for expand in expands)
