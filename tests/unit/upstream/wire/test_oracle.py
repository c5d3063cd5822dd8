"""Against aiohttp's client: what ours takes for an answer, that one reads in the same way.

Ours is stricter on purpose: it may lose what aiohttp forgives. In one thing it is not: bytes behind an answer
that was read to its end are no reason to lose that answer, but its connection ends with it.
"""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.upstream.wire.world import End, Outcome, asks, of_library, of_wire

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: (
        name.lower()
        not in {
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
            "content-encoding",
            "location",
        }
    )
)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20).map(
    lambda text: text.strip(" \t\xa0").encode("latin-1")
)
FIELDS = st.lists(st.tuples(NAMES.map(str.encode), VALUES), max_size=6)
STATUSES = st.sampled_from([200, 201, 204, 206, 304, 400, 404, 500, 503])

INTERIM = (b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 X\r\nLink: a\r\n\r\n")


@dataclass(frozen=True)
class Said:
    """A well-formed answer.

    Attributes:
        raw: the bytes of it.
        end: how the connection ends; ``eof`` where that frames the body.
    """

    raw: bytes
    end: End
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def chunked(body: bytes, sizes: list[int], extension: bytes, trailer: bytes) -> bytes:
    raw, at = b"", 0
    for size in sizes:
        piece = body[at : at + size]
        at += len(piece)
        if piece:
            raw += b"%x%s\r\n%s\r\n" % (len(piece), extension, piece)
    if body[at:]:
        raw += b"%X\r\n%s\r\n" % (len(body[at:]), body[at:])
    return raw + b"0\r\n" + trailer + b"\r\n"


@st.composite
def answers(draw: st.DrawFn, method: str) -> Said:
    status = draw(STATUSES)
    fields = draw(FIELDS)
    body = draw(st.binary(max_size=300))
    end: End
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    has_body = method != "HEAD" and status not in (204, 304)
    raw_body, end = body, draw(st.sampled_from(["eof", "reset", "nothing"]))
    if framing == "length":
        fields = [*fields, (b"Content-Length", b"%d" % len(body))]
    elif framing == "chunked":
        fields = [(b"Transfer-Encoding", b"chunked"), *fields]
        extension = draw(st.sampled_from([b"", b";a=b", b';q="x"']))
        trailer = draw(st.sampled_from([b"", b"X-T: 1\r\n", b"A: b\r\nC:\r\n"]))
        raw_body = chunked(body, draw(st.lists(st.integers(1, 60), max_size=6)), extension, trailer)
    elif has_body:
        end = "eof"
    if not has_body:
        body = raw_body = b""
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 X\r\nLink: a\r\n\r\n"])
    )
    lines = b"".join(
        b"%s:%s%s\r\n" % (name, draw(st.sampled_from([b"", b" ", b" \t"])), value) for name, value in fields
    )
    raw = interim + b"HTTP/1.1 %d X\r\n%s\r\n" % (status, lines) + raw_body
    return Said(raw, end, status, tuple(fields), body)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    """``raw`` in pieces."""
    edges = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[start:end] for start, end in pairwise(edges)]


PLACES = st.lists(st.integers(0, 2000), max_size=12)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@given(data=st.data(), places=PLACES)
def test_a_well_formed_answer_in_any_pieces_is_what_aiohttp_reads(
    method: str, data: st.DataObject, places: list[int]
) -> None:
    said = data.draw(answers(method))
    pieces = cut(said.raw, places)
    ours, is_kept = of_wire(asks(method), pieces, said.end)
    assert ours == Outcome(said.status, said.headers, said.body)
    assert ours == of_library(asks(method), pieces, said.end)
    announces_in_vain = not said.body and any(
        (name == b"Content-Length" and value != b"0") or name == b"Transfer-Encoding"
        for name, value in said.headers
        if method == "HEAD" or said.status in (204, 304)
    )
    has_end = any(name in (b"Content-Length", b"Transfer-Encoding") for name, _ in said.headers)
    has_end = has_end or method == "HEAD" or said.status in (204, 304)
    assert is_kept == (said.end == "nothing" and has_end and not announces_in_vain)


EDITS = st.lists(
    st.tuples(
        st.integers(0, 2000),
        st.sampled_from([0, 1, 1, 2]),
        st.sampled_from(
            [
                b"",
                b"\r",
                b"\n",
                b"\0",
                b" ",
                b"\t",
                b":",
                b"0",
                b"1",
                b"f",
                b";",
                b"\r\n",
                b"\x80",
                b"+",
                b"-",
                b"x",
            ]
        ),
    ),
    min_size=1,
    max_size=3,
)


