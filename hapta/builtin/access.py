"""Who may set, change or read which field: one of ``create_fields``, ``update_fields``, ``read_fields``.

A list names the fields everybody may; all others are for superusers. A table says it field by field: ``""``
is everybody, ``"nobody"`` is superusers only, anything else is a role expression; what it does not name goes
by ``"*"``, which is everybody unless it is named.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from hapta.builtin.expression import Expression, Values, compile_expression
from hapta.config.problems import Problems
from hapta.filters.errors import FilterError

EVERYBODY: Final = ""
NOBODY: Final = "nobody"
OTHERS: Final = "*"
FIELD_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,255}")
ALWAYS_READ: Final = frozenset({"id", "collectionId", "collectionName"})
_WITH: Final = {"passwordConfirm": "password", "oldPassword": "password"}
"""What goes with another field unless it is named itself: each proves something, and is not stored."""
Rule: TypeAlias = Expression | str
"""An expression, :data:`EVERYBODY` or :data:`NOBODY`."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may what with which field.

    Attributes:
        rules: by field.
        others: for fields that have none.
    """

    rules: Mapping[str, Rule]
    others: Rule = EVERYBODY

    def rule(self, field: str) -> Rule:
        """That of one field."""
        return self.rules.get(field, self.rules.get(_WITH.get(field, field), self.others))


FREE: Final = Access({})
"""Everybody may everything."""


def is_open(rule: Rule) -> bool:
    """Whether it lets everybody."""
    return isinstance(rule, str) and rule == EVERYBODY


def allows(rule: Rule, auth: Values, row: Values | None) -> bool:
    """Whether the rule lets somebody who is no superuser.

    Args:
        auth, row: as of :meth:`~hapta.builtin.expression.Expression.holds`.
    """
    return rule.holds(auth, row) if isinstance(rule, Expression) else rule == EVERYBODY


def expressions(*rules: Rule) -> Iterator[Expression]:
    """Those that are expressions."""
    return (rule for rule in rules if isinstance(rule, Expression))


def read_access(key: str, value: Any, problems: Problems) -> Access:
    """The meaning of a list or a table; what is wrong with it is added to the problems."""
    if isinstance(value, list):
        return _of_list(key, value, problems)
    if not isinstance(value, dict):
        problems.add(key, "expected a list of fields, or a table of fields and who may, such as "
                     '{ role = "nobody" }')  # fmt: skip
        return FREE
    rules: dict[str, Rule] = {}
    for field, text in value.items():
        where = f"{key}.{field}"
        if field != OTHERS and not FIELD_NAME.fullmatch(field):
            problems.add(where, f"expected the name of a field, or {OTHERS} for all others")
        elif key == "read_fields" and field in ALWAYS_READ:
            problems.add(where, "can always be read")
        elif not isinstance(text, str):
            problems.add(where, 'expected an expression, "nobody", or "" for everybody')
        else:
            rules[field] = _rule(where, text, problems)
    others = rules.pop(OTHERS, EVERYBODY)
    return Access(rules, others)


def _of_list(key: str, names: list[Any], problems: Problems) -> Access:
    rules: dict[str, Rule] = {}
    for name in names:
        if not isinstance(name, str) or not FIELD_NAME.fullmatch(name):
            problems.add(key, f"expected names of fields, got {str(name)[:60]!r}")
        elif name in rules:
            problems.add(key, f"{name} stands there twice")
        else:
            rules[name] = EVERYBODY
    return Access(rules, NOBODY)


def _rule(where: str, text: str, problems: Problems) -> Rule:
    if text in (EVERYBODY, NOBODY):
        return text
    try:
        return compile_expression(text)
    except FilterError as error:
        problems.add(where, f"{error.message} (at character {error.position + 1})")
        return NOBODY
