"""SIGTERM: readiness first, what is under way is finished, streams end politely, exit code 0."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import MakeHapta
from tests.faults.clients import ask, connection, everything, request, upload
from tests.faults.processes import processes_in
from tests.faults.test_streams import FIRST, HEAD, REALTIME, open_stream
from tests.support.hapta import Hapta
from tests.support.process import wait_until
from tests.support.upstream_double import UpstreamDouble, chunk, response, says
from tests.support.wire import Reply, Wire

RECORDS = "/api/collections/posts/records"
READY = "/api/hapta/health/ready"


def tell(hapta: Hapta, number: signal.Signals = signal.SIGTERM) -> None:
    assert hapta.process is not None
    hapta.process.send_signal(number)


def exit_code(hapta: Hapta, at_most_s: float) -> int:
    assert hapta.process is not None
    return hapta.process.wait(at_most_s)


def refuses_connections(hapta: Hapta) -> bool:
    try:
        with connection(hapta.url):
            return False
    except ConnectionRefusedError:
        return True


def test_readiness_fails_first_then_connections_are_refused_and_a_request_under_way_finishes(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=double.url, server__drain_delay_s=0.5)
    double.plan("GET", "/api/custom/slow", says(1.2, response(b'{"whole":1}')))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, hapta.url, "GET", "/api/custom/slow")
        wait_until(lambda: double.count("GET", "/api/custom/slow") == 1, "it is under way")
        tell(hapta)
        wait_until(lambda: ask(hapta.url, "GET", READY).status == 503, "not ready", 0.3)
        assert ask(hapta.url, "GET", RECORDS).status == 200, "everything else goes on meanwhile"
        assert ask(hapta.url, "GET", "/api/hapta/health/live").status == 200
        wait_until(lambda: refuses_connections(hapta), "connections refused", 1.0)
        assert not slow.done()
        reply: Reply = slow.result()
    assert (reply.status, reply.body) == (200, b'{"whole":1}')
    assert reply.get("connection") == "close"
    assert exit_code(hapta, 2) == 0


def test_an_upload_under_way_is_taken_to_its_end(double: UpstreamDouble, make_hapta: MakeHapta) -> None:
    hapta = make_hapta(upstream=double.url)
    with Wire(hapta.url) as wire:
        wire.send(upload("POST", RECORDS, 40_000) + bytes(20_000))
        time.sleep(0.1)
        tell(hapta)
        time.sleep(0.2)
        wire.send(bytes(20_000))
        reply = wire.reply()
        assert (reply.status, reply.get("connection")) == (200, "close")
        wire.rest()
    assert exit_code(hapta, 2) == 0
    assert double.count("POST", RECORDS) == 1


def test_idle_connections_are_closed_and_the_end_comes_at_once(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=double.url)
    with Wire(hapta.url) as wire:
        wire.send(request("GET", RECORDS))
        assert wire.reply().status == 200
        began = time.monotonic()
        tell(hapta)
        assert wire.is_closed_within(1)
        assert exit_code(hapta, 2) == 0
        assert time.monotonic() - began < 1.0


def test_an_event_stream_ends_with_a_hint_when_to_come_back(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=double.url)
    double.plan("GET", REALTIME, says(HEAD, chunk(FIRST), then="stall"))
    with Wire(hapta.url) as wire:
        open_stream(wire)
        tell(hapta)
        rest = wire.rest()
    assert b"retry: 1000\n\n" in rest
    assert rest.endswith(b"0\r\n\r\n")
    assert exit_code(hapta, 2) == 0


def test_a_stream_in_the_middle_of_an_event_ends_without_the_hint(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=double.url)
    double.plan(
        "GET", REALTIME, says(HEAD, chunk(FIRST), 0.05, chunk(b"event:posts/*\ndata:{"), then="stall")
    )
    with Wire(hapta.url) as wire:
        open_stream(wire)
        wire.until(b"data:{")
        tell(hapta)
        assert b"retry" not in wire.rest()
    assert exit_code(hapta, 2) == 0


def test_a_request_that_outlives_the_grace_is_cut_and_the_exit_code_is_still_0(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=double.url, server__grace_s=0.4)
    double.plan("GET", "/api/custom/slow", says(then="stall"))
    with connection(hapta.url) as raw:
        raw.sendall(request("GET", "/api/custom/slow"))
        wait_until(lambda: double.count("GET", "/api/custom/slow") == 1, "it is under way")
        began = time.monotonic()
        tell(hapta)
        assert everything(raw)[0] == b""
        assert exit_code(hapta, 2) == 0
        assert 0.3 < time.monotonic() - began < 1.5
    assert "cut_off" in hapta.log


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(
    double: UpstreamDouble, make_hapta: MakeHapta, second: signal.Signals
) -> None:
    hapta = make_hapta(upstream=double.url)
    double.plan("GET", "/api/custom/slow", says(then="stall"))
    with connection(hapta.url) as raw:
        raw.sendall(request("GET", "/api/custom/slow"))
        wait_until(lambda: double.count("GET", "/api/custom/slow") == 1, "it is under way")
        tell(hapta)
        time.sleep(0.3)
        began = time.monotonic()
        tell(hapta, second)
        assert exit_code(hapta, 2) == 0
        assert time.monotonic() - began < 1.0


def test_a_signal_while_it_waits_for_pocketbase_ends_it(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    double.die()
    hapta = make_hapta(upstream=double.url, arguments=["--wait"], started=False)
    hapta.launch()
    wait_until(lambda: hapta.log_path.exists() and "waiting" in hapta.log, "it waits")
    began = time.monotonic()
    tell(hapta)
    assert exit_code(hapta, 3) == 0
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("after_s", [0.0, 0.2])
def test_a_signal_while_the_embedded_one_starts_leaves_no_process_and_a_start_after_it_works(
    make_hapta: MakeHapta, after_s: float
) -> None:
    hapta = make_hapta(upstream=None, started=False)
    hapta.launch()
    wait_until(lambda: processes_in(str(hapta.home)) != [], "its first child runs", every_s=0.005)
    time.sleep(after_s)
    tell(hapta)
    assert exit_code(hapta, 5) == 0
    assert processes_in(str(hapta.home)) == []
    hapta.start()
    assert ask(hapta.url, "GET", "/api/health").status == 200
