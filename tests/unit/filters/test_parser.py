"""Text to nodes, position by position; what is refused, and where: all asked of PocketBase 0.40.6."""

import time
from contextlib import suppress

import pytest

from hapta.filters.errors import FilterError, TooDeep
from hapta.filters.nodes import Call, Comparison, Group, Identifier, Join, Number, Term, Text
from hapta.filters.parser import MAX_CLIENT_BYTES, parse


def only(text: str) -> Comparison:
    """The one comparison ``text`` consists of."""
    group = parse(text)
    assert len(group.terms) == 1
    item = group.terms[0].item
    assert isinstance(item, Comparison)
    return item


def shape(group: Group) -> str:
    """Joins, parentheses and left operands: ``a && (b || c)``."""
    words: list[str] = []
    for term in group.terms:
        words.append(str(term.join))
        if isinstance(term.item, Group):
            words.append(f"({shape(term.item)})")
        else:
            assert isinstance(term.item.left, Identifier)
            words.append(term.item.left.name)
    return " ".join(words[1:])


def test_nodes_say_where_they_stand() -> None:
    text = "a.b:lower = 'x' && (n ?>= -1.5 || strftime('%Y', day) != @now)"
    first = Comparison(Identifier("a.b:lower", 0), "=", Text("x", 12), 0)
    second = Comparison(Identifier("n", 20), ">=", Number("-1.5", 26), 20, is_any=True)
    call = Call("strftime", (Text("%Y", 43), Identifier("day", 49)), 34)
    third = Comparison(call, "!=", Identifier("@now", 57), 34)
    inner = Group((Term(Join.AND, second), Term(Join.OR, third)), 19)
    assert parse(text) == Group((Term(Join.AND, first), Term(Join.AND, inner)), 0)


@pytest.mark.parametrize("operator", ["=", "!=", "~", "!~", "<", "<=", ">", ">="])
def test_each_operator_has_an_any_form(operator: str) -> None:
    assert (only(f"a{operator}1").operator, only(f"a{operator}1").is_any) == (operator, False)
    assert (only(f"a ?{operator} 1").operator, only(f"a ?{operator} 1").is_any) == (operator, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1&&b=1||c=1", "a && b || c"),
        (" a=1\t&&\n(b=1)", "a && (b)"),
        ("((a=1))", "((a))"),
        ("(a=1)(b=1)", "(a) && (b)"),
        ("a=1 || (b=1)(c=1)", "a || (b) || (c)"),
        ("a=1 (b=1)", "a && (b)"),
        ("(a=1) && b=1", "(a) && b"),
        ("a (b=1)", "(b)"),
        ("a = (b=1) || c=1", "(b) || c"),
        ("nope:x = (b=1)", "(b)"),
        ("// what\na=1 // for\n&& b=1 // end", "a && b"),
        ("a=1 && (b=1 // c=1)", "a && (b)"),
        ("(a=1) // don't (", "(a)"),
        ('(a=1 // "q" (x)\n)', "(a)"),
        ("(a=1 // it's\n && (b=1) // it's\n)", "(a && (b))"),
    ],
)
def test_groups_joins_and_comments(text: str, expected: str) -> None:
    assert shape(parse(text)) == expected


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("''", ""),
        ('"it\'s"', "it's"),
        (r"'it\'s'", "it's"),
        (r"'\"'", '"'),
        (r'"\'"', "'"),
        (r"'a\\'", "a\\"),
        (r"'\\\''", "\\'"),
        (r"'\\n'", r"\n"),
        (r"'\n\r\t'", "\n\r\t"),
        (r"'\d\%\/\u0041'", r"\d\%\/\u0041"),
        ("'// ) é 😀\n'", "// ) é 😀\n"),
    ],
)
def test_texts_are_unescaped(written: str, says: str) -> None:
    assert only(f"{written} = 1").left == Text(says, 0)
    inside = parse(f"(({written} = 1))").terms[0].item
    assert isinstance(inside, Group)
    assert isinstance(inside.terms[0].item, Group)
    assert inside.terms[0].item.terms[0].item == Comparison(
        Text(says, 2), "=", Number("1", 5 + len(written)), 2
    )


