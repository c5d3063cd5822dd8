"""For whom the events of a stream are shaped: whoever PocketBase shows them to."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import pytest

from hapta.model.errors import UpstreamLost
from hapta.model.exchange import Answer, Exchange
from hapta.model.identity import Identity
from hapta.stages.bind import bind_streams
from hapta.stages.streams import EventStream, OpenStreams
from tests.support.exchanges import exchange

if TYPE_CHECKING:
    from hapta.upstream.client import UpstreamResponse

ADA, BEN = Identity("users", "ada", "token", "s1"), Identity("users", "ben", "token", "s2")


class Connected:
    """An upstream response that has told its client id."""

    def becomes_stream(self) -> None:
        """It is one."""

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b'id:client1\nevent:PB_CONNECT\ndata:{"clientId":"client1"}\n\n'

    def close(self) -> None:
        """It ends."""


@pytest.fixture
async def streams() -> OpenStreams:
    return OpenStreams(lambda _: None)


@pytest.fixture
async def stream(streams: OpenStreams) -> EventStream:
    opened = EventStream(cast("UpstreamResponse", Connected()), streams)
    assert [piece async for piece in opened.chunks()]
    return opened


async def subscribe(
    streams: OpenStreams, stream: EventStream, identity: Identity, status: int | None
) -> Identity | None:
    """Subscribe; returns whose the stream was while PocketBase was asked."""
    asked: list[Identity | None] = []

    async def forward(_: Exchange) -> Answer:
        asked.append(stream.identity)
        if status is None:
            raise UpstreamLost
        return Answer(status)

    one = exchange("POST", "/api/realtime", {"Content-Type": "application/json"}, b'{"clientId":"client1"}')
    one.identity = identity
    stage = bind_streams(streams, lambda _: False)
    if status is None:
        with pytest.raises(UpstreamLost):
            await stage(one, forward)
    else:
        await stage(one, forward)
    return asked[0]


async def test_a_stream_is_somebodys_before_pocketbase_answers(
    streams: OpenStreams, stream: EventStream
) -> None:
    assert stream.identity is None
    assert await subscribe(streams, stream, ADA, 204) is ADA
    assert stream.identity is ADA


async def test_what_pocketbase_refuses_changes_nothing(streams: OpenStreams, stream: EventStream) -> None:
    await subscribe(streams, stream, ADA, 400)
    assert stream.identity is None
    await subscribe(streams, stream, ADA, 204)
    await subscribe(streams, stream, BEN, 403)
    assert stream.identity is ADA


async def test_a_lost_answer_may_have_bound_a_guests_stream_and_no_others(
    streams: OpenStreams, stream: EventStream
) -> None:
    await subscribe(streams, stream, ADA, None)
    assert stream.identity is ADA
    await subscribe(streams, stream, BEN, None)
    assert stream.identity is ADA
