"""Whether an answer that is no longer good may be given all the same (RFC 5861), and how stale it then is.

The operator allows it for single collections and for so many seconds; without that nothing here says yes.
Old rows are what they ask for; what nobody asks for is a row shown to somebody whose right to it has ended.
So, whatever is allowed:

1. Nothing is given after everything moved (a schema or rule that changed, a feed that was lost, a purge):
   rights may be others. The reader was planned under the present schema, with the feed alive.
2. Only what a guest would be given, to whoever may have it: no session, token or auth record decides, so none
   that has ended is honoured. Nor to a caller whose own row is in it: theirs shows their e-mail.
3. Not where a clock moves the rule at midnight: what was open yesterday need not be.
4. Where something it depends on *changed*, a row in it may have been deleted or made private since. With the
   empty rule nothing can be made private, for there is no condition a row could cease to meet, and what was
   deleted was everybody's to read until then. So each collection it depends on must be a base collection with
   both rules empty: not an auth collection, where an e-mail may have been hidden since; nor a view, whose SQL
   is a condition of its own; and nothing that hooks or a ``fields`` list may have shaped. And it must show
   something: that a record is not there is not told to who has just made it.
5. Where it is only too *old* no change was heard of, and rules may be any.

How stale: what is too old became so at the end of its lifetime. When something changed is not remembered for
each response; it was after the fetch began, so counting from there errs to the safe side.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hapta.cache.generations import Standing
from hapta.cache.plan import Expand, Plan
from hapta.cache.stored import Stored
from hapta.model.schema import Collection


@dataclass(frozen=True, slots=True)
class StaleLimits:
    """For how many seconds answers about a collection may be given after they became stale; 0: never."""

    if_error_s: float = 0.0
    while_revalidate_s: float = 0.0


NEVER = StaleLimits()


def stale_s(
    plan: Plan,
    stored: Stored,
    collection_of: Callable[[str], Collection | None],
    *,
    monotonic: float,
    wall: float,
) -> float | None:
    """For how many seconds at most it has been stale; ``None`` where it must not be given, or is fresh.

    Args:
        plan: of the read, made just now.
        stored: what is stored for it.
        collection_of: a collection of the present schema, by id.
    """
    if not plan.is_shared_with_guests or plan.ends_at_midnight or stored.fence.is_void():
        return None
    if stored.fence.standing() is not Standing.HOLDS:
        is_open = stored.status == 200 and _is_open(plan, collection_of)
        return monotonic - stored.stored_at if is_open else None
    ttl_s = stored.ttl_s(monotonic, wall)
    return -ttl_s if ttl_s <= 0 else None


def _is_open(plan: Plan, collection_of: Callable[[str], Collection | None]) -> bool:
    """Nothing in it can have been made private: the fourth rule above."""
    if plan.parts or not plan.tells_rows:
        return False
    names = {plan.collection, *_targets(plan.expands), *(tag[1] for tag in plan.tags if len(tag) > 1)}
    found = [collection_of(name) for name in names]
    return all(
        each is not None
        and each.type == "base"
        and each.rules.get("listRule") == ""
        and each.rules.get("viewRule") == ""
        for each in found
    )


def _targets(expands: tuple[Expand, ...]) -> Iterator[str]:
    for expand in expands:
        yield expand.target
        yield from _targets(expand.children)
