"""Open event streams: registered, ended politely, never in the middle of an event."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, cast

import pytest

from hapta.model.errors import UpstreamLost
from hapta.stages.streams import RETRY_HINT, EventStream, OpenStreams

if TYPE_CHECKING:
    from hapta.upstream.client import UpstreamResponse


class Events:
    """Answers as an upstream response; its connection breaks after the last piece if it does not end."""

    def __init__(self, *pieces: bytes, ends: bool = False) -> None:
        self._pieces = pieces
        self._ends = ends
        self.is_stream = False
        self.closed = 0
        self.before_break: Callable[[], None] = lambda: None

    def becomes_stream(self) -> None:
        self.is_stream = True

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if not self._ends:
            self.before_break()
            raise UpstreamLost

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def counts() -> list[int]:
    return []


@pytest.fixture
def streams(counts: list[int]) -> OpenStreams:
    return OpenStreams(counts.append)


def opened(events: Events, streams: OpenStreams) -> EventStream:
    return EventStream(cast("UpstreamResponse", events), streams)


async def read(stream: EventStream) -> list[bytes]:
    return [piece async for piece in stream.chunks()]


async def test_a_stream_is_counted_from_its_beginning_to_its_end(
    streams: OpenStreams, counts: list[int]
) -> None:
    first, second = Events(ends=True), Events(ends=True)
    one, two = opened(first, streams), opened(second, streams)
    assert (first.is_stream, len(streams)) == (True, 2)
    for stream in (one, one, two):
        stream.abort()
    assert counts == [1, 2, 1, 1, 0]
    assert (first.closed, second.closed) == (2, 1)


async def test_events_pass_and_pocketbases_own_end_is_an_ordinary_one(streams: OpenStreams) -> None:
    assert await read(opened(Events(b"data:1\n\n", b"data:", b"2\n\n", ends=True), streams)) == [
        b"data:1\n\n",
        b"data:",
        b"2\n\n",
    ]


async def test_a_connection_that_breaks_is_an_error(streams: OpenStreams) -> None:
    with pytest.raises(UpstreamLost):
        await read(opened(Events(b"data:1\n\n"), streams))


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((), id="nothing sent yet"),
        pytest.param((b"data:1\n\n",), id="after an event"),
        pytest.param((b"data:1\r\n\r\n",), id="after an event, other line ends"),
        pytest.param((b"data:1\n", b"\n"), id="after one in two pieces"),
        pytest.param((b"data:1\r", b"\n\r", b"\n"), id="after one in three"),
    ],
)
async def test_when_we_end_it_between_two_events_it_says_when_to_come_back(
    streams: OpenStreams, pieces: tuple[bytes, ...]
) -> None:
    events = Events(*pieces)
    stream = opened(events, streams)
    events.before_break = streams.end_all
    assert await read(stream) == [*pieces, RETRY_HINT]
    assert events.closed == 1


@pytest.mark.parametrize("half", [b"data:{", b"data:1\n", b"event:x\ndata:1\n", b"\n"])
async def test_when_we_end_it_within_an_event_nothing_is_added(streams: OpenStreams, half: bytes) -> None:
    events = Events(b"data:0\n\n", b"event:x\n" + half if half != b"\n" else b"x\n")
    stream = opened(events, streams)
    events.before_break = streams.end_all
    assert RETRY_HINT not in await read(stream)
