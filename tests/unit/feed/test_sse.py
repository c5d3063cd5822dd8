"""hapta.feed.sse against the grammar of the HTML standard, section 9.2.6, cut at every place."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.feed.sse import EventTooLarge, SseEvent, SseParser

CONNECT = b'id:abc\nevent:PB_CONNECT\ndata:{"clientId":"abc"}\n\n'
PIECES = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b":", b" ", b"data", b"event", b"id", b"retry", b"\0", b"\xef\xbb\xbf", b"x",
     b"data: a", b"data:b\n", b"event:E\r\n", b"id:7\r", b"\n\n", b"\r\n\r\n", "é".encode(), b"\xff", b":c\n"]
)  # fmt: skip
STREAMS = st.lists(PIECES, max_size=40).map(b"".join)


def by_the_standard(stream: bytes) -> list[tuple[str, str, str]]:
    """Name, data and last id of each event, read from the whole stream at once, as the standard words it."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = re.split(r"\r\n|\n|\r", text)[:-1]
    events, data, name, last_id = [], "", "", ""
    for line in lines:
        if line == "":
            if data:
                events.append((name or "message", data.removesuffix("\n"), last_id))
            data, name = "", ""
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data += value + "\n"
            elif field == "id" and "\0" not in value:
                last_id = value
    return events


def parsed(pieces: list[bytes]) -> list[tuple[str, str, str]]:
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return [(event.name, event.data.decode("utf-8", "replace"), event.id) for event in events]


def test_an_event_of_pocketbase_is_read() -> None:
    assert SseParser().feed(CONNECT) == [SseEvent("PB_CONNECT", b'{"clientId":"abc"}', "abc")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_any_line_end_cut_at_any_two_places_gives_the_same_events(end: bytes) -> None:
    stream = (
        b"\xef\xbb\xbf: hello\n" + CONNECT + b"data: a\ndata:  b\ndata\n\nevent:x\n\n" + CONNECT
    ).replace(b"\n", end)
    whole = parsed([stream])
    assert [event[1] for event in whole] == ['{"clientId":"abc"}', "a\n b\n", '{"clientId":"abc"}']
    for first in range(len(stream) + 1):
        assert parsed([stream[:first], stream[first:]]) == whole
        second = min(len(stream), first + 1)
        assert parsed([stream[:first], stream[first:second], stream[second:]]) == whole


@given(STREAMS, st.lists(st.integers(0, 400), max_size=8))
def test_however_it_is_cut_a_stream_is_read_as_the_standard_reads_it(stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert parsed(pieces) == by_the_standard(stream)


@given(STREAMS)
def test_byte_by_byte_is_read_like_whole(stream: bytes) -> None:
    assert parsed([bytes([byte]) for byte in stream]) == by_the_standard(stream)


def test_an_event_as_large_as_the_bound_is_read() -> None:
    parser = SseParser(max_event_bytes=1000)
    assert parser.feed(b"data:" + b"x" * 995) == []
    assert [event.data for event in parser.feed(b"\n\n")] == [b"x" * 995]


@pytest.mark.parametrize(
    "piece",
    [b"x" * 100, b"data:" + b"x" * 95 + b"\n", b"data:\n" * 20],
    ids=["no end", "lines", "empty lines"],
)
def test_an_event_larger_than_the_bound_is_refused(piece: bytes) -> None:
    parser = SseParser(max_event_bytes=1000)

    def send() -> None:
        for _ in range(60):
            parser.feed(piece)

    with pytest.raises(EventTooLarge):
        send()


def test_comments_and_unknown_fields_of_a_long_life_are_not_held() -> None:
    parser = SseParser(max_event_bytes=1000)
    for _ in range(1000):
        assert parser.feed(b": keep-alive\nretry: 5\nfoo: bar\n") == []
    assert parser.feed(b"data:1\n\n") == [SseEvent("message", b"1", "")]


def test_long_lines_in_small_pieces_cost_their_length_not_its_square() -> None:
    parser = SseParser()
    parser.feed(b"data:")
    for _ in range(200_000):  # 3.2 MB; its square would take minutes
        parser.feed(b"0123456789abcdef")
    assert [len(event.data) for event in parser.feed(b"\n\n")] == [3_200_000]
