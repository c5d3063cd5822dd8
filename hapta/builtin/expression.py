"""Role expressions: PocketBase's filter language over the caller and one record, evaluated here.

Operands are constants, ``@request.auth.FIELD`` and own single-valued fields of the record, both also with
``:lower``. Anything else PocketBase knows (other rows, ``@request.body``, functions, the clock) is refused,
for here it could not be asked. What an operator says of two values is told in ``hapta.filters.compare``;
where that is not known, the expression does not hold.

Nor is it known whether NULL (``null``, all of a guest, a field the caller's collection lacks) is the empty
text of a record: to PocketBase it is in a text field and is not in a JSON one. So no guest owns the records
without an owner.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from hapta.filters.compare import DECISIONS
from hapta.filters.errors import FilterError
from hapta.filters.fold import AUTH, KEYWORDS
from hapta.filters.kleene import evaluate
from hapta.filters.nodes import Comparison, Group, Identifier, Number, Operand, Text
from hapta.filters.parser import parse
from hapta.filters.paths import Modifier, Path, Root, split_path
from hapta.filters.values import PLAIN_NUMBER, UNKNOWN, Unknown, Value, any_value, is_sure, lower
from hapta.plugins import LeftOut

Values: TypeAlias = Mapping[str, Any]
_Read: TypeAlias = Callable[[Values, Values], Value | Unknown]
_Leaf: TypeAlias = Callable[[Values, Values], bool | None]
_NEVER_SHOWN: Final = frozenset({"password", "tokenKey"})


@dataclass(frozen=True, slots=True)
class Expression:
    """One that is compiled.

    Attributes:
        text: as written.
        auth: names of the caller's fields it asks for.
        own: names of the record's fields it asks for.
    """

    text: str
    auth: frozenset[str]
    own: frozenset[str]
    _group: Group
    _leaves: Mapping[int, _Leaf]

    def holds(self, auth: Values, row: Values | None) -> bool:
        """Whether it is known to hold.

        Args:
            auth: the caller's values by field; ``None`` for all of a guest and for fields the caller's
                collection does not have. One that is missing is not known.
            row: the record as a superuser sees it; ``None``: whichever it is.
        """
        known = {} if row is None else row
        return evaluate(self._group, lambda each: self._leaves[each.position](auth, known)) is True


def compile_expression(text: str) -> Expression:
    """Read one.

    Raises:
        FilterError: PocketBase refuses it, or it asks for what is not there to ask for.
    """
    group = parse(text)
    maker = _Maker()
    leaves = {comparison.position: maker.leaf(comparison) for comparison in _comparisons(group)}
    return Expression(text, frozenset(maker.auth), frozenset(maker.own), group, leaves)


class _Maker:
    """Leaves for one expression; collects what they read."""

    def __init__(self) -> None:
        self.auth: set[str] = set()
        self.own: set[str] = set()

    def leaf(self, comparison: Comparison) -> _Leaf:
        left, right = self._operand(comparison.left), self._operand(comparison.right)
        if comparison.operator in ("~", "!~") and not isinstance(comparison.right, Text):
            raise FilterError("~ and !~ take a quoted text on their right here", comparison.right.position)
        decide = DECISIONS[comparison.operator]

        has_own = any(map(_is_own, (comparison.left, comparison.right)))

        def holds(auth: Values, row: Values) -> bool | None:
            first, second = left(auth, row), right(auth, row)
            if first is UNKNOWN or second is UNKNOWN:
                return None
            if has_own and {first, second} == {"", None}:
                return None
            return decide(first, second)

        return holds

    def _operand(self, operand: Operand) -> _Read:
        if isinstance(operand, Text):
            if not is_sure(operand.value):
                raise FilterError("a text with characters that are not stored as they are", operand.position)
            return _constant(operand.value)
        if isinstance(operand, Number):
            if not PLAIN_NUMBER.fullmatch(operand.text):
                raise FilterError("write this number in up to 15 digits", operand.position)
            return _constant(float(operand.text))
        if not isinstance(operand, Identifier):
            raise FilterError("functions are not evaluated here", operand.position)
        try:
            path = split_path(operand.name)
        except FilterError as error:
            raise FilterError(error.message, operand.position) from None
        return self._path(operand, path)

    def _path(self, operand: Identifier, path: Path) -> _Read:
        if path.root not in (Root.AUTH, Root.FIELD):
            raise FilterError(f"{operand.name} is not evaluated here", operand.position)
        if len(path.parts) != 1:
            raise FilterError(f"{operand.name}: a path over several fields is not followed", operand.position)
        if path.modifier not in (None, Modifier.LOWER):
            raise FilterError(f"{operand.name}: only :lower is evaluated here", operand.position)
        name, is_auth = path.parts[0], path.root is Root.AUTH
        if name in _NEVER_SHOWN:
            raise FilterError(f"{operand.name}: PocketBase shows it to nobody", operand.position)
        if path.keyword is not None:
            return _keyword(name, KEYWORDS[path.keyword])
        (self.auth if is_auth else self.own).add(name)
        return _member(name, is_auth, path.modifier is Modifier.LOWER)


def _comparisons(group: Group) -> Iterator[Comparison]:
    todo = [group]
    while todo:
        for term in todo.pop().terms:
            if isinstance(term.item, Group):
                todo.append(term.item)
            else:
                yield term.item


def _is_own(operand: Operand) -> bool:
    return isinstance(operand, Identifier) and not operand.name.startswith(AUTH)


def _constant(value: Value) -> _Read:
    return lambda _auth, _row: value


def _keyword(name: str, meaning: Value) -> _Read:
    # a field of that very name comes first
    return lambda _auth, row: _own(row[name]) if name in row else meaning


def _member(name: str, is_auth: bool, is_lower: bool) -> _Read:
    def read(auth: Values, row: Values) -> Value | Unknown:
        values, value_of = (auth, any_value) if is_auth else (row, _own)
        try:
            value = value_of(values[name])
        except (KeyError, LeftOut):
            return UNKNOWN
        if not is_lower or value is UNKNOWN or value is None:
            return value
        return lower(value) if isinstance(value, str) else UNKNOWN

    return read


def _own(value: object) -> Value | Unknown:
    """What a record shows of a field; only JSON ones show ``null``, and to them it is not the empty text."""
    return UNKNOWN if value is None else any_value(value)
