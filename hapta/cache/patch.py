"""A stored answer brought up to date with what own writes did, where that is certain.

Each :class:`~hapta.cache.changes.Change` is one row as it is now. In an answer it may do four things, each of
which is done only where nothing has to be guessed; else the answer is fetched again.

* *The row is shown*, in the list itself or by an expand: its members are replaced. It must stay in sight:
  no field its rule reads was touched or, in the list, the rule holds for the new values; and no relation that
  is expanded from it may have changed.
* *It was in the list and stays*: it keeps its place if no field of the sort was touched (nor, where rows may
  tie, one that an index might scan by). A row on another page then does not change this one at all, not even
  by what it had before: what a write does not touch it need not know.
* *It comes in*, a row just created or one shown here that moves: its place is where the sort puts it among
  the rows shown, strictly. On a page after the first it may not come before the first row, for the page would
  then begin with a row of the page before. One row too many leaves at the end.
* *It goes*: what moves up from the next page must not be needed, so only from a last page.

``totalItems`` and ``totalPages`` follow in each case.
"""

from collections.abc import Sequence
from typing import Final

import orjson

from hapta.cache.assembly import OddBody, Refused
from hapta.cache.changes import Change
from hapta.cache.local import Local
from hapta.cache.patched_answer import Find, PatchedView
from hapta.cache.patched_list import PatchedList
from hapta.cache.plan import Plan
from hapta.cache.tags import Tag

MAX_BYTES: Final = 1024 * 1024
"""Of an answer that is patched: that takes some milliseconds, and meanwhile nobody is served."""


def patched(
    plan: Plan,
    status: int,
    body: bytes,
    changes: Sequence[tuple[Change, frozenset[Tag]]],
    *,
    auth_id: str | None,
    find: Find,
) -> bytes | None:
    """What PocketBase would answer after these changes.

    Args:
        plan: of the read.
        status: of the stored answer.
        body: of the same.
        changes: all that broke its fence, in order, each with the tags it moved.
        auth_id: as of :meth:`hapta.cache.condition.Condition.holds`.
        find: own members of a record as everybody is shown it now, by ids of its collection and of itself.

    Returns:
        ``None`` where that is not certain.
    """
    if plan.local is None or len(body) > MAX_BYTES:
        return None
    if (
        status == 200
        and plan.record is None
        and all(_is_nowhere(plan, plan.local, body, change) for change, _ in changes)
    ):
        return body
    if plan.local.is_too_much(sum(change.weight for change, _ in changes)):
        return None
    try:
        if status != 200:
            for change, tags in changes:
                _leave_missing(plan, change, tags)
            return body
        patch = (PatchedView if plan.record is not None else PatchedList)(
            plan, plan.local, body, auth_id, find
        )
        for change, tags in changes:
            patch.apply(change, {tag[0] for tag in tags})
        return patch.render()
    except (OddBody, Refused, KeyError, ValueError):
        return None


def _is_nowhere(plan: Plan, local: Local, body: bytes, change: Change) -> bool:
    """Whether a list neither shows nor names the row, and the write touched nothing by which it might."""
    if change.collection != plan.collection or change.action != "update":
        return False
    if not change.leaves(local.condition.reads | local.ordering.reads | local.scanned):
        return False
    return orjson.dumps(change.record) not in body


def _leave_missing(plan: Plan, change: Change, tags: frozenset[Tag]) -> None:
    """A record that is not there is still not there when others are born."""
    if change.record == plan.record or any(tag[0] != "births" for tag in tags):
        raise Refused
