"""Our parser and PocketBase take and refuse the same expressions, and mean the same by them."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hapta.filters.errors import TooDeep
from hapta.filters.nodes import Comparison, Text
from hapta.filters.parser import MAX_CLIENT_BYTES, MAX_TERMS, parse
from tests.filters.support import EXPRESSIONS, KNOWN, QUOTED, Oracle, names, quote, read, unparse
from tests.support.pocketbase import PocketBase

_ONE_AFTER_ANOTHER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def judge(oracle: Oracle, text: str) -> None:
    """Assert that both judge ``text`` alike, as a superuser's filter, a user's and a rule."""
    group = read(text)
    rows = oracle.rows(text) if text else None  # an empty parameter is no filter
    is_unknown = group is not None and not names(group) <= KNOWN
    if is_unknown:
        return  # a damaged name: whether such a field exists is not the parser's to know
    assert (rows is None) is (group is None)
    if text:
        assert oracle.refuses_rule(text) is (group is None)
    if group is None:
        assert oracle.rows(text, as_user=True) is None or not text
        return
    privileged = "@request." in text or "@collection." in text
    assert (oracle.rows(text, as_user=True) is None) is privileged
    clear = unparse(group)
    if "@now" not in text and "strftime" not in text:
        assert oracle.rows(clear) == rows
    again = parse(clear)
    assert unparse(again) == clear


@settings(max_examples=300, deadline=None, suppress_health_check=_ONE_AFTER_ANOTHER)
@given(text=EXPRESSIONS)
@example(text="title = (slug = 'post-1')")
@example(text="(slug='post-1')(slug='post-2')")
@example(text="slug='post-1' || (slug='post-2')(slug='post-3')")
@example(text="nope(nope(nope(1))) = (slug='post-1')")
@example(text="nope(nope(nope(nope(1)))) = (slug='post-1')")
@example(text="(slug='post-1' // it's\n && (views>1) // it's\n)")
@example(text="(slug='post-1' // slug='post-2')")
@example(text="tags:each ?= 'red' && comments_via_post.text ?!~ 'Comment 1'")
@example(text="1 = 1.2.3")
@example(text="views = 1 \r\n")
def test_both_read_alike(oracle: Oracle, text: str) -> None:
    judge(oracle, text)


@pytest.mark.all_modes
@pytest.mark.timeout(900)
@settings(max_examples=20_000, deadline=None, suppress_health_check=_ONE_AFTER_ANOTHER)
@given(text=EXPRESSIONS)
def test_both_read_alike_at_length(oracle: Oracle, text: str) -> None:
    judge(oracle, text)


@settings(max_examples=100, deadline=None, suppress_health_check=_ONE_AFTER_ANOTHER)
@given(written=st.one_of(QUOTED, st.text("\\\\\\\nrtbx0'\"/%", max_size=6).map(lambda text: f"'{text}'")))
@example(written=r"'\n\r\t'")
@example(written=r"'\\n'")
@example(written=r"'\\\''")
@example(written=r"""'\"'""")
@example(written=r'''"\'"''')
def test_both_unescape_alike(oracle: Oracle, written: str) -> None:
    group = read(f"{written} = 1")
    if group is None:
        assert oracle.rows(f"{written} = 1") is None
        return
    comparison = group.terms[0].item
    assert isinstance(comparison, Comparison)
    if isinstance(comparison.left, Text):
        assert oracle.rows(f"{written} = {quote(comparison.left.value)}") == oracle.rows("")


@pytest.mark.parametrize(
    "text",
    [
        "title='1' // c",
        "(title='1')(slug='2')",
        "title = (slug='1')",
        "strftime('%Y', created,) > '2'",
        "-.5 < views",
    ],
)
def test_odd_rules_can_really_be_saved(pocketbase: PocketBase, text: str) -> None:
    assert read(text) is not None
    before = pocketbase.admin.get("/api/collections/hooked").json()["listRule"]
    odd = text.replace("title", "name").replace("slug", "note").replace("views", "1")
    try:
        answer = pocketbase.admin.patch("/api/collections/hooked", json={"listRule": odd})
        assert answer.status_code == 200, answer.text
        assert answer.json()["listRule"] == odd
    finally:
        pocketbase.admin.patch("/api/collections/hooked", json={"listRule": before}).raise_for_status()


def test_limits_are_those_of_pocketbase(oracle: Oracle) -> None:
    for count in (MAX_TERMS, MAX_TERMS + 1):
        text = " || ".join(["views=1"] * count)
        assert (oracle.rows(text) is None) is oracle.refuses_rule(text) is (read(text) is None)
    for length in (MAX_CLIENT_BYTES, MAX_CLIENT_BYTES + 1):
        text = "title='" + "é" * ((MAX_CLIENT_BYTES - 8) // 2) + "'" + " " * (length - MAX_CLIENT_BYTES)
        assert len(text.encode()) == length
        assert (oracle.rows(text) is None) is (length > MAX_CLIENT_BYTES)
        assert not oracle.refuses_rule(text)
        assert read(text) is not None


def test_pocketbase_takes_deeper_nesting_than_we_follow(oracle: Oracle) -> None:
    text = "(" * 101 + "views=1" + ")" * 101
    assert oracle.rows(text) is not None
    with pytest.raises(TooDeep):
        parse(text)
