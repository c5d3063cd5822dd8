"""Three values: true, false, and ``None`` for not known (Kleene), and what a group comes to in them.

There is no negation in PocketBase's language, so SQL's NULL and false are one. ``&&`` binds tighter than
``||``; parentheses group.
"""

from collections.abc import Callable

from hapta.filters.nodes import Comparison, Group, Join


def conjunction(left: bool | None, right: bool | None) -> bool | None:
    """Whether both hold."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def disjunction(left: bool | None, right: bool | None) -> bool | None:
    """Whether one of them holds."""
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def evaluate(group: Group, compare: Callable[[Comparison], bool | None]) -> bool | None:
    """What the group comes to, given what each comparison does; not all of them are asked for."""
    any_holds: bool | None = False
    all_hold: bool | None = True
    for index, term in enumerate(group.terms):
        if index and term.join is Join.OR:
            any_holds = disjunction(any_holds, all_hold)
            if any_holds:
                return True
            all_hold = True
        if all_hold is False:
            continue
        item = term.item
        # as deep as the parser's cap, no deeper
        holds = evaluate(item, compare) if isinstance(item, Group) else compare(item)
        all_hold = conjunction(all_hold, holds)
    return disjunction(any_holds, all_hold)
