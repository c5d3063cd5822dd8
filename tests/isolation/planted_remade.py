"""Bugs planted into what Hapta makes of own writes and of rows it knows, one at a time.

See :mod:`tests.isolation.planted`. Two places that look like one rule are both changed where each alone is
enough. That a change which overlapped a fetch is counted all the same is seen by a unit test
(``tests/unit/stages/test_remake.py``): by chance it happens once in some thousand writes.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hapta.cache.changes as changes
import hapta.cache.patched_answer as patched_answer
import hapta.cache.patched_list as patched_list
from hapta.cache import derive, echoes, indexes, raw_rows, shelf
from hapta.cache.assembly import Fields, ListBody
from hapta.cache.condition import ALWAYS
from hapta.cache.echoes import Echoes, Event
from hapta.model.schema import Collection
from hapta.stages.lookup import Look
from hapta.stages.remake import Made, Remaker
from tests.isolation.patching import replace_everywhere


def _ignore_sort() -> None:
    patched_list.PatchedList._keeps_place = lambda self, change, at: True  # type: ignore[method-assign]


def _keep_what_left() -> None:
    patched_answer.PatchedAnswer.stays = lambda self, change: True  # type: ignore[method-assign]


def _count_nothing() -> None:
    patched_list.PatchedList._count = lambda self, by: None  # type: ignore[method-assign]


def _keep_emails() -> None:
    original = raw_rows.public_fields

    def public_fields(collection: Collection, row: Fields) -> Fields | None:
        found = original(collection, row)
        if found is None or "email" not in row:
            return found
        return dict(sorted({**found, "email": row["email"]}.items()))

    replace_everywhere(original, public_fields)


def _compose_without_view_rule() -> None:
    original = Remaker._composed

    def composed(self: Remaker, look: Look) -> Made | None:
        local = look.plan.local
        assert local is not None
        return original(self, replace(look, plan=replace(look.plan, local=replace(local, condition=ALWAYS))))

    Remaker._composed = composed  # type: ignore[method-assign]


def _expand_without_view_rule() -> None:
    replace_everywhere(patched_answer.shows_all, lambda plan, row, auth_id: True)


def _derive_without_filter() -> None:
    derive._members = lambda local, records, auth_id: list(records)


def _take_a_page_for_all() -> None:
    original = shelf._parse_whole

    def parse_whole(plan: Any, stored: Any) -> shelf.Whole | None:
        page = ListBody.parse(stored.body)
        page.page, page.total_items, page.total_pages = 1, len(page.rows), int(bool(page.rows))
        return original(plan, replace_body(stored, page.render()))

    def replace_body(stored: Any, body: bytes) -> Any:
        return replace(stored, body=body)

    shelf._is_whole = lambda answer: True
    shelf._parse_whole = parse_whole


def _unique_in_part() -> None:
    pattern = indexes._UNIQUE_OF_ONE.pattern.replace(r"\s*;?\s*", "") + r".*"
    indexes._UNIQUE_OF_ONE = re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _any_event_is_an_echo() -> None:
    def is_echo(self: Echoes, event: Event) -> bool:
        return (event.collection_id, event.record_id, event.action) in self._expected

    Echoes.is_echo = is_echo  # type: ignore[method-assign]
    echoes._is_same = lambda row, event: True


def _touch(forgotten: Callable[[Collection, frozenset[str], Any], frozenset[str]]) -> Callable[[], None]:
    """What the write left alone is not compared with what is stored, either."""
    original = changes.touched_fields

    def touched_fields(collection: Collection, members: Any) -> frozenset[str] | None:
        found = original(collection, members)
        return None if found is None else forgotten(collection, found, members)

    def apply() -> None:
        patched_answer.PatchedAnswer.check_untouched = lambda self, change, row: None  # type: ignore[method-assign]
        replace_everywhere(original, touched_fields)

    return apply


def _not_modified(collection: Collection, found: frozenset[str], members: Any) -> frozenset[str]:
    return found - {name.strip("+-") for name in members if name.strip("+-") != name}


def _not_dated(collection: Collection, found: frozenset[str], members: Any) -> frozenset[str]:
    return found - {str(field["name"]) for field in collection.fields if field.get("type") == "autodate"}


REMADE: dict[str, Callable[[], None]] = {
    "patch-sort": _ignore_sort,
    "patch-left": _keep_what_left,
    "patch-totals": _count_nothing,
    "public-emails": _keep_emails,
    "compose-view-rule": _compose_without_view_rule,
    "compose-expand-rule": _expand_without_view_rule,
    "derive-filter": _derive_without_filter,
    "derive-page": _take_a_page_for_all,
    "unique-where": _unique_in_part,
    "echo-any": _any_event_is_an_echo,
    "touched-modifier": _touch(_not_modified),
    "touched-date": _touch(_not_dated),
}
"""By name: what plants it into this process."""
