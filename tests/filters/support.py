"""Generated expressions over ``posts``, and PocketBase asked what it makes of them."""

from typing import Any

import httpx
from hypothesis import strategies as st

from hapta.filters.errors import FilterError
from hapta.filters.nodes import Call, Comparison, Group, Identifier, Number, Operand
from hapta.filters.parser import parse
from hapta.filters.paths import split_path

_PLAIN = """
    title slug views rating status featured published meta meta.n meta.nested.list.1 place.lon id created
    author author.name author.id topics topics.name comments_via_post.text title:lower tags:each tags:length
    topics:length title:isset views:changed null TRUE False
"""
_PRIVILEGED = """
    @request.auth.id @request.auth.name:lower @request.method @request.context @request.query.q:isset
    @request.headers.x_club @request.body.title:changed @request.body.tags:length @request.auth.id:isset
    @collection.topics.name @collection.topics:other.name:lower
"""
_OPERATORS = "= != ~ !~ < <= > >= ?= ?!= ?~ ?!~ ?< ?<= ?> ?>="
PLAIN = _PLAIN.split()
MACRO = ("@now", "@yesterday", "@hour", "@weekday", "@todayStart", "@yearEnd")
"""Everybody may filter by these."""
PRIVILEGED = _PRIVILEGED.split()
"""Rules and superusers may use these."""
KNOWN = frozenset((*PLAIN, *MACRO, *PRIVILEGED))

