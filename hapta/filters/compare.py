"""What PocketBase's operators say of two known values (``tools/search/filter.go``), measured on 0.40.6.

For ``=`` and ``!=`` NULL is the empty text; with any other operator a NULL on either side gives NULL, which
is as good as false. Conversions between text and number are left to SQLite: not known.
"""

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Final, TypeAlias

from hapta.filters.fold import equal
from hapta.filters.like import like
from hapta.filters.values import Value

Decision: TypeAlias = Callable[[Value, Value], bool | None]


def _different(left: Value, right: Value) -> bool | None:
    same = equal(left, right)
    return None if same is None else not same


def _in_order(is_so: Callable[..., bool]) -> Decision:
    def decide(left: Value, right: Value) -> bool | None:
        if left is None or right is None:
            return False
        # code points come in the order of their UTF-8
        return is_so(left, right) if isinstance(left, str) is isinstance(right, str) else None

    return decide


def _alike(wanted: bool) -> Decision:
    def decide(left: Value, right: Value) -> bool | None:
        if left is None or right is None:
            return False
        if not isinstance(left, str) or not isinstance(right, str):
            return None
        return like(right).matches(left) is wanted

    return decide


DECISIONS: Final[Mapping[str, Decision]] = {
    "=": equal,
    "!=": _different,
    "<": _in_order(lt),
    "<=": _in_order(le),
    ">": _in_order(gt),
    ">=": _in_order(ge),
    "~": _alike(True),
    "!~": _alike(False),
}
"""By operator, without a leading ``?``; on the right of ``~`` and ``!~`` stands a constant."""
