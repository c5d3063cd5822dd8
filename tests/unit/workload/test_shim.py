"""What counts as what, and that the relay changes no byte."""

import asyncio
import contextlib

import pytest

from hapta.workload.shim import Counts, running_shim


@pytest.mark.parametrize(
    ("method", "target", "operations", "files", "kind"),
    [
        ("GET", "/api/collections/posts/records?page=1", 1, 0, "record_read"),
        ("GET", "/api/collections/posts/records/abc", 1, 0, "record_read"),
        ("PATCH", "/api/collections/posts/records/abc", 1, 0, "record_write"),
        ("POST", "/api/batch", 0, 0, "record_write"),
        ("GET", "/api/files/posts/abc/a.png?thumb=100x100", 0, 1, "file"),
        ("POST", "/api/collections/users/auth-with-password", 0, 0, "auth_answer"),
        ("GET", "/api/health", 0, 0, "health"),
        ("GET", "/api/collections?perPage=1000", 0, 0, "admin"),
        ("POST", "/api/realtime", 0, 0, "realtime_subscribe"),
        ("GET", "/%zz", 0, 0, "unknown"),
    ],
)
def test_a_request_is_counted_by_its_class(
    method: str, target: str, operations: int, files: int, kind: str
) -> None:
    counts = Counts()
    counts.request(method, target)
    assert (counts.requests, counts.record_operations, counts.file_requests) == (1, operations, files)
    assert counts.by_class == {kind: 1}


def test_the_realtime_stream_is_counted_apart() -> None:
    counts = Counts()
    counts.request("GET", "/api/realtime")
    assert (counts.requests, counts.streams, counts.by_class) == (0, 1, {})


def test_a_batch_counts_what_it_carries_and_a_difference_only_what_came_later() -> None:
    counts = Counts()
    counts.request("GET", "/api/health")
    earlier = counts.copy()
    counts.request("POST", "/api/batch")
    counts.batch(7)
    later = counts.since(earlier)
    assert (later.requests, later.record_operations, later.by_class) == (1, 7, {"record_write": 1})


async def test_bytes_pass_unchanged_both_ways_and_a_half_close_is_passed_on() -> None:
    sent = b"POST /api/x HTTP/1.1\r\nContent-Length: 600000\r\n\r\n" + bytes(range(250)) * 2400
    received = bytearray()

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            received.extend(data)
        writer.write(bytes(reversed(received)))  # only after the client's end was seen
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(upstream, "127.0.0.1", 0)
    async with server, running_shim(server.sockets[0].getsockname()[1]) as shim:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(shim.url.rpartition(":")[2]))
        writer.write(sent)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert bytes(received) == sent
        assert answer == bytes(reversed(sent))
        assert shim.counts.requests == 1


async def test_a_connection_nobody_takes_upstream_is_closed() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with running_shim(port) as shim:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(shim.url.rpartition(":")[2]))
        with pytest.raises((ConnectionError, EOFError)):
            await reader.readexactly(1)
        writer.close()
        with contextlib.suppress(ConnectionError):  # reported here or not, as the loop likes
            await writer.wait_closed()
