"""Bugs planted into Hapta's planner, one at a time: the isolation test must find each.

A mutation is applied to the loaded modules of a Hapta process (:mod:`tests.isolation.planted_serve`) before
it serves. Mutations that cannot be seen from outside are left out: without the part that stands for guests,
say, their answers keep a key that nobody else has; and a row that is born moves its own tag as well.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import orjson

from hapta.cache import overlay, planner, reading, writes
from hapta.cache.findings import Findings
from hapta.cache.ground import Ground
from hapta.cache.overlay import Row
from hapta.cache.plan import Bypass, Part, PartKind, Plan
from hapta.cache.planner import Planner
from hapta.cache.rules import Rules
from hapta.cache.stored import Stored
from hapta.stages import lookup
from hapta.stages.own_emails import OwnEmails
from tests.isolation.accounts import AccountsWorld
from tests.isolation.patching import replace_everywhere
from tests.isolation.world import World


@dataclass(frozen=True)
class Mutation:
    """Attributes:
    name: on the command line.
    apply: plants it into this process.
    theme: of the worlds whose rules are apt to show it (:class:`tests.isolation.rules.Grammar`).
    world: makes the worlds that are apt to show it.
    """

    name: str
    apply: Callable[[], None]
    theme: int
    world: Callable[[int, int], World] = World


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
    replace_everywhere(lookup.tags_of, lambda look: look.plan.tags)


def _forget_expanded_rows() -> None:
    original = reading.read_answer

    def read_answer(*args: Any, **kwargs: Any) -> reading.Read:
        return replace(original(*args, **kwargs), tags=frozenset())

    replace_everywhere(original, read_answer)


def _forget_parameter(name: str) -> Callable[[], None]:
    def apply() -> None:
        kept = tuple(each for each in planner._LIST_PARAMETERS if each != name)
        planner._LIST_PARAMETERS = kept  # type: ignore[assignment]

    return apply


def _lay_over(change: Callable[..., Stored]) -> Callable[[], None]:
    original = overlay.own_answer
    return lambda: replace_everywhere(original, partial(change, original))


def _at_another_row(original: Any, stored: Stored, row: Row, email: str) -> Stored:
    others = [places for each, places in stored.places.items() if each != row]
    wrong = replace(stored, places={row: others[0]}) if others else stored
    return original(wrong, row, email)  # type: ignore[no-any-return]


def _at_one_place_only(original: Any, stored: Stored, row: Row, email: str) -> Stored:
    first = replace(stored, places={row: stored.places[row][:1]})
    return original(first, row, email)  # type: ignore[no-any-return]


def _without_own_etag(original: Any, stored: Stored, row: Row, email: str) -> Stored:
    return replace(original(stored, row, email), etag=stored.etag)


def _escape(email: Callable[[str], bytes]) -> Callable[[], None]:
    def apply() -> None:
        overlay.orjson = SimpleNamespace(dumps=email)  # type: ignore[assignment]

    return apply


def _as_html(email: str) -> bytes:
    return orjson.dumps(email).replace(b"&", b"\\u0026")


def _in_ascii(email: str) -> bytes:
    return json.dumps(email).encode()


def _place(tamper: Callable[[list[int], int, Any], None]) -> Callable[[], None]:
    """Tamper with the places of each row that is found."""

    def apply() -> None:
        original = overlay._Search._note

        def note(self: overlay._Search, collection: str, at: int, row: Any) -> None:
            original(self, collection, at, row)
            tamper(self.places[collection, bytes(row["id"]).decode().strip('"')], at, row)

        overlay._Search._note = note  # type: ignore[method-assign]

    return apply


def _where_it_is_shown_too(places: list[int], at: int, row: Any) -> None:
    if "email" in row:
        places.append(overlay._offset(at, row, "email"))


def _before_email_visibility(places: list[int], at: int, row: Any) -> None:
    """Whatever fields sort before that."""
    if "email" not in row:
        places[-1] = overlay._offset(at, row, "emailVisibility")


def _of_whoever_asked_last() -> None:
    known, last = OwnEmails.known, []

    def mixed_up(self: OwnEmails, row: Row) -> str | None:
        found = known(self, row)
        if found is not None:
            last.append(found)
        return last[-2 if len(last) > 1 else -1] if found is not None else None

    OwnEmails.known = mixed_up  # type: ignore[method-assign]


def _forget_the_leader() -> None:
    original = reading.read_answer

    def read_answer(*args: Any, **kwargs: Any) -> reading.Read:
        return original(*args, **{**kwargs, "leader": None})

    replace_everywhere(original, read_answer)


def _cut_once() -> None:
    original = overlay._Search.found

    def found(self: overlay._Search) -> overlay.Found:
        del self._cuts[1:]
        return original(self)

    overlay._Search.found = found  # type: ignore[method-assign]


def _what_looks_like_a_row() -> None:
    """Found by its look, not by the plan."""
    original = overlay.find_places

    def find_places(plan: Plan, body: bytes, leader: Row | None = None) -> overlay.Found | None:
        found = original(plan, body, leader)
        if found is None:
            return None
        places: dict[str, list[int]] = {}
        for look in re.finditer(rb'"emailVisibility":false[^{}]*?"id":"(\w+)"', found.body):
            places.setdefault(look[1].decode(), []).append(look.start())
        wrong = {row: tuple(places.get(row[1], ())) if at else () for row, at in found.places.items()}
        return replace(found, places=wrong)

    replace_everywhere(original, find_places)


OVERLAID = (
    Mutation("overlay-other-row", _lay_over(_at_another_row), 0, AccountsWorld),
    Mutation("overlay-one-place", _lay_over(_at_one_place_only), 0, AccountsWorld),
    Mutation("overlay-etag", _lay_over(_without_own_etag), 0, AccountsWorld),
    Mutation("overlay-html", _escape(_as_html), 0, AccountsWorld),
    Mutation("overlay-ascii", _escape(_in_ascii), 0, AccountsWorld),
    Mutation("overlay-twice", _place(_where_it_is_shown_too), 0, AccountsWorld),
    Mutation("overlay-order", _place(_before_email_visibility), 0, AccountsWorld),
    Mutation("overlay-other-email", _of_whoever_asked_last, 0, AccountsWorld),
    Mutation("overlay-leader", _forget_the_leader, 0, AccountsWorld),
    Mutation("overlay-cut-once", _cut_once, 0, AccountsWorld),
    Mutation("overlay-decoy", _what_looks_like_a_row, 0, AccountsWorld),
)
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
        *OVERLAID,
    )
}
