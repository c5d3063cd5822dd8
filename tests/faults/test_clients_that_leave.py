"""A client that leaves: a write half sent never happens, a write under way happens once, nothing is left."""

import socket
import time
from contextlib import suppress

import pytest

from tests.faults.clients import ask, connection, everything, request, reset, upload
from tests.faults.conftest import Watched
from tests.support.process import wait_until
from tests.support.upstream_double import response, says
from tests.support.wire import Wire

RECORDS = "/api/collections/posts/records"
CUSTOM = "/api/custom/upload"
HALF = b'{"title":"complete JSON, cut in the middle of its body"}'


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", RECORDS), ("PATCH", f"{RECORDS}/abcdefghijklmno"), ("POST", "/api/batch")],
)
def test_of_a_record_write_whose_client_leaves_mid_upload_pocketbase_sees_nothing(
    watched: Watched, method: str, path: str, how: str
) -> None:
    with connection(watched.url) as raw:
        raw.sendall(upload(method, path, 5_000_000) + HALF)
        time.sleep(0.05)
        leave(raw, how)
        watched.gauges.wait_for("open_connections", 0)
    assert watched.double.count(method, path) == 0
    made = watched.double.connections_made
    assert ask(watched.url, "GET", RECORDS).status == 200
    assert watched.double.connections_made <= made + 1


@pytest.mark.parametrize("sent", [100, 3_000_000])
def test_the_spooled_half_of_a_body_is_given_back(watched: Watched, sent: int) -> None:
    with connection(watched.url) as raw:
        raw.sendall(upload("POST", RECORDS, 5_000_000) + bytes(sent))
        watched.gauges.wait_for("spooled_bytes", sent)
    watched.gauges.wait_for("spooled_bytes", 0)


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
def test_a_streamed_upload_whose_client_leaves_is_broken_off_upstream_too(watched: Watched, how: str) -> None:
    watched.double.plan("POST", CUSTOM, says(response()))
    with connection(watched.url) as raw:
        raw.sendall(upload("POST", CUSTOM, 5_000_000) + bytes(100_000))
        wait_until(lambda: watched.double.open_connections > 0, "the upload reaches PocketBase")
        time.sleep(0.1)
        before = watched.double.open_connections
        leave(raw, how)
        wait_until(lambda: watched.double.open_connections < before, "it ends there", 1.0)
    assert watched.double.count("POST", CUSTOM) == 0


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "GET"])
def test_a_request_under_way_is_finished_once_though_its_client_left(
    watched: Watched, method: str, how: str
) -> None:
    path = RECORDS if method == "POST" else f"{RECORDS}/abcdefghijklmno"
    watched.double.plan(method, path, says(0.15, response()))
    made = watched.double.connections_made
    with connection(watched.url) as raw:
        body = None if method in ("GET", "DELETE") else HALF
        raw.sendall(request(method, path, "Content-Type: application/json", body=body))
        wait_until(lambda: watched.double.count(method, path) == 1, "it arrives")
        leave(raw, how)
        watched.gauges.wait_for("open_connections", 0)
    time.sleep(0.2)
    assert watched.double.count(method, path) == 1
    open_before = watched.double.open_connections
    assert ask(watched.url, "GET", RECORDS).status == 200
    assert watched.double.open_connections == open_before, "its connection was not finished normally"
    assert watched.double.connections_made <= made + 1


@pytest.mark.parametrize("path", [RECORDS, "/api/files/a/b/c.bin", "/api/custom/download"])
def test_a_client_that_closes_only_its_sending_half_is_answered_and_the_connection_then_closed(
    watched: Watched, path: str
) -> None:
    watched.double.plan("GET", path, says(0.2, response(bytes(3_000_000))))
    with connection(watched.url) as raw:
        raw.sendall(request("GET", path) * 2)
        raw.shutdown(socket.SHUT_WR)
        received, was_cut = everything(raw)
    assert not was_cut
    assert len(received) > 6_000_000
    assert watched.double.count("GET", path) == 2


def test_a_client_that_connects_and_closes_at_once_is_gone_at_once(watched: Watched) -> None:
    for _ in range(50):
        with connection(watched.url) as raw:
            raw.shutdown(socket.SHUT_WR)
            assert everything(raw) == (b"", False)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("path", ["/api/files/a/b/c.bin", "/api/custom/download"])
def test_a_download_nobody_reads_any_more_ends_upstream_too(watched: Watched, path: str, how: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    watched.double.plan("GET", path, says(head, *[bytes(100_000)] * 1000))
    with connection(watched.url, receive_buffer=4096) as raw:
        raw.sendall(request("GET", path))
        assert raw.recv(1000)
        before = watched.double.open_connections
        leave(raw, how)
    wait_until(lambda: watched.double.open_connections < before, "it ends there", 1.0)


def test_a_client_that_leaves_between_pipelined_requests_had_all_it_sent_done_at_most_once(
    watched: Watched,
) -> None:
    paths = [f"{RECORDS}/pipelined{n:06}" for n in range(5)]
    for path in paths:
        watched.double.plan("DELETE", path, says(0.05, response()))
    with connection(watched.url) as raw:
        raw.sendall(b"".join(request("DELETE", path) for path in paths))
        wait_until(lambda: watched.double.count("DELETE", paths[0]) == 1, "the first arrives")
        reset(raw)
    watched.gauges.wait_for("open_connections", 0)
    time.sleep(0.3)
    assert max(watched.double.count("DELETE", path) for path in paths) == 1


def test_a_hundred_clients_that_leave_at_every_stage_leave_nothing(watched: Watched) -> None:
    watched.double.plan("GET", "/api/custom/slow", says(0.05, response(bytes(2_000_000))))
    message = upload("POST", RECORDS, 50_000) + bytes(50_000)
    for n in range(100):
        with connection(watched.url) as raw:
            if n % 2:
                raw.sendall(message[: n * 500])
            else:
                raw.sendall(request("GET", "/api/custom/slow"))
                time.sleep(n / 4000)
            leave(raw, "reset" if n % 3 else "close")


def test_the_rest_of_a_refused_upload_is_not_the_next_request(watched: Watched) -> None:
    smuggled = request("DELETE", f"{RECORDS}/smuggled0000000")
    with Wire(watched.url) as wire:
        wire.send(upload("POST", RECORDS, 5_000_000_000))
        assert wire.reply().status == 413
        wire.send(smuggled)
        time.sleep(0.2)
    assert watched.double.count("DELETE", f"{RECORDS}/smuggled0000000") == 0


def leave(raw: socket.socket, how: str) -> None:
    """As a browser tab closes, as a crash cuts, or only telling that nothing more is sent."""
    if how == "close":
        raw.close()
    elif how == "reset":
        reset(raw)
    else:
        with suppress(OSError):  # the other side was faster
            raw.shutdown(socket.SHUT_WR)
