"""A write whose connection drops arrives exactly once; a read at most twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.clients import ask
from tests.faults.conftest import Watched
from tests.support.upstream_double import Ending, response, says

RECORD = "/api/collections/posts/records/abcdefghijklmno"
CREATE = "/api/collections/posts/records"
CUSTOM = "/api/custom/thing"
DROPS: tuple[Ending, ...] = ("close", "reset")


def warm_up(watched: Watched) -> None:
    """One kept-alive connection in each lane, ready for reuse."""
    for path in (RECORD, CUSTOM):
        watched.double.plan("GET", path, says(response()))
        assert ask(watched.url, "GET", path).status == 200


@pytest.mark.parametrize("then", DROPS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", RECORD),
        ("PATCH", RECORD),
        ("POST", CREATE),
        ("PUT", CUSTOM),
        ("DELETE", CUSTOM),
        ("PATCH", CUSTOM),
        ("POST", CUSTOM),
        ("OPTIONS", CUSTOM),
    ],
)
def test_a_write_whose_kept_alive_connection_drops_arrives_once(
    watched: Watched, method: str, path: str, then: Ending
) -> None:
    warm_up(watched)
    watched.double.plan(method, path, says(then=then), says(response()))
    made = watched.double.connections_made
    reply = ask(
        watched.url, method, path, body=b'{"title":"x"}' if method in ("POST", "PUT", "PATCH") else None
    )
    assert reply.status == 504
    assert watched.double.count(method, path) == 1
    assert watched.double.connections_made == made, "it did not travel on the kept-alive connection"


@pytest.mark.parametrize("then", DROPS)
@pytest.mark.parametrize("path", [RECORD, CUSTOM])
def test_a_read_whose_kept_alive_connection_drops_is_sent_again_once(
    watched: Watched, path: str, then: Ending
) -> None:
    warm_up(watched)
    watched.double.plan("GET", path, says(then=then), says(response(b'{"second":1}')))
    before = watched.double.count("GET", path)
    reply = ask(watched.url, "GET", path)
    assert (reply.status, reply.body) == (200, b'{"second":1}')
    assert watched.double.count("GET", path) == before + 2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("then", DROPS)
def test_a_read_that_is_dropped_each_time_arrives_twice_at_most(
    watched: Watched, method: str, then: Ending
) -> None:
    watched.double.plan(method, RECORD, says(then=then))
    assert ask(watched.url, method, RECORD).status == 504
    assert 1 <= watched.double.count(method, RECORD) <= 2


def test_a_read_that_is_not_answered_in_time_is_not_sent_again(watched: Watched) -> None:
    watched.double.plan("GET", RECORD, says(then="stall"))
    assert ask(watched.url, "GET", RECORD).status == 504
    assert watched.double.count("GET", RECORD) == 1


def test_a_read_with_a_body_is_not_sent_again(watched: Watched) -> None:
    warm_up(watched)
    before = watched.double.count("GET", RECORD)
    watched.double.plan("GET", RECORD, says(then="close"))
    assert ask(watched.url, "GET", RECORD, body=b'{"x":1}').status == 504
    assert watched.double.count("GET", RECORD) == before + 1


@pytest.mark.parametrize("then", DROPS)
def test_a_write_dropped_in_the_middle_of_its_answer_arrives_once(watched: Watched, then: Ending) -> None:
    warm_up(watched)
    watched.double.plan("DELETE", RECORD, says(b"HTTP/1.1 204 No Con", then=then))
    assert ask(watched.url, "DELETE", RECORD).status == 504
    assert watched.double.count("DELETE", RECORD) == 1


def test_fifty_writes_at_once_over_dropping_connections_arrive_once_each(watched: Watched) -> None:
    paths = [f"{CREATE}/record{n:09}" for n in range(50)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda path: ask(watched.url, "GET", path), paths))
        for path in paths:
            watched.double.plan("DELETE", path, says(then="close"))
        statuses = set(pool.map(lambda path: ask(watched.url, "DELETE", path).status, paths))
    assert statuses == {504}
    assert [watched.double.count("DELETE", path) for path in paths] == [1] * 50
