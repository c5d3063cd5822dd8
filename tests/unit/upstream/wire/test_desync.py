"""An answer reaches whoever asked for it and nobody else: when a connection carries another request, and when
it does not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hapta.model.errors import UpstreamLost
from hapta.upstream.messages import MAX_HEAD_BYTES, READ_BYTES
from tests.unit.upstream.wire.world import LOST, Outcome, asks, fed, library, outcome, sent, wire

OK = b"HTTP/1.1 200 OK\r\n"
TWO = OK + b"Content-Length: 2\r\n\r\n{}"
SIX = b"Content-Length: 6\r\n\r\n"
FORGED = OK + SIX + b"forged"


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_connection_carries_one_request_after_another() -> None:
    async with wire() as (client, pool):
        for count in range(1, 4):
            got = await fed(client, pool.lines, asks(), [TWO], "nothing")
            assert got.body == b"{}"
            assert (len(pool.lines), pool.idle) == (1, 1)
            assert pool.lines[0].written.count(b"GET /api/x HTTP/1.1\r\n") == count


@pytest.mark.parametrize(
    ("method", "said"),
    [
        pytest.param("GET", [TWO + FORGED], id="a second answer with the first"),
        pytest.param("GET", [TWO, FORGED], id="a second answer after the first"),
        pytest.param("GET", [TWO + b"\n"], id="one byte too many"),
        pytest.param("GET", [OK + b"Content-Length: 0\r\n\r\n" + FORGED], id="behind an empty body"),
        pytest.param(
            "GET",
            [OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", FORGED],
            id="behind the last chunk",
        ),
        pytest.param("HEAD", [OK + SIX, b"forged"], id="a body in answer to HEAD"),
        pytest.param(
            "GET", [b"HTTP/1.1 204 X\r\nContent-Length: 6\r\n\r\n", b"forged"], id="a body of a 204"
        ),
        pytest.param(
            "GET", [b"HTTP/1.1 304 X\r\nContent-Length: 6\r\n\r\n", b"forged"], id="a body of a 304"
        ),
        pytest.param("GET", [OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"], id="it says close"),
        pytest.param("GET", [OK + b"Connection: x, Close\r\nContent-Length: 0\r\n\r\n"], id="among others"),
    ],
)
async def test_after_an_answer_that_is_not_all_there_was_the_next_request_has_another_connection(
    method: str, said: list[bytes]
) -> None:
    async with wire() as (client, pool):
        first = await fed(client, pool.lines, asks(method), said, "nothing")
        assert first.status in (200, 204, 304)
        assert b"forged" not in (first.body or b"")
        await settle()
        assert pool.idle == 0
        assert pool.lines[0].is_closing()
        asking = asyncio.ensure_future(client.exchange(asks()))
        line = await sent(pool.lines, 2)
        line.feed(TWO)
        assert (await outcome(await asking)).body == b"{}"


async def test_bytes_that_nobody_asked_for_end_an_idle_connection_even_before_the_loop_tells() -> None:
    async with wire() as (client, pool):
        await fed(client, pool.lines, asks(), [TWO], "nothing")
        pool.sockets[1].send(FORGED)
        asking = asyncio.ensure_future(client.exchange(asks()))
        line = await sent(pool.lines, 2)
        assert pool.lines[0].is_closing()
        line.feed(TWO)
        assert (await outcome(await asking)).body == b"{}"


async def test_a_connection_that_was_closed_while_it_was_idle_carries_no_write() -> None:
    async with wire() as (client, pool):
        await fed(client, pool.lines, asks(), [TWO], "nothing")
        pool.sockets[1].close()
        asking = asyncio.ensure_future(client.exchange(asks("POST", b"{}")))
        line = await sent(pool.lines, 2)
        assert b"POST" not in pool.lines[0].written
        line.feed(TWO)
        assert (await outcome(await asking)).body == b"{}"


async def test_an_answer_nobody_reads_on_ends_its_connection() -> None:
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(asks()))
        line = await sent(pool.lines)
        line.feed(OK + b"Content-Length: 100\r\n\r\nhalf")
        response = await asking
        response.close()
        response.close()
        assert line.is_closing()
        assert pool.idle == 0
        with pytest.raises(UpstreamLost):
            await response.read()


async def test_whoever_gives_up_waiting_ends_the_connection() -> None:
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(asks("POST", b"{}")))
        line = await sent(pool.lines)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert line.is_closing()


async def test_an_answer_while_the_request_is_not_out_is_passed_on_and_ends_the_connection() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10
            await asyncio.sleep(0)

    async with wire() as (client, pool):
        got = await fed(client, pool.lines, asks("POST", endless()), [TWO], "nothing")
        assert got.body == b"{}"
        await settle()
        assert pool.lines[0].is_closing()
        assert b"\r\n0\r\n" not in pool.lines[0].written
        assert not len(client._uploads)


async def test_an_answer_while_the_request_is_in_the_buffer_still_ends_the_connection() -> None:
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(asks("POST", b"{}")))
        line = await sent(pool.lines)
        line.unsent = 1
        line.feed(TWO)
        assert (await outcome(await asking)).body == b"{}"
        assert line.is_closing()


async def test_an_upload_that_breaks_off_never_looks_complete() -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"{}"
        raise ValueError("left")

    async with wire() as (client, pool):
        for fields in ({}, {"Content-Length": "2"}, {"Content-Length": "3"}):
            with pytest.raises(UpstreamLost):
                await client.exchange(asks("POST", breaks(), **fields))
            assert pool.lines[-1].is_closing()
            assert b"0\r\n\r\n" not in pool.lines[-1].written.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("announced", ["1", "3"])
async def test_a_body_of_another_length_than_was_announced_is_never_sent_whole(announced: str) -> None:
    async def two() -> AsyncIterator[bytes]:
        yield b"{}"

    async with wire() as (client, pool):
        with pytest.raises(UpstreamLost):
            await client.exchange(asks("POST", two(), **{"Content-Length": announced}))
        body = pool.lines[0].written.partition(b"\r\n\r\n")[2]
        assert len(body) != int(announced)


@pytest.mark.parametrize(
    ("method", "body", "times"),
    [("GET", None, 2), ("HEAD", None, 2), ("POST", b"{}", 1), ("DELETE", None, 1), ("GET", b"{}", 1)],
)
async def test_only_a_read_without_body_is_sent_again_and_only_once(
    method: str, body: bytes | None, times: int
) -> None:
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(asks(method, body)))
        for count in range(1, times + 1):
            (await sent(pool.lines, count)).end("eof")
        with pytest.raises(UpstreamLost):
            await asking
        assert len(pool.lines) == times


async def test_a_read_is_not_sent_again_once_its_answer_has_begun() -> None:
    async with wire() as (client, pool):
        got = await fed(client, pool.lines, asks(), [OK + b"Content-Length: 9\r\n\r\n{"], "reset")
        assert got == Outcome(200, ((b"Content-Length", b"9"),))
        assert await fed(client, pool.lines, asks("POST"), [], "reset") == LOST
        assert len(pool.lines) == 2


async def test_more_than_anybody_reads_waits_at_the_server() -> None:
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(asks()))
        line = await sent(pool.lines)
        line.feed(OK + b"Content-Length: %d\r\n\r\n" % (3 * READ_BYTES))
        response = await asking
        line.feed(bytes(READ_BYTES))
        assert line.is_paused
        pieces = response.chunks()
        assert len(await anext(pieces)) == READ_BYTES
        assert not line.is_paused
        line.feed(bytes(READ_BYTES))
        line.feed(bytes(READ_BYTES))
        assert sum([len(piece) async for piece in pieces]) == 2 * READ_BYTES
        assert pool.idle == 0, "it was paused when its last byte came"


async def test_silence_has_a_deadline_before_the_head_and_between_two_pieces() -> None:
    async with wire() as (client, pool):
        with pytest.raises(UpstreamLost):
            await client.exchange(replace(asks(), answer_s=0.01))
        assert pool.lines[0].is_closing()
        asking = asyncio.ensure_future(client.exchange(replace(asks(), between_s=0.01)))
        (await sent(pool.lines, 2)).feed(OK + b"Content-Length: 2\r\n\r\n{")
        with pytest.raises(UpstreamLost):
            await (await asking).read()
        assert pool.lines[1].is_closing()


async def test_a_head_that_comes_byte_by_byte_has_no_more_time_than_one_that_comes_at_once() -> None:
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(replace(asks("POST"), answer_s=0.05)))
        line = await sent(pool.lines)
        for byte in OK * 1000:
            if line.is_closing():
                break
            line.feed(bytes([byte]))
            await asyncio.sleep(0.005)
        with pytest.raises(UpstreamLost):
            await asking


async def test_a_large_body_in_one_piece_with_the_end_of_its_head_is_no_large_head() -> None:
    body = bytes(2 * MAX_HEAD_BYTES)
    head = OK + b"Content-Length: %d\r\n\r\n" % len(body)
    async with wire() as (client, pool):
        got = await fed(client, pool.lines, asks(), [head[:-1], head[-1:] + body], "nothing")
        assert (got.status, got.body) == (200, body)


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_interim_answers_have_an_end(in_pieces: bool) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    async with wire() as (client, pool):
        few = [interim] * 10 if in_pieces else [interim * 10]
        assert (await fed(client, pool.lines, asks(), [*few, TWO], "nothing")).body == b"{}"
        assert pool.idle == 1, "each request has its own count"
        assert (await fed(client, pool.lines, asks(), [*few, *few, *few, TWO], "nothing")).body == b"{}"
        many = [interim] * 100 if in_pieces else [interim * 100]
        assert await fed(client, pool.lines, asks(), [*many, TWO], "nothing") == LOST
        assert pool.lines[0].is_closing()


async def test_a_stream_waits_for_ever_once_it_is_one() -> None:
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(replace(asks(), between_s=0.01)))
        line = await sent(pool.lines)
        line.feed(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        response = await asking
        response.becomes_stream()
        pieces = response.chunks()
        assert await anext(pieces) == b"a"
        await asyncio.sleep(0.03)
        line.feed(b"1\r\nb\r\n")
        assert await anext(pieces) == b"b"
        response.close()
        with pytest.raises(UpstreamLost):
            await anext(pieces)


async def test_of_a_body_of_unknown_length_the_beginning_comes_in_one_piece() -> None:
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(asks()))
        line = await sent(pool.lines)
        line.feed(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        beginning = asyncio.ensure_future((await asking).beginning())
        for _ in range(3):
            line.feed(b"1\r\nb\r\n")
            await settle()
            assert not beginning.done()
        line.feed(b"0\r\n\r\n")
        assert await beginning == (b"abbb", True)
        assert pool.idle == 1


async def test_a_body_larger_than_what_is_held_goes_on_behind_its_beginning() -> None:
    chunk = b"%x\r\n%s\r\n" % (READ_BYTES, bytes(READ_BYTES))
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(asks()))
        line = await sent(pool.lines)
        line.feed(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        response = await asking
        beginning, is_whole = await response.beginning()
        assert (len(beginning), is_whole) == (READ_BYTES, False)
        line.feed(b"1\r\nb\r\n0\r\n\r\n")
        assert [piece async for piece in response.chunks()] == [b"b"]


async def test_a_beginning_that_breaks_off_is_lost_and_gives_the_slot_back() -> None:
    given_back = []
    async with wire() as (client, pool):
        asking = asyncio.ensure_future(client.exchange(asks()))
        line = await sent(pool.lines)
        line.feed(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        response = await asking
        response.holds(lambda: given_back.append(True))
        line.end("eof")
        with pytest.raises(UpstreamLost):
            await response.beginning()
    assert given_back == [True]


async def test_both_clients_begin_a_body_in_the_same_way() -> None:
    raw = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    async with wire() as (ours, pool), library() as (theirs, lines):
        for client, made in ((ours, pool.lines), (theirs, lines)):
            asking = asyncio.ensure_future(client.exchange(asks()))
            (await sent(made)).feed(raw)
            assert await (await asking).beginning() == (b"{}", True)
