"""Clients that take their time or take up room: deadlines, floors and caps, and the others notice nothing."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.conftest import MakeHapta
from tests.faults.clients import ask, connection, everything, request, status_from, upload
from tests.faults.conftest import Watched
from tests.faults.gauges import Gauges
from tests.support.hapta import Hapta
from tests.support.process import free_port
from tests.support.upstream_double import UpstreamDouble, response, says
from tests.support.wire import Wire

RECORDS = "/api/collections/posts/records"
BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"


def seconds_until_closed(wire: Wire, drip: bytes, every_s: float = 0.1, at_most_s: float = 5.0) -> float:
    """Sends ``drip`` byte by byte, from the beginning again when it is over, until the server closes."""
    began = time.monotonic()
    n = 0
    while time.monotonic() - began < at_most_s and not wire.is_closed:
        wire.send(drip[n % len(drip) : n % len(drip) + 1])
        n += 1
        if wire.is_closed_within(every_s):
            break
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("beginning", "drip"),
    [
        pytest.param(b"", b"GET /a/long/way", id="the request line"),
        pytest.param(b"GET / HTTP/1.1\r\n", b"X: y\r\n", id="headers"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"y", id="one header"),
        pytest.param(b"", b"\r\n", id="empty lines before it"),
    ],
)
def test_a_client_that_drips_its_head_is_cut_at_the_deadline(
    watched: Watched, beginning: bytes, drip: bytes
) -> None:
    with Wire(watched.url) as wire:
        wire.send(beginning)
        assert 0.4 < seconds_until_closed(wire, drip) < 1.2


def test_a_client_that_drips_the_head_of_its_second_request_is_cut_too(watched: Watched) -> None:
    with Wire(watched.url) as wire:
        wire.send(request("GET", RECORDS))
        assert wire.reply().status == 200
        time.sleep(0.7)  # between two requests there is no such deadline
        wire.send(request("GET", RECORDS))
        assert wire.reply().status == 200
        assert 0.4 < seconds_until_closed(wire, b"GET / HTTP/1.1\r\n") < 1.2


def test_a_head_that_comes_slowly_but_in_time_is_answered(watched: Watched) -> None:
    with Wire(watched.url) as wire:
        message = request("GET", RECORDS)
        for start in range(0, len(message), 16):
            wire.send(message[start : start + 16])
            time.sleep(0.02)
        assert wire.reply().status == 200


@pytest.mark.parametrize(
    "path",
    [pytest.param(RECORDS, id="held"), pytest.param("/api/custom/upload", id="streamed")],
)
@pytest.mark.parametrize("drip", [pytest.param(b"x", id="drips"), pytest.param(b"", id="silent")])
def test_a_body_below_the_floor_is_408_and_pocketbase_never_sees_it_whole(
    watched: Watched, path: str, drip: bytes
) -> None:
    with Wire(watched.url) as wire:
        wire.send(upload("POST", path, 100_000))
        began = time.monotonic()
        while not wire.is_closed and time.monotonic() - began < 0.5:
            wire.send(drip)
            time.sleep(0.05)
        reply = wire.reply()
        assert 0.4 < time.monotonic() - began < 1.5
    assert reply.status == 408
    assert reply.get("connection") == "close"
    assert watched.double.count("POST", path) == 0


def test_a_body_above_the_floor_may_take_longer_than_the_grace(watched: Watched) -> None:
    with Wire(watched.url) as wire:
        wire.send(upload("POST", RECORDS, 5000))
        for _ in range(10):
            wire.send(bytes(500))
            time.sleep(0.1)
        assert wire.reply().status == 200


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/api/files/a/b/c.bin", id="streamed"),
        pytest.param(RECORDS, id="a list"),
    ],
)
def test_a_client_that_reads_nothing_is_cut_after_the_send_timeout_and_frees_its_connection(
    watched: Watched, path: str
) -> None:
    watched.double.plan("GET", path, says(BIG, *[bytes(1_000_000)] * 50))
    with connection(watched.url, receive_buffer=4096) as raw:
        raw.sendall(request("GET", path))
        began = time.monotonic()
        watched.gauges.wait_for("open_connections", 0, 4)
        assert 0.5 < time.monotonic() - began < 2.5
        _, was_cut = everything(raw)
        assert was_cut


def test_a_client_that_reads_slowly_gets_everything(watched: Watched) -> None:
    watched.double.plan("GET", "/api/files/a/b/c.bin", says(response(bytes(6_000_000))))
    with connection(watched.url, receive_buffer=16384) as raw:
        raw.sendall(request("GET", "/api/files/a/b/c.bin", "Connection: close"))
        received = 0
        while data := raw.recv(200_000):
            received += len(data)
            time.sleep(0.002)
    assert received > 6_000_000


def test_three_hundred_half_open_connections_keep_nobody_waiting_and_are_gone_at_the_deadline(
    watched: Watched,
) -> None:
    with ExitStack() as closing:
        wires = [closing.enter_context(Wire(watched.url)) for _ in range(300)]
        for wire in wires:
            wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-")
        began = time.monotonic()
        for _ in range(10):
            assert ask(watched.url, "GET", RECORDS).status == 200
        assert (time.monotonic() - began) / 10 < 0.1
        watched.gauges.wait_for("open_connections", 0)
        assert all(wire.is_closed_within(1) for wire in wires)


def test_connections_beyond_the_cap_of_an_address_are_closed_at_once_and_others_served(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    hapta, gauges = capped(double, make_hapta, max_connections_per_address=5)
    with ExitStack() as closing:
        first = [closing.enter_context(Wire(hapta.url)) for _ in range(5)]
        gauges.wait_for("open_connections", 5)
        assert closing.enter_context(Wire(hapta.url)).is_closed_within(1)
        assert status_from("127.0.0.2", hapta.url, RECORDS) == 200
        for wire in first:
            wire.send(request("GET", RECORDS))
            assert wire.reply().status == 200
    gauges.wait_until_quiet()
    assert ask(hapta.url, "GET", RECORDS).status == 200


def test_connections_beyond_the_cap_of_all_are_closed_at_once(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    hapta, gauges = capped(double, make_hapta, max_connections=8, max_connections_per_address=8)
    with ExitStack() as closing:
        for n in range(8):
            closing.enter_context(connection(hapta.url, source=f"127.0.0.{n + 2}"))
        gauges.wait_for("open_connections", 8)
        for _ in range(20):
            with Wire(hapta.url) as wire:
                assert wire.is_closed_within(1)
        assert gauges.value("open_connections") == 8
    gauges.wait_until_quiet()
    assert ask(hapta.url, "GET", RECORDS).status == 200


def test_a_trusted_proxy_is_not_held_to_the_cap_of_an_address(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    hapta, _ = capped(double, make_hapta, max_connections_per_address=2, trusted_proxies="127.0.0.1")
    with ExitStack() as closing:
        wires = [closing.enter_context(Wire(hapta.url)) for _ in range(10)]
        for wire in wires:
            wire.send(request("GET", RECORDS))
            assert wire.reply().status == 200


def capped(double: UpstreamDouble, make_hapta: MakeHapta, **server: object) -> tuple[Hapta, Gauges]:
    port = free_port()
    settings = {f"server__{key}": value for key, value in server.items()}
    hapta = make_hapta(upstream=double.url, metrics__enabled=True, metrics__port=port, **settings)
    gauges = Gauges(hapta, port)
    gauges.wait_until_quiet()
    return hapta, gauges


def test_eight_clients_at_once_that_read_nothing_keep_no_record_request_waiting(watched: Watched) -> None:
    watched.double.plan("GET", "/api/files/a/b/c.bin", says(BIG, *[bytes(1_000_000)] * 50))
    with ExitStack() as closing:
        for _ in range(8):
            raw = closing.enter_context(connection(watched.url, receive_buffer=4096))
            raw.sendall(request("GET", "/api/files/a/b/c.bin"))
        time.sleep(0.1)
        with ThreadPoolExecutor(4) as pool:
            began = time.monotonic()
            assert set(pool.map(lambda _: ask(watched.url, "GET", RECORDS).status, range(40))) == {200}
        assert time.monotonic() - began < 1.0
