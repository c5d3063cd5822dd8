"""The head of a request is one request to whoever reads it, or it is not sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from hapta.upstream.wire.head import LineBook, render_request


def rendered(method: str, body: bytes | None, target: str = "/api/x", **fields: str) -> bytes:
    return render_request(method, target, CIMultiDict(fields), body, "own:1")


@pytest.mark.parametrize(
    ("method", "body", "line"),
    [
        ("GET", None, b""),
        ("OPTIONS", None, b""),
        ("POST", None, b"Content-Length: 0\r\n"),
        ("DELETE", None, b"Content-Length: 0\r\n"),
        ("GET", b"", b"Content-Length: 0\r\n"),
        ("PATCH", b"{}", b"Content-Length: 2\r\n"),
    ],
)
def test_a_request_has_the_fields_it_was_given_and_the_length_of_its_body(
    method: str, body: bytes | None, line: bytes
) -> None:
    assert rendered(method, body, Host="h", A="b") == (
        b"%s /api/x HTTP/1.1\r\nHost: h\r\nA: b\r\n%s\r\n" % (method.encode(), line)
    )


def test_the_host_is_that_of_the_server_where_none_is_given() -> None:
    assert rendered("GET", None) == b"GET /api/x HTTP/1.1\r\nHost: own:1\r\n\r\n"


def test_a_length_that_is_given_is_that_of_the_body() -> None:
    assert rendered("POST", b"{}", Host="h", **{"Content-Length": "2"}).count(b"Content-Length: 2") == 1
    for other in ("1", "x", "2, 2"):
        with pytest.raises(ValueError, match="another"):
            rendered("POST", b"{}", **{"Content-Length": other})


@pytest.mark.parametrize("target", ["x", "", "/a b", "/a\r\nB: c", "/a\n", "/a#b", "/ä", "/a\x7f", "*"])
def test_a_target_that_is_more_than_one_is_not_sent(target: str) -> None:
    with pytest.raises(ValueError, match="not one request"):
        rendered("GET", None, target)


@pytest.mark.parametrize("method", ["", "G T", "GET\r\n", "G/T"])
def test_a_method_that_is_none_is_not_sent(method: str) -> None:
    with pytest.raises(ValueError, match="not one request"):
        rendered(method, None)


@given(value=st.text(max_size=20).filter(lambda text: text.encode("utf-8", "ignore").decode() == text))
def test_no_value_becomes_a_second_line(value: str) -> None:
    try:
        head = rendered("GET", None, A=value)
    except ValueError:
        assert any(ord(each) < 32 or ord(each) == 127 for each in value)
    else:
        assert head == b"GET /api/x HTTP/1.1\r\nHost: own:1\r\nA: %s\r\n\r\n" % value.encode()


@pytest.mark.parametrize("value", ["chunked", "identity"])
def test_a_coding_of_somebody_else_s_is_not_sent(value: str) -> None:
    with pytest.raises(ValueError, match="not one request"):
        rendered("GET", None, **{"Transfer-Encoding": value})


def test_lines_seen_before_are_known_and_never_those_that_frame() -> None:
    book = LineBook()
    for number in range(2000):
        head = book.parse(
            b"HTTP/1.1 200 OK\r\nA: b\r\nX: %d\r\nContent-Length: %d\r\nConnection: close" % (number, number),
            is_head=False,
        )
        assert head.headers == (
            (b"A", b"b"),
            (b"X", b"%d" % number),
            (b"Content-Length", b"%d" % number),
            (b"Connection", b"close"),
        )
        assert (head.length, head.keeps) == (number, False)
        assert len(book._known) <= 512
    assert not any(line.lower().startswith((b"content-length", b"connection")) for line in book._known)
