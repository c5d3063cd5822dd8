"""PocketBase is not there: 502 at once, soon 503 in milliseconds, and back by itself."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.conftest import MakeHapta, MakePocketBase
from tests.faults.clients import ask
from tests.faults.conftest import SHORT, Watched
from tests.faults.test_upstream_breaks import assert_refusal
from tests.support.process import wait_until
from tests.support.upstream_double import UpstreamDouble, response, says

RECORDS = "/api/collections/posts/records"
REFUSED, UNAVAILABLE = (
    "The database cannot be reached.",
    "The database is not available. Please try again shortly.",
)


def test_a_refused_connection_is_502_and_after_five_of_them_503_in_milliseconds(watched: Watched) -> None:
    watched.double.die()
    refused = 0
    while (reply := ask(watched.url, "GET", RECORDS)).status == 502:
        assert_refusal(reply, 502, REFUSED)
        refused += 1
    assert 1 <= refused <= 5, "the change feed's own tries count too"
    began = time.monotonic()
    for method in ("GET", "POST", "DELETE"):
        reply = ask(watched.url, method, RECORDS if method == "POST" else f"{RECORDS}/abcdefghijklmno")
        assert_refusal(reply, 503, UNAVAILABLE)
        assert int(reply.get("retry-after") or 0) >= 1
    assert (time.monotonic() - began) / 3 < 0.05
    assert watched.gauges.value("breaker_open") == 1
    ready = "/api/hapta/health/ready"
    wait_until(lambda: ask(watched.url, "GET", ready).status == 503, "not ready", 1)
    assert ask(watched.url, "GET", "/api/hapta/health/live").status == 200


def test_when_it_comes_back_it_is_used_again_within_the_breakers_pause(watched: Watched) -> None:
    watched.double.die()
    for _ in range(8):
        assert ask(watched.url, "GET", RECORDS).status in (502, 503)
    watched.double.listen()
    began = time.monotonic()
    wait_until(lambda: ask(watched.url, "GET", RECORDS).status == 200, "200 again", 2)
    assert time.monotonic() - began < 1.0
    assert watched.gauges.value("breaker_open") == 0
    assert {ask(watched.url, "GET", RECORDS).status for _ in range(10)} == {200}


def test_while_one_request_tries_a_database_that_is_back_a_slow_answer_keeps_nobody_waiting(
    watched: Watched,
) -> None:
    watched.double.die()
    for _ in range(6):
        ask(watched.url, "GET", RECORDS)
    watched.double.plan("GET", "/api/custom/slow", says(0.7, response()))
    watched.double.listen()
    time.sleep(0.55)  # the breaker's pause is over, the next request is the one that tries
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, watched.url, "GET", "/api/custom/slow")
        time.sleep(0.1)
        assert ask(watched.url, "GET", RECORDS).status == 200
        assert not slow.done()
        assert slow.result().status == 200


def test_a_database_that_answers_badly_does_not_open_the_breaker(watched: Watched) -> None:
    watched.double.plan("GET", "/api/custom/broken", says(then="reset"))
    assert {ask(watched.url, "GET", "/api/custom/broken").status for _ in range(12)} == {504}
    assert ask(watched.url, "GET", RECORDS).status == 200
    assert watched.gauges.value("breaker_open") == 0


def test_a_connection_that_is_never_made_is_502_after_the_connect_timeout(make_hapta: MakeHapta) -> None:
    with ExitStack() as closing:
        double = closing.enter_context(UpstreamDouble())
        hapta = make_hapta(upstream=double.url, **{key.replace(".", "__"): v for key, v in SHORT.items()})
        double.die()
        silent = closing.enter_context(socket.socket())  # listens, but its queue is full: SYNs go unanswered
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", double.port))
        silent.listen(0)
        for _ in range(3):
            filler = closing.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", double.port))
        began = time.monotonic()
        assert_refusal(ask(hapta.url, "GET", RECORDS), 502, REFUSED)
        assert 0.4 < time.monotonic() - began < 1.2


def test_a_real_pocketbase_killed_and_started_again_serves_again_and_lost_nothing(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta
) -> None:
    pocketbase = make_pocketbase()
    hapta = make_hapta(upstream=pocketbase.url)
    body = b'{"title":"before"}'
    created = ask(hapta.url, "POST", RECORDS, "Content-Type: application/json", body=body)
    assert created.status == 200
    pocketbase.kill()
    assert {ask(hapta.url, "GET", RECORDS).status for _ in range(10)} <= {502, 503}
    pocketbase.start()
    wait_until(lambda: ask(hapta.url, "GET", RECORDS).status == 200, "200 again", 2)
    assert len(pocketbase.rows("posts", filter='title="before"')) == 1


def test_many_at_once_at_a_dead_database_are_all_answered_in_milliseconds(watched: Watched) -> None:
    watched.double.die()

    def timed(_: int) -> tuple[int, float]:
        began = time.monotonic()
        return ask(watched.url, "GET", RECORDS).status, time.monotonic() - began

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(timed, range(40)))
    assert {status for status, _ in results} <= {502, 503}
    assert max(seconds for _, seconds in results) < 0.3