_BLANK = st.sampled_from(["", "", " ", " ", "\n", "\t ", " // note\n", "//\n", ' // (it) "is"\n'])
_ODD_BLANK = st.sampled_from(["", " ", "\n", " // note", " // it's\n", "// (\n", "//)\n", "/", "\r\n"])
_TEXT = st.text("ab1'\"\\nrt()/é %_", max_size=8)
QUOTED = st.one_of(
    st.builds(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'", _TEXT),
    st.builds(lambda text: f'"{text}"', st.text("ab' )n", max_size=5)),
    st.sampled_from(
        ["''", "'2024-05-01'", r"'\n'", r"'\\n'", r"'\"'", '"// no comment"', "'a\nb'", r"'\d\\'"]
    ),
)
_NUMBER = st.sampled_from(["0", "1", "-1", "37", "1.5", "-.5", "007", "12345678901234567890"])
_ODD_NUMBER = st.sampled_from(
    ["1.2.3", "1.", ".5", "-", "--1", "-.", "+1", "1e5", "0x1", "12-3", "1_0", "-.5.1"]
)
_NAME = st.sampled_from([*PLAIN, *PLAIN, *MACRO, *PRIVILEGED])
_ARGUMENT = _NAME.filter(lambda name: not name.endswith(":changed"))
_POINT = st.one_of(st.sampled_from(["place.lon", "views", "null", "@hour"]), _NUMBER)
_SPACED = st.tuples(_BLANK, st.just(","), _BLANK).map("".join)


@st.composite
def _call(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        arguments = [draw(_POINT) for _ in range(4)]
        name = "geoDistance"
    else:
        texts = st.sampled_from(["'%Y'", "'now'", "'+1 day'", "''"])
        arguments = [
            draw(texts),
            draw(st.one_of(_ARGUMENT, _NUMBER, texts)),
            *draw(st.lists(texts, max_size=2)),
        ]
        name = "strftime"
    return f"{name}({draw(_BLANK)}{draw(_SPACED).join(arguments)}{draw(st.sampled_from(['', ',']))})"


_ODD_CALL = st.builds(
    lambda name, arguments, comma: f"{name}({comma.join(arguments)})",
    st.sampled_from(["strftime", "geoDistance", "nope"]),
    st.lists(st.one_of(_ARGUMENT, _NUMBER, QUOTED, _call()), max_size=5),
    st.sampled_from([",", " , ", ",,", " "]),
)
_OPERAND = st.one_of(_NAME, _NAME, _NAME, QUOTED, _NUMBER, _call())
_OPERATOR = st.sampled_from(_OPERATORS.split())
_JOIN = st.tuples(_BLANK, st.sampled_from(["&&", "||"]), _BLANK).map("".join)


def _comparison(operand: st.SearchStrategy[str], blank: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(operand, blank, _OPERATOR, blank, operand).map("".join)


def _expression(
    comparison: st.SearchStrategy[str], blank: st.SearchStrategy[str], join: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    def joined(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        group = st.tuples(st.just("("), blank, items, blank, st.just(")")).map("".join)
        more = st.lists(st.tuples(join, group).map("".join), max_size=3).map("".join)
        return st.tuples(blank, st.one_of(items, group), more, blank).map("".join)

    return st.recursive(comparison, joined, max_leaves=6)


VALID = _expression(_comparison(_OPERAND, _BLANK), _BLANK, _JOIN)
ODD = _expression(
    _comparison(st.one_of(_OPERAND, _OPERAND, _ODD_CALL, _ODD_NUMBER), st.one_of(_BLANK, _BLANK, _ODD_BLANK)),
    st.one_of(_BLANK, _ODD_BLANK),
    st.one_of(_JOIN, _JOIN, _BLANK),
)
"""A third of it is valid: calls may have wrong arguments, joins may lack, comments may hold quotes."""
SOUP = st.lists(
    st.one_of(
        st.sampled_from(
            ["(", ")", "()", "&&", "||", "=", "?=", "'", '"', "\\", "//", "/", ",", "!", "-", ".", ":"]
        ),
        st.sampled_from(
            ["@", "#", "_", "\n", " ", "\r", "é", "\u00a0", "e5", "title=1", "(title='x')", "views"]
        ),
        _OPERAND,
    ),
    max_size=9,
).map("".join)


@st.composite
def _broken(draw: st.DrawFn) -> str:
    text = draw(VALID)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 2))
        text = text[:at] + draw(st.sampled_from(["", *"()'\"\\/&|=?!.,:-@# \n1a"])) + text[at + cut :]
    return text


EXPRESSIONS = st.one_of(VALID, VALID, VALID, VALID, ODD, ODD, _broken(), SOUP)


def quote(text: str) -> str:
    """Written so that nothing but quotes and backslashes needs an escape."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def names(item: Group | Comparison | Operand) -> set[str]:
    """All identifiers of an expression."""
    if isinstance(item, Group):
        return set().union(*(names(term.item) for term in item.terms))
    if isinstance(item, Comparison):
        return names(item.left) | names(item.right)
    if isinstance(item, Call):
        return set().union(*map(names, item.arguments))
    return {item.name} if isinstance(item, Identifier) else set()


def read(text: str) -> Group | None:
    """What we make of it; ``None`` when it is refused."""
    try:
        group = parse(text)
        for name in names(group):
            split_path(name)
    except FilterError:
        return None
    return group


def unparse(group: Group) -> str:
    """The same expression without anything left to interpretation."""
    words: list[str] = []
    for index, term in enumerate(group.terms):
        if index:
            words.append(str(term.join))
        if isinstance(term.item, Group):
            words.append(f"({unparse(term.item)})")
        else:
            sign = ("?" if term.item.is_any else "") + term.item.operator
            words.append(f"{_operand(term.item.left)} {sign} {_operand(term.item.right)}")
    return " ".join(words)


def _operand(operand: Operand) -> str:
    if isinstance(operand, Identifier):
        return operand.name
    if isinstance(operand, Number):
        return operand.text
    if isinstance(operand, Call):
        return f"{operand.name}({', '.join(map(_operand, operand.arguments))})"
    return quote(operand.value)


class Oracle:
    """PocketBase's own judgement, over one kept-alive connection for each caller."""

    def __init__(self, superuser: httpx.Client, user: httpx.Client) -> None:
        self._superuser = superuser
        self._user = user

    def rows(self, text: str, *, sort: str = "id", as_user: bool = False) -> list[str] | None:
        """The ids of the posts a client filter lets through; ``None`` when it is refused."""
        client = self._user if as_user else self._superuser
        query = {"filter": text, "sort": sort, "fields": "id", "perPage": "100", "skipTotal": "1"}
        answer = client.get("/api/collections/posts/records", params=query)
        if answer.status_code == 200:
            return [row["id"] for row in answer.json()["items"]]
        assert answer.status_code in (400, 403), answer.text
        return None

    def refuses_rule(self, text: str) -> bool:
        """Whether it may be saved as a rule; a second rule that may not keeps this one from being saved."""
        answer = self._superuser.patch("/api/collections/posts", json={"listRule": text, "deleteRule": "("})
        assert answer.status_code == 400, answer.text
        data: dict[str, Any] = answer.json()["data"]
        assert "deleteRule" in data
        return "listRule" in data
