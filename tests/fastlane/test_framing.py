"""Where a request begins and ends: whatever stands on a connection before, behind or around a known head, the
answers are those of the parser alone."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.fastlane.site import LIST, VIEW, Caller, Line, Site, body, fixed, get, status

MIRROR = "/api/custom/mirror"
HEAD = get(VIEW)
OTHER = get(LIST)


def post(content: bytes, *lines: str) -> bytes:
    return (
        get(MIRROR, "Content-Type: text/plain", f"Content-Length: {len(content)}", *lines, method="POST")
        + content
    )


def chunked(*chunks: bytes) -> tuple[bytes, ...]:
    head = get(MIRROR, "Content-Type: text/plain", "Transfer-Encoding: chunked", method="POST")
    return (head, *(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks), b"0\r\n\r\n")


@contextmanager
def known(site: Site) -> Iterator[Line]:
    """A connection on which both known heads are told by the lane."""
    with Line(site.url) as line:
        caller = Caller(site, line=line)
        caller.warm(VIEW)
        caller.warm(LIST)
        yield line


def told_of(
    site: Site, pieces: Sequence[bytes], count: int, pause_s: float = 0.004
) -> tuple[list[bytes], int]:
    """Answers to what is sent piece by piece on a new connection, and how many of them the lane gave."""
    before = site.told
    with Line(site.url) as line:
        for piece in pieces:
            line.send(piece)
            time.sleep(pause_s)
        answers = [fixed(line.raw()) for _ in range(count)]
    return answers, site.told - before


@pytest.fixture(scope="module", autouse=True)
def expected(on: Site, off: Site) -> Iterator[dict[bytes, bytes]]:
    """What the full way answers to the known heads, from the store.

    A connection stays open meanwhile: what the lane knows of an address goes with the last one from there.
    """
    with known(on), Line(off.url) as line:
        for head in (HEAD, OTHER):
            line.ask(head)
        yield {head: fixed(line.ask(head)) for head in (HEAD, OTHER)}


@pytest.fixture(autouse=True)
def _known(on: Site, off: Site) -> None:
    """Whatever a test before has invalidated, both tell the known heads from the store."""
    with known(on), Line(off.url) as line:
        for head in (HEAD, OTHER):
            line.ask(head)


def test_a_second_request_is_told_by_the_lane_byte_for_byte_as_the_full_way_does(
    on: Site, expected: dict[bytes, bytes]
) -> None:
    for head in (HEAD, OTHER):
        found = [told_of(on, [head, head], 2) for _ in range(4)]
        assert all(answers == [expected[head]] * 2 for answers, _ in found)
        assert max(told for _, told in found) >= 1  # the first may come before the connection waits for it


def test_three_heads_in_one_segment_go_the_full_way_in_order(on: Site, expected: dict[bytes, bytes]) -> None:
    answers, told = told_of(on, [HEAD + OTHER + HEAD], 3)
    assert answers == [expected[HEAD], expected[OTHER], expected[HEAD]]
    assert told == 0


def test_after_heads_in_one_segment_a_single_one_goes_the_full_way_and_the_next_by_the_lane(
    on: Site, expected: dict[bytes, bytes]
) -> None:
    with Line(on.url) as line:
        line.send(HEAD + OTHER)
        assert [fixed(line.raw()) for _ in range(2)] == [expected[HEAD], expected[OTHER]]
        before = on.told
        assert fixed(line.ask(HEAD)) == expected[HEAD]
        assert on.told == before
        assert fixed(line.ask(HEAD)) == expected[HEAD]
        assert on.told == before + 1


def test_a_head_cut_at_any_place_is_answered_the_same(on: Site, expected: dict[bytes, bytes]) -> None:
    with Line(on.url) as line:
        for at in range(1, len(HEAD)):
            line.send(HEAD[:at])
            time.sleep(0.001)
            line.send(HEAD[at:])
            assert fixed(line.raw()) == expected[HEAD], at
            assert fixed(line.ask(OTHER)) == expected[OTHER], at


@pytest.mark.parametrize("at", range(1, 5))
@pytest.mark.parametrize("more", [b"G", b"GE", b"GET ", b"\r", b"\r\n"])
def test_the_end_of_a_head_and_the_beginning_of_the_next_in_one_piece(
    on: Site, off: Site, at: int, more: bytes
) -> None:
    """What looks like a known head afterwards is the rest of one that has begun."""
    pieces = [HEAD[:-at], HEAD[-at:] + more, HEAD]
    seen = []
    for site in (on, off):
        with Line(site.url) as line:
            answers = []
            for number, piece in enumerate(pieces):
                line.send(piece)
                time.sleep(0.01)
                if number:
                    answers.append(fixed(line.raw()))
            seen.append((answers, line.is_closed_within(0.05)))
    assert seen[0] == seen[1]
    assert [status(answer) for answer in seen[0][0]] == [200, 400 if more.strip() else 200]


def test_known_heads_in_a_body_are_the_body(on: Site, expected: dict[bytes, bytes]) -> None:
    content = HEAD + OTHER
    start = post(content)[: -len(content)]
    answers, told = told_of(on, [start, HEAD, OTHER, HEAD], 2)
    assert body(answers[0]) == content
    assert body(answers[1]) == body(expected[HEAD])
    assert told == 0


def test_known_heads_in_chunks_are_the_body(on: Site, expected: dict[bytes, bytes]) -> None:
    for pieces in (
        chunked(HEAD, OTHER),
        [chunked()[0], b"%x\r\n" % len(HEAD), HEAD, b"\r\n0\r\n\r\n"],
        [chunked()[0] + b"%x\r\n" % len(HEAD), HEAD, b"\r\n", b"0\r\n", b"\r\n"],
    ):
        answers, told = told_of(on, [*pieces, HEAD], 2)
        assert HEAD in body(answers[0])
        assert body(answers[1]) == body(expected[HEAD])
        assert told == 0


def test_behind_a_body_the_first_head_goes_the_full_way_and_the_next_by_the_lane(
    on: Site, expected: dict[bytes, bytes]
) -> None:
    with known(on) as line:
        refused = get("/api/collections/posts/records", "Content-Length: 2", method="POST") + b"{}"
        assert status(line.ask(refused)) == 400
        before = on.told
        assert fixed(line.ask(HEAD)) == expected[HEAD]
        assert on.told == before
        assert fixed(line.ask(HEAD)) == expected[HEAD]
        assert on.told == before + 1


def test_an_answer_that_comes_before_the_body_leaves_the_rest_of_it_the_body(on: Site, off: Site) -> None:
    """404: nobody reads the body."""
    content = HEAD * 2
    start = get("/api/hapta/nothing", f"Content-Length: {len(content)}", method="POST")
    seen = []
    for site in (on, off):
        with Line(site.url) as line:
            line.send(start + HEAD)
            first = fixed(line.raw())
            line.send(HEAD)
            line.send(HEAD)
            try:
                rest = fixed(line.raw())
            except EOFError:
                rest = b"closed"
            seen.append((first, rest))
    assert seen[0] == seen[1]
    assert status(seen[0][0]) == 404


def test_a_known_head_is_the_value_of_a_field_that_has_begun(on: Site, off: Site) -> None:
    for beginning in (
        b"GET /api/health HTTP/1.1\r\nHost: a\r\nX-A: ",
        b"GET /api/health HTTP/1.1\r\nHost: a\r\n",
    ):
        seen = []
        for site in (on, off):
            with known(site) if site is on else Line(site.url) as line:
                before = site.told
                line.send(beginning)
                time.sleep(0.01)
                line.send(HEAD)
                seen.append(fixed(line.raw()))
                assert site.told == before
        assert seen[0] == seen[1]


def test_a_known_head_and_the_beginning_of_a_post_in_one_segment(
    on: Site, expected: dict[bytes, bytes]
) -> None:
    start = HEAD + get(MIRROR, "Content-Type: text/plain", f"Content-Length: {len(HEAD)}", method="POST")
    with known(on) as line:
        before = on.told
        line.send(start[:-6])
        assert fixed(line.raw()) == expected[HEAD]
        line.send(start[-6:])
        time.sleep(0.01)
        line.send(HEAD)
        assert body(line.raw()) == HEAD
        assert on.told == before


def test_known_heads_behind_a_slow_request_wait_for_it(on: Site, expected: dict[bytes, bytes]) -> None:
    with known(on) as line:
        before = on.told
        for piece in (get("/api/custom/slow?ms=200"), HEAD, OTHER, HEAD):
            line.send(piece)
            time.sleep(0.01)
        assert b"slept" in body(line.raw())
        assert [fixed(line.raw()) for _ in range(3)] == [expected[HEAD], expected[OTHER], expected[HEAD]]
        assert on.told == before
        Caller(on, line=line).warm(VIEW)


def test_known_heads_behind_one_that_expects_100_continue(on: Site, expected: dict[bytes, bytes]) -> None:
    with known(on) as line:
        start = get(MIRROR, "Expect: 100-continue", f"Content-Length: {len(HEAD)}", method="POST")
        line.send(start)
        assert line.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        before = on.told
        line.send(HEAD)
        assert body(line.raw()) == HEAD
        assert body(line.ask(HEAD)) == body(expected[HEAD])
        assert on.told == before


def test_known_heads_behind_an_upgrade_that_is_declined_are_not_read(on: Site, off: Site) -> None:
    for pieces in (
        [get(VIEW, "Connection: Upgrade", "Upgrade: websocket"), HEAD],
        [get(VIEW, "Upgrade: h2c") + HEAD],
    ):
        seen = []
        for site in (on, off):
            with Line(site.url) as line:
                for piece in pieces:
                    line.send(piece)
                seen.append(fixed(line.raw()))
                assert line.is_closed_within(2)
        assert seen[0] == seen[1]


def test_garbage_ends_the_connection(on: Site) -> None:
    for garbage in (b"\0garbage\r\n\r\n", b" \r\n\r\n", bytes(range(256))):
        with known(on) as line:
            line.send(garbage)
            line.send(HEAD)
            assert b"400" in line.raw()[:13]
            assert line.is_closed_within(2)


ODD: list[tuple[str, bytes]] = [
    ("HTTP/1.0", get(VIEW, version="1.0")),
    ("HTTP/1.0 that stays", get(VIEW, "Connection: keep-alive", version="1.0")),
    ("Connection: close", get(VIEW, "Connection: close")),
    ("Connection: Close, TE", get(VIEW, "Connection: Close, TE")),
    ("Connection: keep-alive", get(VIEW, "Connection: keep-alive")),
    ("Connection: Keep-Alive", get(VIEW, "Connection: Keep-Alive")),
    ("Connection: keep-alive, close", get(VIEW, "Connection: keep-alive, close")),
    ("an empty line before it", b"\r\n" + HEAD),
    ("two empty lines before it", b"\r\n\r\n" + HEAD),
    ("bare line feeds", HEAD.replace(b"\r\n", b"\n")),
    ("one bare line feed", HEAD.replace(b"Host: a\r\n", b"Host: a\n")),
    ("a carriage return in a value", get(VIEW, "X-A: b\rc")),
    ("a folded line", get(VIEW, "X-A: b", " c")),
    ("a folded line of tabs", get(VIEW, "X-A: b", "\tc")),
    ("the same field twice", get(VIEW, "X-A: b", "X-A: b")),
    ("two Accept-Encodings", get(VIEW, "Accept-Encoding: gzip", "Accept-Encoding: br")),
    ("two Authorizations", get(VIEW, "Authorization: a", "Authorization: b")),
    ("two Hosts", get(VIEW, "Host: b")),
    ("no Host", HEAD.replace(b"Host: a\r\n", b"")),
    ("no Host but another field", HEAD.replace(b"Host: a\r\n", b"Accept: */*\r\n")),
    ("an absolute target", get(f"http://a{VIEW}")),
    ("an absolute target of another host", get(f"http://b{VIEW}")),
    ("a method in lower case", get(VIEW, method="get")),
    ("HEAD", get(VIEW, method="HEAD")),
    ("HEAD of a list", get(LIST, method="HEAD")),
    ("a version in lower case", HEAD.replace(b"HTTP", b"http")),
    ("HTTP/1.2", get(VIEW, version="1.2")),
    ("two spaces before the version", HEAD.replace(b" HTTP", b"  HTTP")),
    ("a space behind the version", HEAD.replace(b"/1.1\r\n", b"/1.1 \r\n", 1)),
    ("a version within the target", get(f"{VIEW}?x= HTTP/1.1")),
    ("a whole request line within the target", HEAD.replace(b" HTTP/1.1\r\n", b" HTTP/1.1 HTTP/1.1\r\n", 1)),
    ("a NUL in a value", get(VIEW, "X-A: b\0c")),
    ("a NUL in the target", get(f"{VIEW}\0")),
    ("eight bits in a value", get(VIEW, "X-A: b\xe9c")),
    ("eight bits in the target", get(f"{VIEW}?x=\xe9")),
    ("a DEL in a value", get(VIEW, "X-A: b\x7fc")),
    ("a control character in a value", get(VIEW, "X-A: b\x01c")),
    ("a tab in a value", get(VIEW, "X-A: b\tc")),
    ("a tab before a value", get(VIEW, "X-A:\tc")),
    ("many spaces around a value", get(VIEW, "X-A:    c   ")),
    ("no space before a value", get(VIEW, "X-A:c")),
    ("an empty value", get(VIEW, "X-A:")),
    ("an empty Authorization", get(VIEW, "Authorization:")),
    ("an Authorization that is no token", get(VIEW, "Authorization: nobody")),
    ("Basic credentials", get(VIEW, "Authorization: Basic YTpi")),
    ("a space before a colon", get(VIEW, "X-A : c")),
    ("a space in a name", get(VIEW, "X A: c")),
    ("a name of odd characters", get(VIEW, "!#$%&'*+-.^_`|~: c")),
    ("a name outside ASCII", get(VIEW, "X-\xe9: c")),
    ("a line without a colon", get(VIEW, "nothing")),
    ("an empty name", get(VIEW, ": c")),
    ("a long head", get(VIEW, f"X-A: {'a' * 7_000}")),
    ("a head longer than the lane takes", get(VIEW, f"X-A: {'a' * 9_000}")),
    ("a head longer than Hapta takes", get(VIEW, f"X-A: {'a' * 33_000}")),
    ("fields longer than Hapta takes", get(VIEW, *(f"X-{n}: {'a' * 7_000}" for n in range(6)))),
    ("many fields", get(VIEW, *(f"X-{n}: a" for n in range(120)))),
    ("a long target", get(f"{VIEW}?x={'a' * 7_000}")),
    ("a target longer than Hapta takes", get(f"{VIEW}?x={'a' * 17_000}")),
    ("Content-Length: 0", get(VIEW, "Content-Length: 0")),
    ("a body of two bytes", get(VIEW, "Content-Length: 2") + b"{}"),
    ("a negative length", get(VIEW, "Content-Length: -1")),
    ("a chunked body", get(VIEW, "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    ("length and chunked", get(VIEW, "Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    ("an unknown coding", get(VIEW, "Transfer-Encoding: gzip")),
    ("Expect: 100-continue", get(VIEW, "Expect: 100-continue")),
    ("an unknown expectation", get(VIEW, "Expect: x")),
    ("TE: trailers", get(VIEW, "TE: trailers")),
    ("X-Request-Id", get(VIEW, "X-Request-Id: mine")),
    ("a forwarded address", get(VIEW, "X-Forwarded-For: 9.9.9.9")),
    ("a Forwarded field", get(VIEW, "Forwarded: for=9.9.9.9")),
    ("Range", get(VIEW, "Range: bytes=0-1")),
    ("If-None-Match: *", get(VIEW, "If-None-Match: *")),
    ("If-Match", get(VIEW, 'If-Match: "x"')),
    ("If-Modified-Since", get(VIEW, "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT")),
    ("Cache-Control: no-cache", get(VIEW, "Cache-Control: no-cache")),
    ("Cache-Control: only-if-cached", get(VIEW, "Cache-Control: only-if-cached")),
    ("Pragma: no-cache", get(VIEW, "Pragma: no-cache")),
    ("gzip", get(LIST, "Accept-Encoding: gzip, br")),
    ("identity alone", get(LIST, "Accept-Encoding: identity")),
    ("no coding at all", get(LIST, "Accept-Encoding: *;q=0")),
    ("an origin", get(VIEW, "Origin: https://a.example")),
    ("the null origin", get(VIEW, "Origin: null")),
    ("a cookie", get(VIEW, "Cookie: a=b")),
    ("an escape in the target", get(VIEW.replace("posts", "%70osts"))),
    ("a fragment in the target", get(f"{VIEW}#x")),
    ("a question mark alone", get(f"{VIEW}?")),
    ("a slash at the end", get(f"{VIEW}/")),
    ("two slashes", get(VIEW.replace("/records", "//records"))),
    ("dots in the path", get(VIEW.replace("/records", "/./records"))),
    ("an unknown row", get(VIEW.replace("000001", "000999"))),
    ("an unknown collection", get(VIEW.replace("posts", "nothing"))),
    ("a refused list", get("/api/collections/closed/records")),
    ("a refused filter", get("/api/collections/posts/records?filter=nothing")),
    (
        "OPTIONS",
        get(VIEW, "Origin: https://a.example", "Access-Control-Request-Method: GET", method="OPTIONS"),
    ),
]


@pytest.mark.parametrize("head", [pytest.param(head, id=name) for name, head in ODD])
def test_an_odd_head_gets_what_it_gets_without_the_lane_however_often_it_comes(
    on: Site, off: Site, head: bytes, expected: dict[bytes, bytes]
) -> None:
    """Three times on one connection, as far as it stays open, and a known head behind it."""
    method = head.lstrip().partition(b" ")[0].decode("latin-1")
    seen: list[list[bytes]] = []
    for site in (on, off):
        answers: list[bytes] = []
        for _ in range(3):  # what each of the two has stored by then is the same
            answers.clear()
            with Line(site.url) as line:
                for _ in range(3):
                    line.send(head)
                    try:
                        answers.append(fixed(line.raw(method)))
                    except EOFError:
                        answers.append(b"closed")
                if not line.is_closed_within(0.002):
                    answers.append(fixed(line.ask(HEAD)))
            site.settle()
        seen.append(answers)
    assert seen[0] == seen[1]
    assert seen[0][-1] in {b"closed", expected[HEAD]}
