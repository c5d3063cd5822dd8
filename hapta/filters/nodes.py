"""What a rule or filter is made of once it is read.

A :class:`Group` is a flat sequence joined by ``&&`` and ``||`` without precedence of its own, as PocketBase's
parser leaves it (``github.com/ganigeorgiev/fexpr``); SQL's precedence applies later: ``&&`` binds tighter.
Positions are offsets into the text, in characters.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Join(StrEnum):
    """How a term is joined to the one before it; that of the first term means nothing."""

    AND = "&&"
    OR = "||"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A field path, ``@request.…``, ``@collection.…`` or a macro, with its modifiers, as written."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string, unescaped."""

    value: str
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    name: str
    arguments: tuple["Operand", ...]
    position: int


Operand: TypeAlias = Identifier | Number | Text | Call


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison.

    Attributes:
        operator: ``=``, ``!=``, ``~``, ``!~``, ``<``, ``<=``, ``>`` or ``>=``, without a leading ``?``.
        is_any: the operator was written with a leading ``?``: at least one of many must match.
    """

    left: Operand
    operator: str
    right: Operand
    position: int
    is_any: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """A comparison or a group in parentheses, and how it is joined to what stands before it."""

    join: Join
    item: "Comparison | Group"


@dataclass(frozen=True, slots=True)
class Group:
    """Terms in order; at least one."""

    terms: tuple[Term, ...]
    position: int = 0
