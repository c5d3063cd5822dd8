"""Text to nodes: PocketBase's rules and filters, read exactly as it reads them.

The grammar is that of ``github.com/ganigeorgiev/fexpr`` (``parser.go``) together with what PocketBase refuses
whatever the schema is: unknown functions and macros, other forms of ``@request`` and ``@collection`` paths,
more than :data:`MAX_TERMS` comparisons. Whether a field exists is not asked here.

Two of its habits are kept because a plan has to follow what runs, not what was meant:

1. A group may stand anywhere, and whatever was begun before it in the same group is forgotten:
   ``a = (b = 1)`` is ``b = 1``, and of ``a`` PocketBase never asks whether it exists.
2. A group without a join before it takes the last one: ``a = 1 || (b = 1) (c = 1)`` has two ``||``.

The loop keeps its own stack, so nesting cannot exhaust Python's.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from hapta.filters import functions
from hapta.filters.errors import FilterError, TooDeep
from hapta.filters.nodes import Call, Comparison, Group, Identifier, Join, Number, Operand, Term, Text
from hapta.filters.paths import is_resolvable
from hapta.filters.tokens import Brackets, Kind, Token, next_token, refuse_unreadable

MAX_CLIENT_BYTES = 3_500
"""Of a filter in a query, and of a listRule when a list is asked for; other rules may be longer."""
MAX_TERMS = 200
"""Comparisons in one expression."""


class _Step(Enum):
    BEFORE = auto()
    SIGN = auto()
    AFTER = auto()
    JOIN = auto()


@dataclass(slots=True)
class _Frame:
    """A group being read; ``end`` is where its inside ends."""

    position: int
    end: int
    terms: list[Term] = field(default_factory=list)
    step: _Step = _Step.BEFORE
    join: Join = Join.AND
    left: Operand | None = None
    sign: str = ""

    def finish(self) -> Group:
        if self.step is not _Step.JOIN:
            raise FilterError("incomplete or empty expression", self.end)
        return Group(tuple(self.terms), self.position)


def parse(text: str, *, max_depth: int = 100, max_bytes: int | None = None) -> Group:
    """Read a rule or a filter.

    Args:
        text: the expression; not empty (PocketBase takes an empty rule for none, and has no empty filter).
        max_depth: of parentheses.
        max_bytes: :data:`MAX_CLIENT_BYTES` where PocketBase enforces that.
    Raises:
        FilterError: PocketBase refuses it, or we are not sure.
        TooDeep: it is nested deeper than ``max_depth``.
    """
    refuse_unreadable(text)
    if max_bytes is not None and len(text.encode()) > max_bytes:
        raise FilterError(f"longer than {max_bytes} bytes")
    return _Parser(text, max_depth).run()


class _Parser:
    def __init__(self, text: str, max_depth: int) -> None:
        self._text = text
        self._max_depth = max_depth
        self._brackets = Brackets(text)
        self._compared = 0

    def run(self) -> Group:
        frame = _Frame(0, len(self._text))
        around: list[_Frame] = []
        position = 0
        while True:
            token = next_token(self._text, position, frame.end)
            if token is None:
                group = frame.finish()
                if not around:
                    return group
                position = frame.end + 1
                frame = around.pop()
                frame.terms.append(Term(frame.join, group))
                frame.step = _Step.JOIN
            elif token.kind is Kind.OPEN:
                if len(around) >= self._max_depth:
                    raise TooDeep(f"more than {self._max_depth} levels of parentheses", token.position)
                end = self._brackets.end_of(token.position, frame.end)
                around.append(frame)
                frame = _Frame(token.position, end)
                position = token.end
            else:
                position = self._advance(frame, token)

    def _advance(self, frame: _Frame, token: Token) -> int:
        """Take one token that is no group; the offset to go on at."""
        if frame.step is _Step.BEFORE:
            frame.left, position = self._operand(token, frame.end, functions.MAX_DEPTH)
            frame.step = _Step.SIGN
            return position
        if frame.step is _Step.SIGN:
            if token.kind is not Kind.SIGN:
                raise FilterError("expected an operator", token.position)
            frame.sign, frame.step = token.text, _Step.AFTER
            return token.end
        if frame.step is _Step.AFTER:
            right, position = self._operand(token, frame.end, functions.MAX_DEPTH)
            frame.terms.append(Term(frame.join, self._comparison(frame, right)))
            frame.step = _Step.JOIN
            return position
        if token.kind is not Kind.JOIN:
            raise FilterError("expected && or ||", token.position)
        frame.join, frame.step = Join(token.text), _Step.BEFORE
        return token.end

    def _comparison(self, frame: _Frame, right: Operand) -> Comparison:
        left = frame.left
        assert left is not None
        self._compared += 1
        if self._compared > MAX_TERMS:
            raise FilterError(f"more than {MAX_TERMS} comparisons", left.position)
        _check(left)
        _check(right)
        sign = frame.sign.removeprefix("?")
        return Comparison(left, sign, right, left.position, is_any=sign != frame.sign)

    def _operand(self, token: Token, end: int, depth: int) -> tuple[Operand, int]:
        if token.kind is Kind.NAME:
            if token.end < end and self._text[token.end] == "(":
                return self._call(token, end, depth)
            return Identifier(token.text, token.position), token.end
        if token.kind is Kind.NUMBER:
            return Number(token.text, token.position), token.end
        if token.kind is Kind.TEXT:
            return Text(token.text, token.position), token.end
        raise FilterError("expected an identifier, a function, a text or a number", token.position)

    def _call(self, name: Token, end: int, depth: int) -> tuple[Call, int]:
        if depth <= 0:
            raise FilterError("too many functions within each other", name.position)
        arguments: list[Operand] = []
        position, comma_is_due = name.end + 1, False
        while True:
            token = next_token(self._text, position, end)
            if token is None:
                raise FilterError("function without end", name.position)
            if token.kind is Kind.CLOSE:
                return Call(name.text, tuple(arguments), name.position), token.end
            if (token.kind is Kind.COMMA) is not comma_is_due:
                raise FilterError("expected a comma" if comma_is_due else "unexpected comma", token.position)
            if comma_is_due:
                position = token.end
            else:
                argument, position = self._operand(token, end, depth - 1)
                arguments.append(argument)
            comma_is_due = not comma_is_due


def _check(operand: Operand) -> None:
    """Refuse what PocketBase refuses once it resolves an operand, as far as no schema is needed."""
    if isinstance(operand, Identifier):
        if not is_resolvable(operand.name):
            raise FilterError(f"unknown identifier {operand.name!r}", operand.position)
    elif isinstance(operand, Call):
        functions.check(operand)
        for argument in operand.arguments:
            _check(argument)
