"""Just enough of SQLite's SQL to see, in the text of a view, which tables and functions it names.

Not a parser: a list of tokens (https://sqlite.org/lang_keywords.html, ``sqlite3GetToken``) and a look at
their neighbours. It errs to one side only: a name or a call too many costs a stored response, one too few
could show an old one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<space>   \s+ | --[^\n]*(?:\n|\Z) | /\*.*?(?:\*/|\Z) )
    | (?P<string>  '(?:[^']|'')*' )
    | (?P<quoted>  "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] )
    | (?P<word>    [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* )
    | (?P<number>  (?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?[A-Za-z0-9_$]* )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)

_KEYWORDS = """
all and as between by case check distinct else except exists filter from group having in intersect is
isnull join like limit materialized not notnull offset on or order over partition recursive returning
select then union using values when where window with
"""
_BEFORE_A_PARENTHESIS = frozenset(_KEYWORDS.split())
"""Words that may stand before ``(`` without being called. ``glob``, ``match``, ``regexp`` and ``replace``
may be called, so they are not here."""

_CLAUSES = "where group order having limit offset window union except intersect select values with returning"
_ENDS_FROM = frozenset(_CLAUSES.split())
_CLOCKS = frozenset({"current_date", "current_time", "current_timestamp"})


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        kind: ``string``, ``quoted`` (an identifier in quotes), ``word``, ``number`` or ``other``.
        text: without quotes; words in lower case, since keywords and names are compared that way.
    """

    kind: str
    text: str

    @property
    def is_name(self) -> bool:
        """It may name a table: SQLite takes a string for a name, too, where only a name can stand."""
        return self.kind in _NAMES


_NAMES = frozenset({"word", "quoted", "string"})
_END = Token("other", "")


def tokenize(sql: str) -> tuple[Token, ...]:
    """The tokens of an SQL text, without comments."""
    return tuple(_tokens(sql))


def _tokens(sql: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(sql):
        kind, text = found.lastgroup or "other", found[0]
        if kind == "space":
            continue
        if kind in ("string", "quoted"):
            close = text[-1]
            text = text[1:-1] if close == "]" else text[1:-1].replace(close * 2, close)
        yield Token(kind, _lower(text) if kind in _NAMES else text)


def _lower(text: str) -> str:
    """As SQLite compares: ASCII letters only."""
    return text.lower() if text.isascii() else re.sub(r"[A-Z]+", lambda found: found[0].lower(), text)


def calls(tokens: Sequence[Token]) -> frozenset[str]:
    """Names of what is called, ``current_date`` and the like included.

    Names before a parenthesis that are no functions, such as types with a length, are among them.
    """
    found = set()
    declared = _declared(tokens)
    for index, token in enumerate(tokens):
        if token.kind == "word" and token.text in _CLOCKS:
            found.add(token.text)
        if token.is_name and token.kind != "string" and _at(tokens, index + 1).text == "(":
            is_keyword = token.kind == "word" and token.text in _BEFORE_A_PARENTHESIS
            if not is_keyword and index not in declared:
                found.add(token.text)
    return frozenset(found)


def sources(tokens: Sequence[Token]) -> frozenset[str]:
    """Names of the tables, views and table functions read: what stands after ``FROM``, ``JOIN`` and ``IN``,
    and after a comma between those. Common table expressions of the text itself are left out."""
    found: set[str] = set()
    frames = [_Frame()]
    index = 0
    while index < len(tokens):
        token, frame = tokens[index], frames[-1]
        if token.kind == "other":
            _step(token.text, frames)
        elif token.kind == "word" and token.text in ("from", "join"):
            is_comparison = index > 0 and tokens[index - 1].text == "distinct"  # IS DISTINCT FROM
            frame.expects = not is_comparison
            frame.is_in_from |= not is_comparison
        elif token.kind == "word" and token.text in _ENDS_FROM:
            frame.is_in_from = frame.expects = False
        elif token.is_name and (frame.expects or (index > 0 and tokens[index - 1] == _IN)):
            while _at(tokens, index + 1).text == "." and _at(tokens, index + 2).is_name:
                index += 2  # a schema's name before it
            found.add(tokens[index].text)
            frame.expects = False
        index += 1
    return frozenset(found - {tokens[index].text for index in _declared(tokens)})


@dataclass(slots=True)
class _Frame:
    """Between two parentheses."""

    is_in_from: bool = False
    expects: bool = False


_IN = Token("word", "in")


def _step(sign: str, frames: list[_Frame]) -> None:
    frame = frames[-1]
    if sign == "(":
        # after FROM: a subquery, whose SELECT says so at once, or joins in parentheses
        frames.append(_Frame(frame.expects, frame.expects))
        frame.expects = False
    elif sign == ")":
        if len(frames) > 1:
            frames.pop()
    elif sign == "," and frame.is_in_from:
        frame.expects = True


def _declared(tokens: Sequence[Token]) -> frozenset[int]:
    """Where the text names its own common table expressions: ``name AS (``, ``name (columns) AS (``."""
    found = set()
    for index, token in enumerate(tokens):
        if not token.is_name:
            continue
        after = index + 1
        if _at(tokens, after).text == "(":
            while after < len(tokens) and tokens[after].text != ")":
                after += 1
            after += 1
        if _at(tokens, after).text != "as":
            continue
        after += 1
        while _at(tokens, after).text in ("not", "materialized"):
            after += 1
        if _at(tokens, after).text == "(":
            found.add(index)
    return frozenset(found)


def _at(tokens: Sequence[Token], index: int) -> Token:
    return tokens[index] if index < len(tokens) else _END
