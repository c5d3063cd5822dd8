"""One parse of the target decides everything: what is doubtful is refused, the rest is stable."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.errors import BadFraming, BadRequest
from hapta.model.target import parse_target

HOST = "app.example.test"
PATH_BYTES = st.text(
    alphabet="abz/%2eE.;:@!$&'()*+,=~_-\"<>\\^`{|}[]ſü\udcff", min_size=0, max_size=40
) | st.text(max_size=20)


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        ("/", ("",)),
        ("/api", ("api",)),
        ("/api/", ("api", "")),
        ("//", ("", "")),
        ("//api", ("", "api")),
        ("/a/../b", ("a", "..", "b")),
        ("/a%2Fb/c", ("a/b", "c")),
        ("/%61pi", ("api",)),
        ("/a%2fb?c/d", ("a/b",)),
        ("/a;b=c", ("a;b=c",)),
        ("/a+b", ("a+b",)),
        ("/%00", ("\0",)),
        ("/%ff", ("\udcff",)),
        ("/ü", ("ü",)),
        ("/\udcff", ("\udcff",)),
        ("/%25zz", ("%zz",)),
        ("/%C5%BF", ("ſ",)),
    ],
)
def test_a_path_is_split_first_and_decoded_afterwards(raw: str, segments: tuple[str, ...]) -> None:
    assert parse_target(raw, HOST).segments == segments


@pytest.mark.parametrize(
    ("raw", "path", "query"),
    [
        ("/a?b", "/a", "b"),
        ("/a?", "/a", ""),
        ("/a??b", "/a", "?b"),
        ("/a?b?c", "/a", "b?c"),
        ("/?%zz", "/", "%zz"),
    ],
)
def test_the_first_question_mark_begins_the_query(raw: str, path: str, query: str) -> None:
    target = parse_target(raw, HOST)
    assert (target.raw, target.path, target.query) == (raw, path, query)


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        ("/ü", "/%C3%BC"),
        ("/a?ü", "/a?%C3%BC"),
        ("/\udcff", "/%FF"),
        ('/a%2Fb"', "/a%2Fb%22"),
        ("/<>\\^`{|}", "/%3C%3E%5C%5E%60%7B%7C%7D"),
        ('/a?"<{', '/a?"<{'),
        ("/[a]'()*", "/[a]'()*"),
    ],
)
def test_what_no_url_may_hold_is_escaped_on_the_way(raw: str, sent: str) -> None:
    assert parse_target(raw, HOST).raw == sent


@pytest.mark.parametrize("raw", ["/%", "/%4", "/%zz", "/a%2", "/%%20", "/%2%30"])
def test_an_escape_that_does_not_decode_is_refused(raw: str) -> None:
    with pytest.raises(BadRequest):
        parse_target(raw, HOST)


@pytest.mark.parametrize(
    "raw",
    ["", "*", "api", "?a", "a:80", "ftp://a/b", "http:/a", "https//a"],
    ids=lambda raw: raw or "none",
)
def test_what_is_no_path_is_refused(raw: str) -> None:
    with pytest.raises(BadRequest):
        parse_target(raw, HOST)


@pytest.mark.parametrize("raw", ["/#", "/a#b", "/a?b#c", "/ ", "/a\tb", "/\0", "/a?\x7f", "/\n", "/?\r"])
def test_fragments_and_control_characters_are_refused(raw: str) -> None:
    with pytest.raises(BadRequest):
        parse_target(raw, HOST)


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        ("http://app.example.test/a?b", "/a?b"),
        ("HTTP://APP.example.test/a", "/a"),
        ("https://app.example.test", "/"),
        ("http://app.example.test?x=1", "/?x=1"),
        ("http://app.example.test//b", "//b"),
    ],
)
def test_an_absolute_form_of_this_host_becomes_a_path(raw: str, sent: str) -> None:
    assert parse_target(raw, HOST).raw == sent


@pytest.mark.parametrize(
    "raw",
    [
        "http://evil/a",
        "http://app.example.test:80/a",
        "http://user@app.example.test/a",
        "http://app.example.test.evil/a",
        "http:///a",
        "http://app.example.test\\@evil/a",
    ],
)
def test_an_absolute_form_of_another_host_is_refused_and_the_connection_closed(raw: str) -> None:
    with pytest.raises(BadFraming):
        parse_target(raw, HOST)


@given(PATH_BYTES)
def test_parsing_what_is_sent_gives_the_same_again(tail: str) -> None:
    try:
        target = parse_target("/" + tail, HOST)
    except BadRequest:
        return
    assert parse_target(target.raw, HOST) == target


@given(PATH_BYTES)
def test_what_is_sent_is_clean_ascii_and_decodes_to_what_came(tail: str) -> None:
    try:
        target = parse_target("/" + tail, HOST)
    except BadRequest:
        return
    assert target.raw.isascii()
    assert target.raw.isprintable()
    assert " " not in target.raw
    assert target.raw.startswith("/")
    came = ("/" + tail).encode("utf-8", "surrogateescape").partition(b"?")[0]
    assert unquote_to_bytes(target.path) == unquote_to_bytes(came)
    assert len(target.segments) == target.path.count("/")
