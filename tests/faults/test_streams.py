"""Event streams pass unbuffered for as long as they like, and both legs close together."""

import json
import time
from contextlib import ExitStack

import httpx
import pytest

from tests.conftest import MakeHapta, MakePocketBase
from tests.faults.clients import connection, everything, request
from tests.faults.conftest import Watched
from tests.faults.test_clients_that_leave import leave
from tests.support.process import wait_until
from tests.support.upstream_double import Ending, Script, Talk, chunk, chunked_head, says
from tests.support.wire import Wire

REALTIME = "/api/realtime"
HEAD = chunked_head("text/event-stream")
FIRST = b"id:abc\nevent:PB_CONNECT\ndata:{}\n\n"


def open_stream(wire: Wire, path: str = REALTIME) -> None:
    """Ask for the stream and read its head and first event."""
    wire.send(request("GET", path, "Accept: text/event-stream"))
    assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    wire.until(FIRST)


def ticking(count: int, every_s: float) -> Script:
    """Events that carry the time they were sent at."""

    async def script(talk: Talk) -> None:
        await says(HEAD + chunk(FIRST))(talk)
        for _ in range(count):
            await says(every_s)(talk)
            await talk.send(chunk(b"data:%f\n\n" % time.monotonic()))
        await talk.until_gone()

    return script


@pytest.mark.parametrize("path", [REALTIME, "/api/custom/events"])
def test_each_event_is_passed_on_within_50_ms(watched: Watched, path: str) -> None:
    watched.double.plan("GET", path, ticking(5, 0.05))
    delays = []
    with Wire(watched.url) as wire:
        open_stream(wire, path)
        for _ in range(5):
            wire.until(b"data:")
            sent_at = float(wire.until(b"\n\n"))
            delays.append(time.monotonic() - sent_at)
    assert max(delays) < 0.05, delays


@pytest.mark.parametrize(
    "first",
    [pytest.param((HEAD + chunk(FIRST),), id="with the head"), pytest.param((HEAD, 0.05, chunk(FIRST)))],
)
def test_a_stream_may_be_silent_for_longer_than_any_answer_may_take(
    watched: Watched, first: tuple[bytes | float, ...]
) -> None:
    watched.double.plan("GET", REALTIME, says(*first, 1.2, chunk(b"data:late\n\n"), then="stall"))
    with Wire(watched.url) as wire:
        open_stream(wire)
        wire.until(b"data:late\n\n")


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize("path", [REALTIME, "/api/custom/events"])
def test_when_the_client_leaves_its_connection_to_pocketbase_closes_within_a_second(
    watched: Watched, path: str, how: str
) -> None:
    watched.double.plan("GET", path, says(HEAD, chunk(FIRST), then="stall"))
    before = watched.double.open_connections
    with connection(watched.url) as raw:
        raw.sendall(request("GET", path))
        assert FIRST in raw.recv(1000) or FIRST in raw.recv(1000)
        assert watched.gauges.value("open_streams") == 1
        leave(raw, how)
        wait_until(lambda: watched.double.open_connections <= before, "closed upstream too", 1.0)
    watched.gauges.wait_for("open_streams", 0, 1.0)


@pytest.mark.parametrize("then", ["reset", "close"])
@pytest.mark.parametrize(
    "last", [pytest.param(b"", id="at a boundary"), pytest.param(b"data:ha", id="within")]
)
def test_when_pocketbase_dies_the_clients_stream_ends_at_once(
    watched: Watched, last: bytes, then: Ending
) -> None:
    more = (chunk(last),) if last else ()
    watched.double.plan("GET", REALTIME, says(HEAD, chunk(FIRST), *more, 0.1, then=then))
    with connection(watched.url) as raw:
        raw.sendall(request("GET", REALTIME))
        began = time.monotonic()
        received, _ = everything(raw)
        assert time.monotonic() - began < 1.0
    assert not received.endswith(b"0\r\n\r\n")


def test_a_stream_that_pocketbase_ends_in_order_ends_in_order_and_the_connection_stays(
    watched: Watched,
) -> None:
    watched.double.plan("GET", REALTIME, says(HEAD, chunk(FIRST), 0.05, chunk(b"")))
    with Wire(watched.url) as wire:
        for _ in range(2):
            wire.send(request("GET", REALTIME))
            assert wire.reply().body == FIRST


def test_a_client_of_streams_that_reads_nothing_is_cut(watched: Watched) -> None:
    watched.double.plan("GET", REALTIME, says(HEAD, *[chunk(b"data:" + bytes(100_000) + b"\n\n")] * 100))
    with connection(watched.url, receive_buffer=4096) as raw:
        raw.sendall(request("GET", REALTIME))
        watched.gauges.wait_for("open_streams", 1)
        watched.gauges.wait_for("open_streams", 0, 4)


def test_two_hundred_streams_are_all_gone_when_their_clients_are(watched: Watched) -> None:
    watched.double.plan("GET", REALTIME, says(HEAD, chunk(FIRST), then="stall"))
    before = watched.double.open_connections
    with ExitStack() as closing:
        for _ in range(200):
            open_stream(closing.enter_context(Wire(watched.url)))
        assert watched.gauges.value("open_streams") == 200
    wait_until(lambda: watched.double.open_connections <= before, "all closed upstream", 2.0)
    watched.gauges.wait_for("open_streams", 0, 1.0)


def test_through_a_real_pocketbase_an_event_comes_and_its_death_ends_the_stream(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta
) -> None:
    pocketbase = make_pocketbase()
    hapta = make_hapta(upstream=pocketbase.url)
    with Wire(hapta.url) as wire:
        wire.send(request("GET", REALTIME, "Accept: text/event-stream"))
        wire.until(b"event:PB_CONNECT")
        wire.until(b"data:")
        client_id = json.loads(wire.until(b"\n\n"))["clientId"]
        subscription = {"clientId": client_id, "subscriptions": ["posts/*"]}
        assert httpx.post(f"{hapta.url}{REALTIME}", json=subscription).status_code == 204
        created = httpx.post(f"{hapta.url}/api/collections/posts/records", json={"title": "seen"})
        assert created.status_code == 200
        wire.until(b'"title":"seen"')
        pocketbase.kill()
        began = time.monotonic()
        wire.rest()
        assert time.monotonic() - began < 1.0
