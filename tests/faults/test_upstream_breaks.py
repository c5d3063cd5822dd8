"""PocketBase breaks off before its answer is whole: a clear 504 in PocketBase's form, and soon."""

import json
import time

import pytest

from tests.faults.clients import ask
from tests.faults.conftest import Watched
from tests.support.upstream_double import Script, chunk, chunked_head, response, says
from tests.support.wire import Reply

RECORDS = "/api/collections/posts/records"
OK = b"HTTP/1.1 200 OK\r\n"
HEAD = OK + b"Content-Type: application/json\r\nContent-Length: 40\r\n\r\n"
UPGRADE = b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"


def assert_refusal(reply: Reply, status: int, message: str) -> None:
    """PocketBase's error form, with the request id."""
    assert reply.status == status, reply
    assert json.loads(reply.body) == {"data": {}, "message": message, "status": status}
    assert reply.get("content-type") == "application/json"
    assert reply.get("x-request-id")


LOST = "The database did not answer."

BREAKS = [
    pytest.param(says(then="stall"), id="no answer"),
    pytest.param(says(then="reset"), id="reset before the head"),
    pytest.param(says(then="close"), id="closed before the head"),
    pytest.param(says(OK + b"Content-Ty", then="reset"), id="reset within the head"),
    pytest.param(says(OK + b"Content-Ty", then="close"), id="closed within the head"),
    pytest.param(says(OK + b"Content-Ty", then="stall"), id="stalls within the head"),
    pytest.param(says(HEAD, then="reset"), id="reset after the head"),
    pytest.param(says(HEAD, then="stall"), id="stalls after the head"),
    pytest.param(says(HEAD, b'{"half":', then="reset"), id="reset within the body"),
    pytest.param(says(HEAD, b'{"half":', then="close"), id="closed within the body"),
    pytest.param(says(HEAD, b'{"half":', then="stall"), id="stalls within the body"),
    pytest.param(says(chunked_head(), chunk(b'{"half":'), then="close"), id="closed between chunks"),
    pytest.param(says(chunked_head(), b"20\r\n{", then="reset"), id="reset within a chunk"),
    pytest.param(says(chunked_head(), chunk(b'{"half":'), then="stall"), id="stalls between chunks"),
    pytest.param(says(chunked_head() + b"zz\r\n{}", then="stall"), id="a chunk of no size"),
    pytest.param(says(chunked_head(), 0.1, b"zz\r\n{}", then="stall"), id="a chunk of no size, later"),
    pytest.param(says(b"SSH-2.0-OpenSSH_9.2\r\n", then="stall"), id="another protocol"),
    pytest.param(says(UPGRADE), id="another protocol, agreed"),
    pytest.param(says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"), id="two lengths"),
    pytest.param(says(OK + b"Content-Length: x\r\n\r\n{}", then="close"), id="no number as length"),
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("script", BREAKS)
def test_an_answer_that_breaks_off_is_504_within_the_deadline(
    watched: Watched, script: Script, method: str
) -> None:
    watched.double.plan(method, RECORDS, script)
    began = time.monotonic()
    reply = ask(watched.url, method, RECORDS, body=None if method == "GET" else b'{"title":"x"}')
    assert_refusal(reply, 504, LOST)
    assert time.monotonic() - began < 1.5


def test_a_late_answer_is_504_and_the_answer_goes_to_nobody(watched: Watched) -> None:
    watched.double.plan("POST", RECORDS, says(0.8, response(b'{"late":1}')), says(response(b'{"own":1}')))
    assert_refusal(ask(watched.url, "POST", RECORDS, body=b"{}"), 504, LOST)
    assert ask(watched.url, "POST", RECORDS, body=b"{}").body == b'{"own":1}'
    time.sleep(0.5)
    assert ask(watched.url, "POST", RECORDS, body=b"{}").body == b'{"own":1}'


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", response()), id="103"),
        pytest.param(says(b"HTTP/1.1 100 Continue\r\n\r\n", 0.1, response()), id="100"),
        pytest.param(says(b"HTTP/1.1 102 X\r\n\r\n" * 3, response()), id="102 thrice"),
    ],
)
def test_interim_answers_are_passed_over(watched: Watched, script: Script) -> None:
    watched.double.plan("POST", RECORDS, script)
    reply = ask(watched.url, "POST", RECORDS, body=b"{}")
    assert (reply.status, reply.body) == (200, b'{"ok":true}')


def test_bytes_beyond_the_announced_length_reach_nobody(watched: Watched) -> None:
    forged = response(b'{"forged":1}')
    watched.double.plan("GET", RECORDS, says(response() + forged), says(response(b'{"own":1}')))
    assert ask(watched.url, "GET", RECORDS).body == b'{"ok":true}'
    for _ in range(3):
        assert ask(watched.url, "GET", RECORDS).body == b'{"own":1}'


def test_an_upstream_that_reads_nothing_of_an_upload_is_504(watched: Watched) -> None:
    watched.double.plan("POST", RECORDS, says(3.0, then="close", reads=False))
    body = b'{"title":"' + bytes(8_000_000).replace(b"\0", b"x") + b'"}'
    began = time.monotonic()
    assert_refusal(ask(watched.url, "POST", RECORDS, body=body), 504, LOST)
    assert time.monotonic() - began < 2.0


def test_an_answer_before_the_upload_is_over_is_passed_on(watched: Watched) -> None:
    early = response(b'{"status":413}', 413, "Connection: close")
    watched.double.plan("POST", RECORDS, says(early, 0.2, then="close", reads=False))
    body = b'{"title":"' + bytes(3_000_000).replace(b"\0", b"x") + b'"}'
    assert ask(watched.url, "POST", RECORDS, body=body).status in (413, 504)
