"""More than PocketBase can take: 503 quickly, lanes that starve nobody, slots that all come back."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.conftest import MakeHapta
from tests.faults.clients import ask, connection, request, reset, status_from
from tests.faults.test_upstream_breaks import assert_refusal
from tests.support.hapta import Hapta
from tests.support.process import wait_until
from tests.support.upstream_double import UpstreamDouble, chunk, chunked_head, response, says
from tests.support.wire import Reply, Wire

RECORDS = "/api/collections/posts/records"
BUSY = "The server is busy. Please try again shortly."
SLOTS, WAITING, MAX_WAIT_S = 2, 3, 0.5


@pytest.fixture(scope="module")
def narrow_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[UpstreamDouble, Hapta]]:
    """A Hapta that takes little at once."""
    settings = {
        "cache.is_enabled": False,  # readers who ask the same would wait for one request
        "upstream.max_connections": SLOTS,
        "upstream.max_transfers": 1,
        "upstream.max_waiting": WAITING,
        "upstream.max_wait_s": MAX_WAIT_S,
        "upstream.response_timeout_s": 2.0,
    }
    with ExitStack() as closing:
        double = closing.enter_context(UpstreamDouble())
        hapta = Hapta(tmp_path_factory.mktemp("hapta"), double.url, settings)
        closing.callback(hapta.stop)
        hapta.start()
        yield double, hapta


@pytest.fixture
def narrow(narrow_session: tuple[UpstreamDouble, Hapta]) -> Iterator[tuple[UpstreamDouble, Hapta]]:
    """After each test every slot is there again."""
    double, hapta = narrow_session
    double.forget()
    yield narrow_session
    double.forget()
    double.plan("GET", RECORDS, says(0.2, response()))
    with ThreadPoolExecutor(SLOTS) as pool:
        began = time.monotonic()
        replies = list(pool.map(lambda _: ask(hapta.url, "GET", RECORDS), range(SLOTS)))
    assert [reply.status for reply in replies] == [200] * SLOTS
    assert time.monotonic() - began < 0.35, "they did not run side by side: a slot is missing"
    assert ask(hapta.url, "GET", "/api/custom/free").status == 200


def timed(url: str, path: str) -> tuple[Reply, float]:
    began = time.monotonic()
    return ask(url, "GET", path), time.monotonic() - began


def test_when_the_line_is_full_the_next_is_503_at_once(narrow: tuple[UpstreamDouble, Hapta]) -> None:
    double, hapta = narrow
    double.plan("GET", RECORDS, says(0.3, response()))
    with ThreadPoolExecutor(SLOTS + WAITING) as pool:
        taken = [pool.submit(ask, hapta.url, "GET", RECORDS) for _ in range(SLOTS + WAITING)]
        time.sleep(0.15)
        reply, seconds = timed(hapta.url, RECORDS)
        assert_refusal(reply, 503, BUSY)
        assert reply.get("retry-after") == "1"
        assert seconds < 0.05
        statuses = [future.result().status for future in taken]
    assert statuses.count(200) >= SLOTS + 2
    assert set(statuses) <= {200, 503}


def test_who_waits_too_long_in_line_is_503_and_was_never_sent(narrow: tuple[UpstreamDouble, Hapta]) -> None:
    double, hapta = narrow
    double.plan("GET", RECORDS, says(1.0, response()))
    double.plan("DELETE", f"{RECORDS}/abcdefghijklmno", says(response()))
    with ThreadPoolExecutor(SLOTS) as pool:
        taken = [pool.submit(ask, hapta.url, "GET", RECORDS) for _ in range(SLOTS)]
        wait_until(lambda: double.count("GET", RECORDS) == SLOTS, "both under way")
        began = time.monotonic()
        assert_refusal(ask(hapta.url, "DELETE", f"{RECORDS}/abcdefghijklmno"), 503, BUSY)
        assert MAX_WAIT_S - 0.1 < time.monotonic() - began < MAX_WAIT_S + 0.2
        assert [future.result().status for future in taken] == [200] * SLOTS
    assert double.count("DELETE", f"{RECORDS}/abcdefghijklmno") == 0


def test_those_in_line_are_served_in_order(narrow: tuple[UpstreamDouble, Hapta]) -> None:
    double, hapta = narrow
    paths = [f"{RECORDS}/inline{n:09}" for n in range(SLOTS + WAITING)]
    for path in paths:
        double.plan("GET", path, says(0.15, response()))
    with ThreadPoolExecutor(len(paths)) as pool:
        futures = []
        for path in paths:
            futures.append(pool.submit(ask, hapta.url, "GET", path))
            time.sleep(0.02)
        assert [future.result().status for future in futures] == [200] * len(paths)
    arrived = [each.target for each in double.arrived if each.target in paths]
    assert arrived == paths


@pytest.mark.parametrize("path", ["/api/files/a/b/c.bin", "/api/custom/export", "/api/backups/x.zip"])
def test_a_slow_transfer_keeps_no_record_request_waiting(
    narrow: tuple[UpstreamDouble, Hapta], path: str
) -> None:
    double, hapta = narrow
    double.plan("GET", path, says(chunked_head("application/zip"), chunk(bytes(300_000)), 30.0))
    with Wire(hapta.url) as wire:
        wire.send(request("GET", path))
        wire.until(b"\r\n\r\n")
        for _ in range(5):
            reply, seconds = timed(hapta.url, RECORDS)
            assert reply.status == 200
            assert seconds < 0.1
        assert_refusal(ask(hapta.url, "GET", "/api/files/a/b/d.bin"), 503, BUSY)


def test_one_client_that_hardly_reads_its_downloads_leaves_some_for_others(make_hapta: MakeHapta) -> None:
    with ExitStack() as closing:
        double = closing.enter_context(UpstreamDouble())
        hapta = make_hapta(upstream=double.url, upstream__max_transfers=4, upstream__max_wait_s=0.3)
        double.plan("GET", "/big", says(chunked_head("text/plain"), chunk(bytes(300_000)), 30.0))
        for _ in range(6):
            greedy = closing.enter_context(connection(hapta.url, receive_buffer=4096))
            greedy.sendall(request("GET", "/big"))
        wait_until(lambda: double.count("GET", "/big") == 3, "three quarters are taken")
        assert status_from("127.0.0.2", hapta.url, "/index.html") == 200
        assert_refusal(ask(hapta.url, "GET", "/index.html"), 503, BUSY)


def test_event_streams_take_no_slot_of_either(narrow: tuple[UpstreamDouble, Hapta]) -> None:
    double, hapta = narrow
    head = chunked_head("text/event-stream") + chunk(b"data:1\n\n")
    double.plan("GET", "/api/realtime", says(head, then="stall"))
    double.plan("GET", "/api/custom/events", says(head, then="stall"))
    with ExitStack() as closing:
        for path in ["/api/realtime", "/api/custom/events"] * 10:
            wire = closing.enter_context(Wire(hapta.url))
            wire.send(request("GET", path))
            wire.until(b"data:1\n\n")
        assert ask(hapta.url, "GET", RECORDS).status == 200
        assert ask(hapta.url, "GET", "/api/custom/free").status == 200


@pytest.mark.parametrize("path", [RECORDS, "/api/custom/thing"])
def test_requests_that_break_in_every_way_give_their_slots_back(
    narrow: tuple[UpstreamDouble, Hapta], path: str
) -> None:
    double, hapta = narrow
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + bytes(400_000)
    ways = [
        says(then="reset"),
        says(b"HTTP/1.1 200 O", then="close"),
        says(half, then="close"),
        says(half, then="reset"),
        says(chunked_head(), chunk(bytes(400_000)), b"zz\r\n", then="stall"),
        says(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        says(response(b"", 204)),
        says(response(b"", 304)),
        says(response(bytes(600_000))),
    ]
    for way in ways * 2:
        double.plan("GET", path, way)
        with connection(hapta.url) as raw:
            raw.sendall(request("GET", path, "Connection: close"))
            assert raw.recv(12)
            reset(raw)
        double.plan("POST", path, way)
        with connection(hapta.url) as raw:
            raw.sendall(request("POST", path, "Connection: close", body=bytes(200_000)))
            reset(raw)
    double.forget()
    assert ask(hapta.url, "GET", path).status == 200


def test_clients_that_leave_the_line_leave_their_place(narrow: tuple[UpstreamDouble, Hapta]) -> None:
    double, hapta = narrow
    double.plan("GET", RECORDS, says(0.3, response()))
    with ExitStack() as closing:
        for _ in range(SLOTS + WAITING):
            raw = closing.enter_context(connection(hapta.url))
            raw.sendall(request("GET", RECORDS))
        time.sleep(0.05)
    time.sleep(0.7)
    assert ask(hapta.url, "GET", RECORDS).status == 200
