r"""``~``: SQLite's LIKE under PocketBase's wrapping (``tools/search/filter.go`` wrapLikeParams).

1. A constant without an unescaped ``%`` is sought anywhere in the text: backslash, ``%`` and ``_`` in it
   are escaped, where they are not already, and it is put between two ``%``. One with it is the pattern as
   it is.
2. ``%`` is any run of characters, ``_`` one character; a backslash takes the next one as it is, and a
   pattern that ends in one is like nothing.
3. ASCII letters are like either case, all others only like themselves (``sqlite3_strlike``).

A pattern is matched piece by piece from the left, each at the first place it fits. That finds a match if
there is one and never goes back, so time grows with the product of the lengths and no more, whatever a
client writes.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from hapta.filters.values import lower

Piece: TypeAlias = tuple[re.Pattern[str], int]
"""What stands between two ``%``, and how many characters it matches."""
_WILD = frozenset("\\%_")


@dataclass(frozen=True, slots=True)
class Like:
    """A pattern; ``None`` for pieces is like nothing."""

    pieces: tuple[Piece, ...] | None

    def matches(self, text: str) -> bool:
        """Whether the text is like this."""
        if self.pieces is None:
            return False
        text = lower(text)
        (first, at), (last, tail) = self.pieces[0], self.pieces[-1]
        if len(self.pieces) == 1:
            return first.fullmatch(text) is not None
        if first.match(text) is None:
            return False
        for piece, _ in self.pieces[1:-1]:
            found = piece.search(text, at)
            if found is None:
                return False
            at = found.end()
        start = len(text) - tail
        return start >= at and last.fullmatch(text, start) is not None


@lru_cache(maxsize=512)
def like(constant: str) -> Like:
    """The pattern a constant on the right of ``~`` stands for."""
    pattern = constant if _has_wildcard(constant) else f"%{_escape(constant)}%"
    pieces: list[Piece] = []
    words: list[str] = []
    characters = iter(lower(pattern))
    for character in characters:
        if character == "%":
            pieces.append(_piece(words))
            words = []
        elif character == "_":
            words.append(".")
        elif character == "\\":
            taken = next(characters, None)
            if taken is None:
                return Like(None)
            words.append(re.escape(taken))
        else:
            words.append(re.escape(character))
    return Like((*pieces, _piece(words)))


def _piece(words: list[str]) -> Piece:
    return re.compile("".join(words), re.DOTALL), len(words)


def _has_wildcard(text: str) -> bool:
    before = ""
    for character in text:
        if character == "%" and before != "\\":
            return True
        before = "" if character == before == "\\" else character
    return False


def _escape(text: str) -> str:
    """From the right, as PocketBase does it: a wild character has one backslash before it in the end."""
    result: list[str] = []
    is_due = False
    for character in reversed(text):
        if is_due:
            if character != "\\":
                result.append("\\")
            is_due = False
        else:
            is_due = character in _WILD
        result.append(character)
    if is_due:
        result.append("\\")
    return "".join(reversed(result))
