"""Clients that ask and do not read: what waits for them is bounded, and so is the time it waits."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest
import uvloop

from tests.fastlane.site import POSTS, Caller, Line, Site, body, get, status
from tests.support.pocketbase import PocketBase
from tests.support.process import wait_until

BIG = get(f"{POSTS}?perPage=30&expand=author,topics")
HIGH_WATER = 64 * 1024


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def site(
    request: pytest.FixtureRequest, pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    new_loop = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}[request.param]
    home = tmp_path_factory.mktemp("hapta")
    with Site(home, pocketbase.url, new_loop=new_loop, server__send_timeout_s=1) as opened:
        yield opened


class Deaf(Line):
    """Its kernel takes little for it, and the gateway's sends little ahead."""

    def __init__(self, site: Site, takes: int = 4096) -> None:
        before = set(site.connections())
        super().__init__(site.url)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
        wait_until(lambda: len(site.connections()) > len(before), "accepted")
        (self.end,) = set(site.connections()) - before
        self.site = site

    @property
    def buffered(self) -> int:
        """Bytes that wait for it in the gateway."""

        def look() -> int:
            transport = self.end.transport
            return 0 if transport is None else transport.get_write_buffer_size()

        return self.site.call(look)

    @property
    def is_gone(self) -> bool:
        return self.site.call(lambda: self.end.is_gone)


def test_who_asks_by_the_lane_and_does_not_read_is_dropped(site: Site) -> None:
    with Deaf(site) as deaf:
        length = len(Caller(site, line=deaf).warm(BIG.split(b" ")[1].decode()))
        told, asked = site.told, 0
        while not deaf.buffered:
            deaf.send(BIG)
            asked += 1
            assert asked < 5000
        for _ in range(20):
            deaf.send(BIG)
            assert deaf.buffered <= HIGH_WATER + 2 * length
        assert site.told > told
        wait_until(lambda: deaf.is_gone, "dropped", 5)


def test_who_was_told_by_the_lane_asks_no_more_and_does_not_read_is_dropped(site: Site) -> None:
    """Nobody waits for what the lane has written, and the connection is idle."""
    for _ in range(5):
        with Deaf(site) as deaf:
            Caller(site, line=deaf).warm(BIG.split(b" ")[1].decode())
            before = site.told
            while not site.call(lambda deaf=deaf: deaf.end._paused):  # type: ignore[misc]
                before = site.told
                deaf.send(BIG)
                wait_until(lambda deaf=deaf: deaf.end.is_idle, "answered")  # type: ignore[misc]
            if site.told == before + 1:
                wait_until(lambda deaf=deaf: deaf.is_gone, "dropped", 5)  # type: ignore[misc]
                return
    raise AssertionError("it was never the lane that filled the buffer")


def test_who_pipelines_and_does_not_read_is_dropped(site: Site) -> None:
    with Deaf(site) as deaf:
        length = len(Caller(site, line=deaf).warm(BIG.split(b" ")[1].decode()))
        deaf._socket.settimeout(0.2)
        worst = 0
        for _ in range(30):
            try:
                deaf._socket.sendall(BIG * 50)
            except (TimeoutError, ConnectionError):
                break
            worst = max(worst, deaf.buffered)
        assert worst <= HIGH_WATER + 2 * length
        wait_until(lambda: deaf.is_gone, "dropped", 10)


def test_who_reads_late_gets_everything_in_order(site: Site) -> None:
    targets = [f"{POSTS}?perPage=30&page={page}" for page in (1, 2, 3)]
    with Deaf(site, 300_000) as slow:
        caller = Caller(site, line=slow)
        expected = [body(caller.warm(target)) for target in targets]
        told = site.told
        for _ in range(3):
            for number in range(60):
                slow.send(get(targets[number % 3]))
                if number % 7 == 0:
                    time.sleep(0.001)
            for number in range(60):
                answer = slow.raw()
                assert (status(answer), body(answer)) == (200, expected[number % 3])
        assert not slow.is_gone
        assert site.told > told


def test_those_who_leave_at_once_leave_nothing(site: Site) -> None:
    with Caller(site) as guest:
        guest.warm(POSTS)
        for number in range(60):
            line = Line(site.url)
            line.send(get(POSTS) * (1 + number % 3))
            if number % 2:
                line._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            line._socket.close()
        wait_until(lambda: len(site.connections()) == 1, "only one connection", 5)
        assert guest.told(POSTS)[1]


# time


@pytest.fixture(scope="module")
def hurried(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"server__keepalive_timeout_s": 1.0, "server__header_timeout_s": 0.5}
    with Site(tmp_path_factory.mktemp("hapta"), pocketbase.url, **settings) as opened:
        yield opened


def test_answers_of_the_lane_keep_a_connection_open_and_silence_ends_it(hurried: Site) -> None:
    with Caller(hurried) as holder:
        holder.warm(POSTS)
        with Caller(hurried) as guest:  # which never meets the full way, but for each new second
            ends_at = time.monotonic() + 2.2
            while time.monotonic() < ends_at:
                assert status(guest.ask(POSTS)) == 200
                time.sleep(0.3)
            began = time.monotonic()
            assert guest.line.is_closed_within(3)
            assert time.monotonic() - began > 0.5


def test_a_connection_that_was_only_told_by_the_lane_is_closed_when_it_is_silent(hurried: Site) -> None:
    with Caller(hurried) as holder:
        for _ in range(5):
            holder.warm(POSTS)
            with Caller(hurried) as guest:
                time.sleep(0.02)
                is_told = guest.told(POSTS)[1]
                if not is_told:
                    continue
                assert guest.line.is_closed_within(3)
                return
    raise AssertionError("never told on a new connection")


def test_a_head_that_begins_behind_an_answer_of_the_lane_has_its_deadline(hurried: Site) -> None:
    for beginning in (b"G", b"GET /", get(POSTS)[:-1]):
        with Caller(hurried) as guest:
            guest.warm(POSTS)
            guest.line.send(beginning)
            began = time.monotonic()
            assert guest.line.is_closed_within(3)
            assert 0.3 < time.monotonic() - began < 0.95
