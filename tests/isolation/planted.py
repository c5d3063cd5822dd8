"""Bugs planted into Hapta's planner, one at a time: the isolation test must find each.

A mutation is applied to the loaded modules of a Hapta process (:mod:`tests.isolation.planted_serve`) before
it serves. Mutations that cannot be seen from outside are left out: without the part that stands for guests,
say, their answers keep a key that nobody else has; and a row that is born moves its own tag as well.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from hapta.cache import planner, reading, writes
from hapta.cache.findings import Findings
from hapta.cache.ground import Ground
from hapta.cache.plan import Bypass, Part, PartKind, Plan
from hapta.cache.planner import Planner
from hapta.cache.rules import Rules
from hapta.stages import fill
from tests.isolation.patching import replace_everywhere


@dataclass(frozen=True)
class Mutation:
    """Attributes:
    name: on the command line.
    apply: plants it into this process.
    theme: of the worlds whose rules are apt to show it (:class:`tests.isolation.rules.Grammar`).
    """

    name: str
    apply: Callable[[], None]
    theme: int


def _change_plans(change: Callable[[Plan], Plan]) -> None:
    original = Planner.plan

    def plan(self: Planner, *args: Any, **kwargs: Any) -> Plan | Bypass:
        found = original(self, *args, **kwargs)
        return change(found) if isinstance(found, Plan) else found

    Planner.plan = plan  # type: ignore[method-assign]


def _without(*kinds: PartKind) -> Callable[[], None]:
    def keep(parts: Iterable[Part]) -> tuple[Part, ...]:
        return tuple(part for part in parts if part.kind not in kinds)

    return lambda: _change_plans(lambda plan: replace(plan, parts=keep(plan.parts)))


def _forget_query() -> None:
    """The parameter is dropped from the target as well, as unknown ones are."""
    original = Findings.add_part

    def add_part(self: Findings, kind: PartKind, why: str, name: str = "") -> None:
        if kind is not PartKind.QUERY:
            original(self, kind, why, name)

    Findings.add_part = add_part  # type: ignore[method-assign]


def _as_record_with_any_value() -> None:
    """The class is the collection of the caller, not their value."""

    def forget(part: Part) -> Part:
        return Part(PartKind.AUTH_COLLECTION) if part.kind is PartKind.AUTH_FIELD else part

    _change_plans(lambda plan: replace(plan, parts=tuple(sorted({forget(part) for part in plan.parts}))))


def _fill_as_guest() -> None:
    Plan.is_shared_with_guests = property(lambda self: True)  # type: ignore[assignment]


def _forget_own_email() -> None:
    _change_plans(lambda plan: replace(plan, shows_own_email=False))


def _forget_manage_rule() -> None:
    original = Rules.findings

    def findings(self: Rules, collection: Any, name: str, audience: Any) -> Findings:
        return Findings() if name == "manageRule" else original(self, collection, name, audience)

    Rules.findings = findings  # type: ignore[method-assign]


def _forget_view_rule_of_expand() -> None:
    draft: Any = planner._Draft
    draft._expanded = draft._emails


def _forget_nested_list_rule() -> None:
    Rules.list_rule = lambda self, collection, audience: Findings()  # type: ignore[method-assign]


def _forget_tables_of_views() -> None:
    """Neither the view says that it reads them nor do they say who reads them: each alone is enough."""
    Ground._enter_view = lambda self, view, findings: None  # type: ignore[method-assign]
    writes._readers = lambda schema, views: {}


def _depend_on_own_collection_alone() -> None:
    _change_plans(
        lambda plan: replace(
            plan, tags=frozenset(tag for tag in plan.tags if len(tag) == 1 or tag[1] == plan.collection)
        )
    )


def _forget_callers_record() -> None:
    replace_everywhere(fill._tags, lambda look: look.plan.tags)


def _forget_expanded_rows() -> None:
    original = reading.read_answer

    def read_answer(*args: Any) -> reading.Read:
        return replace(original(*args), tags=frozenset())

    replace_everywhere(original, read_answer)


def _forget_parameter(name: str) -> Callable[[], None]:
    def apply() -> None:
        kept = tuple(each for each in planner._LIST_PARAMETERS if each != name)
        planner._LIST_PARAMETERS = kept  # type: ignore[assignment]

    return apply


MUTATIONS = {
    mutation.name: mutation
    for mutation in (
        Mutation("any-auth", _without(PartKind.ANY_AUTH, PartKind.GUEST), 2),
        Mutation("auth-collection", _without(PartKind.AUTH_COLLECTION), 2),
        Mutation("auth-field", _as_record_with_any_value, 2),
        Mutation("auth-record", _without(PartKind.AUTH_RECORD), 1),
        Mutation("header", _without(PartKind.HEADER), 4),
        Mutation("query", _forget_query, 4),
        Mutation("method", _without(PartKind.METHOD), 4),
        Mutation("guest-fills", _fill_as_guest, 2),
        Mutation("own-email", _forget_own_email, 0),
        Mutation("manage-rule", _forget_manage_rule, 2),
        Mutation("expand-view-rule", _forget_view_rule_of_expand, 1),
        Mutation("nested-list-rule", _forget_nested_list_rule, 1),
        Mutation("view-tables", _forget_tables_of_views, 0),
        Mutation("other-collections", _depend_on_own_collection_alone, 3),
        Mutation("callers-record", _forget_callers_record, 2),
        Mutation("expanded-rows", _forget_expanded_rows, 0),
        Mutation("page", _forget_parameter("page"), 0),
    )
}
