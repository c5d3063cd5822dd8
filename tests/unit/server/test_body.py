"""The body of a request while it arrives: above the floor, in order, and asked for when it is wanted."""

import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import TransferEncodingError
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestPayloadError

from hapta.model.clock import Clock, SystemClock
from hapta.model.errors import BadFraming, BodyTooSlow
from hapta.model.exchange import ClientGone
from hapta.model.tasks import TaskSet
from hapta.server.body import IncomingBody

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

    from hapta.server.protocol import Connection


class Client:
    """The other end: what it sends, and what it was told."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        protocol = BaseProtocol(loop)
        protocol.transport = asyncio.Transport()  # what counts as connected
        self.content = StreamReader(protocol, 2**16, loop=loop)
        self.is_gone = False
        self.continues = 0

    def send_continue(self) -> None:
        self.continues += 1

    def body(
        self,
        *,
        length: int | None = None,
        expects_continue: bool = False,
        min_bytes_per_s: int = 1000,
        grace_s: float = 0.05,
        clock: Clock | None = None,
    ) -> IncomingBody:
        return IncomingBody(
            cast("BaseRequest", self),
            cast("Connection", self),
            length,
            expects_continue=expects_continue,
            min_bytes_per_s=min_bytes_per_s,
            grace_s=grace_s,
            clock=clock or SystemClock(),
        )


async def whole(body: IncomingBody) -> bytes:
    return b"".join([piece async for piece in body.chunks()])


async def test_pieces_come_as_they_arrive_and_are_counted() -> None:
    client = Client()
    body = client.body(length=6)
    client.content.feed_data(b"one")
    pieces = body.chunks()
    assert await anext(pieces) == b"one"
    client.content.feed_data(b"two")
    client.content.feed_eof()
    assert [piece async for piece in pieces] == [b"two"]
    assert (body.received_bytes, body.length) == (6, 6)
    assert client.continues == 0


async def test_a_client_that_waits_to_be_asked_is_asked_once_and_only_when_its_body_is_wanted() -> None:
    client = Client()
    body = client.body(expects_continue=True)
    client.content.feed_data(b"x")
    client.content.feed_eof()
    pieces = body.chunks()
    assert client.continues == 0
    assert [piece async for piece in pieces] == [b"x"]
    assert client.continues == 1


async def test_a_silent_client_is_too_slow_after_the_grace() -> None:
    with pytest.raises(BodyTooSlow):
        await whole(Client().body(grace_s=0.02))


async def test_a_client_that_drips_is_too_slow_though_it_is_never_silent() -> None:
    client, tasks = Client(), TaskSet()

    async def drip() -> None:
        while True:
            client.content.feed_data(b"x")
            await asyncio.sleep(0.01)

    tasks.spawn(drip(), name="drip")
    body = client.body(min_bytes_per_s=10_000, grace_s=0.08)
    with pytest.raises(BodyTooSlow):
        await asyncio.wait_for(whole(body), 5)
    assert 1 < body.received_bytes < 100
    await tasks.cancel()


async def test_what_was_sent_fast_may_be_followed_by_a_pause_but_no_longer_than_the_grace() -> None:
    client, tasks = Client(), TaskSet()

    async def send() -> None:
        client.content.feed_data(b"x" * 1000)
        for _ in range(4):
            await asyncio.sleep(0.06)
            client.content.feed_data(b"y")

    tasks.spawn(send(), name="send")
    body = client.body(min_bytes_per_s=1000, grace_s=0.2)
    with pytest.raises(BodyTooSlow):
        await whole(body)
    assert body.received_bytes == 1004
    await tasks.cancel()


async def test_time_in_which_nobody_asked_for_the_next_piece_is_not_the_clients() -> None:
    client, tasks = Client(), TaskSet()
    body = client.body(min_bytes_per_s=1000, grace_s=0.1)
    client.content.feed_data(b"a")
    pieces = body.chunks()
    assert await anext(pieces) == b"a"
    await asyncio.sleep(0.25)  # PocketBase takes its time with the first piece

    async def send() -> None:
        await asyncio.sleep(0.02)
        client.content.feed_data(b"b")
        client.content.feed_eof()

    tasks.spawn(send(), name="send")
    assert [piece async for piece in pieces] == [b"b"]
    await tasks.cancel()


async def test_without_a_floor_nobody_is_too_slow() -> None:
    client, tasks = Client(), TaskSet()

    async def send() -> None:
        await asyncio.sleep(0.05)
        client.content.feed_data(b"late")
        client.content.feed_eof()

    tasks.spawn(send(), name="send")
    assert await whole(client.body(min_bytes_per_s=0, grace_s=0.01)) == b"late"
    await tasks.cancel()


@pytest.mark.parametrize(
    ("error", "is_gone", "becomes"),
    [
        pytest.param(RequestPayloadError("cut"), True, ClientGone, id="cut off by leaving"),
        pytest.param(RequestPayloadError("bad chunk"), False, BadFraming, id="broken chunk"),
        pytest.param(TransferEncodingError("bad chunk"), False, BadFraming, id="broken coding"),
        pytest.param(ConnectionResetError("reset"), False, ClientGone, id="reset"),
    ],
)
async def test_what_breaks_a_body_has_a_name(
    error: Exception, is_gone: bool, becomes: type[Exception]
) -> None:
    client = Client()
    client.is_gone = is_gone
    client.content.feed_data(b"half")
    client.content.set_exception(error)
    with pytest.raises(becomes):
        await whole(client.body())


async def test_what_is_here_is_taken_without_a_look_at_the_clock() -> None:
    class Stopped(SystemClock):
        def monotonic(self) -> float:
            raise AssertionError("there was something to wait for")

    client = Client()
    client.content.feed_data(b"whole")
    client.content.feed_eof()
    assert await whole(client.body(length=5, clock=Stopped())) == b"whole"
