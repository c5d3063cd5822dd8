r"""Characters to tokens, as the scanner of ``github.com/ganigeorgiev/fexpr`` 0.6.0 does it.

Measured on PocketBase 0.40.6 (``tests/filters``); where its public source is older, the binary is right:

1. White space is space, tab and line feed alone. A carriage return is refused, so is every other character
   that begins no token.
2. A comment runs from ``//`` to the line feed or the end of what is being read.
3. A number has digits, at most one point and a minus directly before: ``-.5`` and ``007`` are numbers,
   ``1.``, ``.5``, ``+1`` and ``1e5`` are none.
4. Operators are the longest runs of their characters: ``a==b`` and ``a=?b`` are refused, not split.
5. A text ends at its own quote. A backslash takes the next character along: before a quote of either kind
   or another backslash it vanishes, ``\n``, ``\r`` and ``\t`` are control characters, elsewhere it stays.
6. The end of a group is found without looking for comments: quotes and parentheses inside one count. Only
   then is the group's inside read, with comments, as a text of its own.

A NUL ends a scan in PocketBase's scanner, sometimes in the middle, and is refused here. A lone surrogate is
no character; what was no UTF-8 has to be refused before it becomes a ``str``.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from hapta.filters.errors import FilterError

OPERATORS = frozenset({"=", "!=", "~", "!~", "<", "<=", ">", ">="})


class Kind(StrEnum):
    """What a token is."""

    NAME = "name"
    NUMBER = "number"
    TEXT = "text"
    SIGN = "sign"
    JOIN = "join"
    OPEN = "open"
    CLOSE = "close"
    COMMA = "comma"


class Token(NamedTuple):
    """One token; ``text`` is as written, of a quoted text what it says.

    ``end`` is the offset of the first character behind it.
    """

    kind: Kind
    text: str
    position: int
    end: int


_QUOTED = r"""'[^'\\]*+(?:\\.[^'\\]*+)*+'|"[^"\\]*+(?:\\.[^"\\]*+)*+\""""
_BLANK = re.compile(r"(?:[ \t\n]++|//[^\n]*+)*+")
_TOKEN = re.compile(
    rf"""(?P<name>[A-Za-z@_#][A-Za-z0-9_.:]*+)
    |(?P<number>(?:-[0-9]*+|[0-9]++)(?:\.[0-9]*+)?+)
    |(?P<text>{_QUOTED})
    |(?P<sign>[=?!><~]++)
    |(?P<join>[&|]++)
    |(?P<open>\()
    |(?P<close>\))
    |(?P<comma>,)""",
    re.VERBOSE | re.DOTALL,
)
_BRACKET = re.compile(rf"[()]|{_QUOTED}|['\"]", re.DOTALL)
_ESCAPED = re.compile(r"""\\([\\'"nrt])""")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_UNREADABLE = re.compile("[\0\ud800-\udfff]")
_KINDS = {kind.value: kind for kind in Kind}


def refuse_unreadable(text: str) -> None:
    """Refuse what cannot be read with certainty anywhere in ``text``."""
    if found := _UNREADABLE.search(text):
        raise FilterError("a character that cannot be read with certainty", found.start())


def next_token(text: str, position: int, end: int) -> Token | None:
    """The token after white space and comments, or ``None`` at ``end``, which stands for the end of the text.

    Raises:
        FilterError: what begins there is none.
    """
    if position < end and text[position] in " \t\n/":
        blank = _BLANK.match(text, position, end)
        position = blank.end() if blank is not None else position
    if position >= end:
        return None
    found = _TOKEN.match(text, position, end)
    if found is None:
        quoted = text[position] in "'\""
        raise FilterError("quote without end" if quoted else f"unexpected {text[position]!r}", position)
    kind = _KINDS[found.lastgroup or ""]
    word = found[0]
    if kind is Kind.TEXT:
        word = word[1:-1]
        if "\\" in word:
            word = _ESCAPED.sub(lambda escaped: _CONTROLS.get(escaped[1], escaped[1]), word)
    else:
        _check(kind, word, position)
    return Token(kind, word, position, found.end())


def _check(kind: Kind, word: str, position: int) -> None:
    if kind is Kind.NAME:
        if word[-1] in ".:" or word in ("@", "_", "#"):
            raise FilterError(f"not an identifier: {word!r}", position)
    elif kind is Kind.NUMBER:
        if word == "-" or word[-1] == ".":
            raise FilterError(f"not a number: {word!r}", position)
    elif kind is Kind.SIGN:
        if word.removeprefix("?") not in OPERATORS:
            raise FilterError(f"not an operator: {word!r}", position)
    elif kind is Kind.JOIN and word not in ("&&", "||"):
        raise FilterError(f"neither && nor ||: {word!r}", position)


class Brackets:
    """Which ``)`` ends a group, found as rule 6 of this module says.

    What one scan finds is remembered, so that nesting costs nothing more. A group that begins inside what
    the scan around it took for a quoted text (a comment with a quote) is scanned again; such scans never
    overlap at one depth, which bounds all of them by the length times the depth.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: dict[int, int] = {}

    def end_of(self, position: int, end: int) -> int:
        """The offset of the ``)`` for the ``(`` at ``position``, before ``end``.

        Raises:
            FilterError: there is none.
        """
        if position not in self._ends:
            self._scan(position, end)
        found = self._ends.get(position, end)
        if found >= end:
            raise FilterError("parenthesis without end", position)
        return found

    def _scan(self, position: int, end: int) -> None:
        opened: list[int] = []
        for found in self._brackets(position, end):
            character = found[0]
            if character == "(":
                opened.append(found.start())
            elif character == ")":
                self._ends[opened.pop()] = found.start()
                if not opened:
                    return
            elif len(character) == 1:
                raise FilterError("quote without end", found.start())

    def _brackets(self, position: int, end: int) -> Iterator[re.Match[str]]:
        return _BRACKET.finditer(self._text, position, end)
