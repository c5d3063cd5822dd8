"""Where the expands of a read lead, and what their rows bring with them.

Every hop applies the viewRule of its collection; rows it hides are left out, and the answer stays 200
(``core/record_query_expand.go``). A hop that leads nowhere, or into a collection only superusers view, takes
its whole path out of the answer, but only where a row gets that far: then the answer depends on rows it does
not show, so nothing can be read out of it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hapta.cache.findings import CannotStore, Findings
from hapta.cache.ground import Ground
from hapta.cache.plan import Expand, Reason
from hapta.cache.tags import all_rows
from hapta.filters.expands import Hop
from hapta.model.schema import Collection


@dataclass(slots=True)
class _Node:
    name: str
    target: Collection
    relation: str | None
    children: dict[str, "_Node"] = field(default_factory=dict)

    def freeze(self) -> Expand:
        children = tuple(child.freeze() for child in self.children.values())
        return Expand(self.name, self.target.id, self.target.type == "auth", self.relation, children)


class Expansion:
    """The expands of one read, from one collection.

    Args:
        look: looks at what a row of a collection, shown by an expand, depends on: its viewRule, its e-mail.
        is_enabled: the operator lets rows of a collection be stored.
        is_shaped: plugins shape rows of a collection, so that nothing can be read out of them.

    Attributes:
        targets: all collections whose rows the answer may show, without the one read.
    """

    def __init__(
        self,
        ground: Ground,
        start: Collection,
        findings: Findings,
        look: Callable[[Collection], None],
        is_enabled: Callable[[Collection], bool],
        is_shaped: Callable[[Collection], bool],
    ) -> None:
        self._ground = ground
        self._is_shaped = is_shaped
        self._start = start
        self._findings = findings
        self._look = look
        self._is_enabled = is_enabled
        self._tree: dict[str, _Node] = {}
        self.targets: dict[str, Collection] = {}

    def tree(self) -> tuple[Expand, ...]:
        """What to follow in the answer."""
        return tuple(node.freeze() for node in self._tree.values())

    def follow(self, path: Iterable[Hop]) -> None:
        """Follow one path.

        Raises:
            CannotStore: its rows make the answer one that cannot be stored.
        """
        here, steps, is_whole = self._start, list[_Node](), True
        for hop in path:
            found = self._target(here, hop)
            if found is None or not self._is_open(found.target, hop):
                is_whole = False
                break
            here = found.target
            steps.append(found)
        level = self._tree
        for step in steps:
            self._enter(step, is_whole)
            node = level.setdefault(step.name, step)
            if step.relation is None:
                node.relation = None
            level = node.children

    def _target(self, here: Collection, hop: Hop) -> _Node | None:
        lookup = self._ground.lookup
        if hop.back is not None:
            back = lookup.back(here, hop.back)
            return _Node(hop.name, back[0], None) if back else None
        relation = lookup.field(here, hop.name)
        if relation is None or relation["type"] != "relation":
            return None
        target = lookup.related(relation)
        if target is None:
            return None
        is_shown = not (relation.get("hidden") or target.is_view or self._is_shaped(here))
        return _Node(hop.name, target, hop.name if is_shown else None)

    def _is_open(self, target: Collection, hop: Hop) -> bool:
        if target.is_system:
            raise CannotStore(
                Reason.COLLECTION, f"expand={hop.name} leads to {target.name}, a system collection"
            )
        return target.rules.get("viewRule") is not None

    def _enter(self, step: _Node, is_whole: bool) -> None:
        target, findings = step.target, self._findings
        if not self._is_enabled(target):
            raise CannotStore(
                Reason.COLLECTION, f"caching of {target.name}, which is expanded, is switched off"
            )
        why = f"it is expanded as {step.name}"
        if not is_whole:
            step.relation = None
        if step.relation is None:
            self._ground.read_any(target, findings, why)
        else:
            self._ground.enter(target, findings, why)
            findings.add_tag(all_rows(target.id), f"changes in {target.name} of rows nobody can name: {why}")
        self.targets[target.id] = target
        self._look(target)