@pytest.mark.parametrize("number", ["0", "-1", "007", "1.50", "-.5", "9" * 400])
def test_numbers_stay_as_written(number: str) -> None:
    assert only(f"{number}={number}").right == Number(number, len(number) + 1)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        (" \n", 2),
        ("// only this", 12),
        ("()", 1),
        ("a=1 && ()", 8),
        ("a", 1),
        ("a=", 2),
        ("'a'", 3),
        ("=1", 0),
        ("a=1 &&", 6),
        ("&& a=1", 0),
        ("a=1 || || b=1", 7),
        ("a=1 b=1", 4),
        ("a=1 and b=1", 4),
        ("a=1 & b=1", 4),
        ("a=1 &&& b=1", 4),
        ("a=1 , b=1", 4),
        ("a=1)", 3),
        ("(a=1", 0),
        ("(a=1 // (\n)", 0),
        ("(a=1 // )\n)", 10),
        ("(a=1 // don't\n)", 11),
        ("a=1 / b", 4),
        ("a='1", 2),
        (r"a='1\'", 2),
        ("a=`1`", 2),
        ("a==1", 1),
        ("a=!1", 1),
        ("a ? = 1", 2),
        ("a=1.", 2),
        ("a=.5", 2),
        ("a=-", 2),
        ("a=+1", 2),
        ("a=1e5", 3),
        ("a=1.2.3", 5),
        ("a=12-3", 4),
        ("a.=1", 0),
        ("a:=1", 0),
        ("_=1", 0),
        ("#a=1", 0),
        ("a#b=1", 1),
        ("@nope=1", 0),
        ("1=@NOW", 2),
        ("@request.auth=1", 0),
        ("@request.method:lower=1", 0),
        ("@collection.things=1", 0),
        ("a=1\r\n&& b=1", 3),
        ("a\u00a0=1", 1),
        ("é=1", 0),
        ("a='1\0'", 4),
        ("a='\ud800'", 3),
        ("nope(1)=1", 0),
        ("strftime.a('%Y')=1", 0),
        ("strftime ('%Y')=1", 14),
        ("strftime()=1", 0),
        ("strftime(day)=1", 9),
        ("strftime('%Y',day,day)=1", 18),
        ("strftime('%Y',strftime('%Y'))=1", 14),
        ("strftime('%Y' day)=1", 14),
        ("strftime('%Y',,day)=1", 14),
        ("strftime('%Y'", 0),
        ("strftime('%Y',(day))=1", 14),
        ("strftime('1','2','3','4','5','6','7','8','9','10','11')=1", 0),
        ("geoDistance(1,2,3)=1", 0),
        ("geoDistance(1,2,3,@request.body.a:changed)=1", 18),
        ("geoDistance(1,2,3,'4')=1", 18),
        ("geoDistance(1,2,3,@nope)=1", 18),
        ("a(a(a(a(1))))=(a=1)", 6),
    ],
)
def test_what_pocketbase_refuses_is_refused_where_it_is(text: str, position: int) -> None:
    with pytest.raises(FilterError) as refused:
        parse(text)
    assert refused.value.position == position


@pytest.mark.parametrize(
    "text",
    ["geoDistance(1,2,3,4,) > 0", "strftime( '%Y' // c )\n , day, '+1 day' ) > ''", "a(a(a(1)))=(a=1)"],
)
def test_odd_calls_that_are_taken(text: str) -> None:
    assert len(parse(text).terms) == 1


def test_limits_are_pocketbases() -> None:
    assert len(parse(" || ".join(["a=1"] * 200)).terms) == 200
    with pytest.raises(FilterError, match="200 comparisons"):
        parse("(" + " || ".join(["a=1"] * 201) + ")")
    fits = "a='" + "é" * ((MAX_CLIENT_BYTES - 4) // 2) + "'"
    parse(fits, max_bytes=MAX_CLIENT_BYTES)
    with pytest.raises(FilterError, match="3500 bytes"):
        parse(fits + " ", max_bytes=MAX_CLIENT_BYTES)


def test_nesting_is_capped() -> None:
    assert parse("(" * 100 + "a=1" + ")" * 100)
    for text in ("(" * 101 + "a=1" + ")" * 101, "(" * 3_500, "(" * 100_000 + "a=1" + ")" * 100_000):
        with pytest.raises((TooDeep, FilterError)):
            parse(text)
    with pytest.raises(TooDeep) as refused:
        parse("(" * 1_750 + "a=1" + ")" * 1_750)
    assert refused.value.position == 100


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "('",
        "'",
        '"',
        "\\",
        "-",
        "a",
        "a.",
        "//",
        "/",
        "f(",
        "(a=1",
        "a=1||",
        "(//'\n",
        "// (\n",
        "=",
        "&",
        " ",
    ],
)
@pytest.mark.parametrize("around", [0, 99])
def test_hostile_texts_cost_no_more_than_their_length(piece: str, around: int) -> None:
    def cost(length: int) -> float:
        text = "(" * around + "a=1 || " + piece * (length // len(piece)) + " " + ")" * around
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            with suppress(FilterError):
                parse(text)
            best = min(best, time.process_time() - started)
        return best

    cost(3_500)
    # eight times the length; quadratic would be 64 times the cost
    assert cost(28_000) < 24 * cost(3_500) + 0.02
