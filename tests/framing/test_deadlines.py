"""Clients that drip, stop, or open connection after connection.

Rows of ``docs/differences.md`` proved here: ``slow-clients``, ``connection-limits``.
"""

import socket
import time
from contextlib import ExitStack

import pytest

from tests.framing.test_framing import arrived
from tests.support.hapta import Hapta
from tests.support.process import wait_until
from tests.support.recorder import SLOW, Recorder
from tests.support.wire import Wire

REQUEST = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"POST /api/collections/posts/records HTTP/1.1\r\nHost: a\r\n"


def _seconds_until_closed(wire: Wire, within_s: float = 4.0) -> float:
    started = time.monotonic()
    assert wire.is_closed_within(within_s), "still open"
    return time.monotonic() - started


BEGINNINGS = (
    b"G",
    b"GET /",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX",
    b"GET /\r\n",
    b"\r\n",
    HEAD,
    HEAD + b"Content-Length: 5\r\n",
)


def test_heads_that_do_not_end_are_cut_off(impatient: Hapta, recorder: Recorder) -> None:
    with ExitStack() as closing:
        wires = [closing.enter_context(Wire(impatient.url)) for _ in BEGINNINGS]
        started = time.monotonic()
        for wire, beginning in zip(wires, BEGINNINGS, strict=True):
            wire.send(beginning)
        assert not any(wire.is_closed_within(0.05) for wire in wires)
        for wire in wires:
            _seconds_until_closed(wire)
        assert 0.9 < time.monotonic() - started < 1.9
    assert not arrived(impatient, recorder)


def test_dripping_does_not_move_the_deadline_of_a_head(impatient: Hapta, recorder: Recorder) -> None:
    started = time.monotonic()
    with Wire(impatient.url) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Drip: ")
        while not wire.is_closed and time.monotonic() < started + 4:
            wire.send(b"x")
            time.sleep(0.05)
    assert time.monotonic() - started < 2.5
    assert not arrived(impatient, recorder)


def test_the_second_head_of_a_connection_has_a_deadline_too(impatient: Hapta, recorder: Recorder) -> None:
    with Wire(impatient.url) as wire:
        wire.send(REQUEST)
        assert wire.reply().status == 200
        wire.send(b"GET /second HTTP/1.1\r\n")
        assert 0.8 < _seconds_until_closed(wire) < 1.9
    assert len(arrived(impatient, recorder)) == 1


def test_an_idle_connection_is_closed_after_its_time(impatient: Hapta) -> None:
    with Wire(impatient.url) as wire:
        wire.send(REQUEST)
        assert wire.reply().status == 200
        assert 1.8 < _seconds_until_closed(wire) < 3.9


def test_a_connection_that_never_says_anything_is_closed(impatient: Hapta) -> None:
    with Wire(impatient.url) as wire:
        assert _seconds_until_closed(wire) < 3.9


def test_a_body_below_the_floor_is_answered_408(impatient: Hapta, recorder: Recorder) -> None:
    with Wire(impatient.url) as wire:
        wire.send(HEAD + b"Content-Length: 100000\r\n\r\n")
        started = time.monotonic()
        while time.monotonic() < started + 1.6:
            wire.send(b"x")
            time.sleep(0.1)
        reply = wire.reply()
        assert reply.status == 408
        assert reply.get("connection") == "close"
    assert not arrived(impatient, recorder)


UNFINISHED = (
    b"Content-Length: 10\r\n\r\n{}",
    b"Content-Length: 10\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2",
)


def test_bodies_that_do_not_end_never_reach_the_upstream(impatient: Hapta, recorder: Recorder) -> None:
    with ExitStack() as closing:
        wires = [closing.enter_context(Wire(impatient.url)) for _ in UNFINISHED]
        for wire, body in zip(wires, UNFINISHED, strict=True):
            wire.send(HEAD + body)
        assert [wire.reply().status for wire in wires] == [408] * len(wires)
    assert not arrived(impatient, recorder)


def test_an_answer_may_take_longer_than_a_head(impatient: Hapta, recorder: Recorder) -> None:
    with Wire(impatient.url) as wire:
        wire.send(f"POST {SLOW} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n".encode())
        time.sleep(0.1)
        wire.send(b"{}")
        assert wire.reply().status == 200
    assert len(arrived(impatient, recorder)) == 1


def test_a_body_in_pieces_is_no_head_under_a_deadline(impatient: Hapta, recorder: Recorder) -> None:
    body = b"x" * 6000
    with Wire(impatient.url) as wire:
        wire.send(HEAD + b"Content-Length: 6000\r\n\r\n")
        for begin in range(0, 6000, 1500):
            wire.send(body[begin : begin + 1500])
            time.sleep(0.4)
        assert wire.reply().status == 200
        wire.send(REQUEST)
        assert wire.reply().status == 200
    assert len(arrived(impatient, recorder)) == 2


def _gets_connections(server: Hapta, count: int) -> bool:
    with ExitStack() as closing:
        wires = [closing.enter_context(Wire(server.url)) for _ in range(count)]
        for wire in wires:
            wire.send(REQUEST)
        try:
            return [wire.reply().status for wire in wires] == [200] * count
        except EOFError:
            return False


def test_one_address_gets_no_more_connections_than_it_may(impatient: Hapta) -> None:
    # the server hears of the connections closed before a moment later
    wait_until(lambda: _gets_connections(impatient, 12), "12 connections of one address")
    assert not _gets_connections(impatient, 13)
    wait_until(lambda: _gets_connections(impatient, 12), "12 connections of one address again")


@pytest.mark.parametrize(
    ("sent", "status", "count"),
    [(REQUEST, b"200", 1), (REQUEST * 2, b"200", 2), (HEAD + b"Content-Length: 5\r\n\r\nhe", b"", 0)],
    ids=["after a request", "after two", "inside a body"],
)
def test_a_client_that_closes_its_sending_side_gets_what_it_asked_for(
    sent: bytes, status: bytes, count: int, front: Hapta, recorder: Recorder
) -> None:
    with socket.create_connection(("127.0.0.1", front.port), timeout=5) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        received = b""
        while data := client.recv(65536):
            received += data
    assert received[9:12] == status
    assert received.count(b"HTTP/1.1 200 ") == len(arrived(front, recorder)) == count