@given(said=answers("GET"), edits=EDITS, places=PLACES, is_reset=st.booleans())
def test_what_ours_takes_of_a_damaged_answer_aiohttp_reads_in_the_same_way(
    said: Said, edits: list[tuple[int, int, bytes]], places: list[int], is_reset: bool
) -> None:
    raw = said.raw
    for place, removed, put in edits:
        at = place % (len(raw) + 1)
        raw = raw[:at] + put + raw[at + removed :]
    pieces = cut(raw, places)
    end: End = "reset" if is_reset else "eof"
    ours, _ = of_wire(asks("POST"), pieces, end)
    if ours.body is None:
        return  # lost, whatever aiohttp makes of it
    theirs = of_library(asks("POST"), pieces, end)
    if theirs.body is not None:
        assert ours == theirs
    else:  # what follows an answer is garbage to aiohttp, which then loses the answer too
        whole, is_kept = of_wire(asks("POST"), [raw], "nothing")
        assert (whole, is_kept) == (ours, False)


OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"Content-Length: 2\r\n\r\n{}"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"\r\n2\r\n{}\r\n0\r\n\r\n"
STRICT = [
    pytest.param(b"HTTP/1.0 200 OK\r\n" + TWO, id="HTTP/1.0"),
    pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}\r\n\r\n", id="bare line feeds"),
    pytest.param(OK + b"A: b\r\n c\r\n" + TWO, id="a folded line"),
    pytest.param(OK + b"Content-Length : 2\r\n\r\n{}", id="a space before the colon"),
    pytest.param(OK + b"Content-Length: +2\r\n\r\n{}", id="a sign"),
    pytest.param(OK + b"Content-Length: 2, 2\r\n\r\n{}", id="a list of lengths"),
    pytest.param(OK + b"Content-Length: 2\r\n" + TWO, id="two equal lengths"),
    pytest.param(OK + b"Content-Length: 3\r\n" + TWO, id="two lengths"),
    pytest.param(OK + b"Content-Length: 2\r\n" + CHUNKED + CHUNKS, id="a length and a coding"),
    pytest.param(OK + b"Transfer-Encoding: gzip\r\n\r\n{}", id="another coding"),
    pytest.param(OK + b"Transfer-Encoding: gzip, chunked\r\n" + CHUNKS, id="two codings"),
    pytest.param(OK + CHUNKED + CHUNKED + CHUNKS, id="chunked twice"),
    pytest.param(OK + CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n", id="0x"),
    pytest.param(OK + CHUNKED + b"\r\n2\n{}\r\n0\r\n\r\n", id="a bare line feed"),
    pytest.param(OK + CHUNKED + b"\r\n2;a\nb\r\n{}\r\n0\r\n\r\n", id="one in an extension"),
    pytest.param(OK + CHUNKED + b"\r\n2 ;a\r\n{}\r\n0\r\n\r\n", id="a space in an extension"),
    pytest.param(OK + CHUNKED + b"\r\n2\r\n{}x\r\n0\r\n\r\n", id="a longer chunk"),
    pytest.param(OK + CHUNKED + b"\r\n" + b"0" * 16 + b"2\r\n{}\r\n0\r\n\r\n", id="many digits"),
    pytest.param(OK + CHUNKED + b"\r\n2;" + b"x" * 5000 + b"\r\n{}\r\n0\r\n\r\n", id="a long extension"),
    pytest.param(OK + CHUNKED + b"\r\n0\r\nno field\r\n\r\n", id="a trailer that is none"),
    pytest.param(OK + CHUNKED + b"\r\n0\r\n" + b"A: b\r\n" * 5000 + b"\r\n", id="a large trailer"),
    pytest.param(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="another protocol"),
    pytest.param(b"HTTP/1.1 100 X\r\n" + TWO, id="an interim answer with a body"),
    pytest.param(b"HTTP/1.1 20 OK\r\n" + TWO, id="a status of two digits"),
    pytest.param(b"\r\n" + OK + TWO, id="an empty line first"),
    pytest.param(OK + b"A: \0\r\n" + TWO, id="a NUL"),
    pytest.param(OK + b"A: b\rc\r\n" + TWO, id="a bare carriage return"),
    pytest.param(OK + b"no colon\r\n" + TWO, id="a line that is no field"),
    pytest.param(OK + b"A: b\r\n" * 129 + TWO, id="many fields"),
    pytest.param(OK + b"A: " + b"x" * 140_000 + b"\r\n" + TWO, id="a large head"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="another language"),
]


@pytest.mark.parametrize("raw", STRICT)
def test_what_two_parsers_could_read_differently_is_lost_and_its_connection_ends(raw: bytes) -> None:
    for size in (len(raw), 1 if len(raw) < 2000 else 5000):
        pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
        ours, is_kept = of_wire(asks(), pieces, "nothing")
        assert ours.body is None
        assert not is_kept
