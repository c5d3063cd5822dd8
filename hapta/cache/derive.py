"""A list made of records that are known, where they are all that could be in it.

Known to be all are the records of a stored list that has them on one page and leaves none out but what the
collection's listRule hides from everybody; or the one record with a value that no two records can have. Which
of them the list shows its condition says, and where its ordering, by which no two may be alike: then nothing
is left to SQLite.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cmp_to_key

from hapta.cache.assembly import Fields, ListBody, OddBody, Refused, compose
from hapta.cache.local import Local
from hapta.cache.patched_answer import Find, shows_all
from hapta.cache.plan import Plan


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        fields: its own members, raw.
        values: the same, decoded.
    """

    fields: Fields
    values: Mapping[str, object]


def derived(plan: Plan, records: Iterable[Record], *, auth_id: str | None, find: Find) -> bytes | None:
    """What PocketBase would answer to a list.

    Args:
        plan: of the list.
        records: all that could be in it.
        auth_id: as of :meth:`hapta.cache.condition.Condition.holds`.
        find: own members of a record as everybody is shown it now, by ids of its collection and of itself.

    Returns:
        ``None`` where that is not certain.
    """
    local = plan.local
    if local is None or local.paging is None or (local.ordering.reads and not local.ordering.is_known):
        return None
    paging = local.paging
    try:
        members = _sorted(local, _members(local, records, auth_id))
        first = (paging.page - 1) * paging.per_page
        rows = []
        for member in members[first : first + paging.per_page]:
            row = compose(member.fields, plan.expands, find)
            if row is None or not shows_all(plan, row, auth_id):
                return None
            rows.append(row)
    except (OddBody, Refused, KeyError, ValueError):
        return None
    page = ListBody(rows, paging.page, paging.per_page, total_items=0, total_pages=0)
    if paging.skips_total:
        page.total_items = page.total_pages = -1
    page.set_total(len(members))
    return page.render()


def _members(local: Local, records: Iterable[Record], auth_id: str | None) -> list[Record]:
    members = []
    for record in records:
        is_in = local.condition.holds(record.values, auth_id)
        if is_in is None:
            raise Refused
        if is_in:
            members.append(record)
    return members


def _sorted(local: Local, members: list[Record]) -> list[Record]:
    def compare(left: Record, right: Record) -> int:
        order = local.ordering.compare(left.values, right.values)
        if not order:
            raise Refused
        return order

    return sorted(members, key=cmp_to_key(compare))
