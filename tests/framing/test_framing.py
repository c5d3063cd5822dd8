"""Every probe: its answer, and that not more than one request of it reached the upstream.

Rows of ``docs/differences.md`` proved here: ``strict-framing``, ``upgrade``, ``own-errors``.
"""

import json

import pytest

from tests.framing.probes import LIST, PROBES, Probe
from tests.support.hapta import Hapta
from tests.support.recorder import Recorder, head
from tests.support.wire import Wire, ask

FENCE = b"GET /fence HTTP/1.1\r\nHost: a\r\n\r\n"
_OURS = {"GET", "POST"}


def arrived(front: Hapta, recorder: Recorder) -> list[bytes]:
    """What reached the upstream so far: whatever was sent before this call has arrived, or never will."""
    assert ask(front.url, FENCE).status == 200
    requests = recorder.take()
    fences = [request for request in requests if request.startswith(b"GET /fence ")]
    assert len(fences) == 1
    return [request for request in requests if request is not fences[0]]


def _content(request: bytes) -> bytes:
    body = request.partition(b"\r\n\r\n")[2]
    if "transfer-encoding" not in head(request):
        return body
    content = b""
    while size := int(body.partition(b"\r\n")[0], 16):
        body = body.partition(b"\r\n")[2]
        content, body = content + body[:size], body[size + 2 :]
    return content


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_a_probe_is_refused_or_arrives_as_the_one_request_it_is(
    probe: Probe, front: Hapta, recorder: Recorder
) -> None:
    with Wire(front.url) as wire:
        wire.send(probe.data)
        reply = wire.reply()
        assert reply.status == probe.status
        if (
            probe.status != 413
        ):  # then the rest of the body is read for a while, so that the answer gets through
            assert wire.is_closed_within(2.0 if probe.closes else 0.02) is probe.closes
    assert reply.get("x-request-id")
    requests = arrived(front, recorder)
    assert len(requests) == (1 if probe.arrives else 0)
    if probe.arrives:
        assert requests[0].partition(b" ")[0].decode() in _OURS
        assert b"smuggled" not in requests[0].partition(b"\r\n")[0]
        assert _content(requests[0]) == probe.body
    else:
        error = json.loads(reply.body)
        assert error.keys() == {"data", "message", "status"}
        assert (error["data"], error["status"]) == ({}, probe.status)
        assert b"Traceback" not in reply.body


def test_there_are_many_probes_of_different_names() -> None:
    names = [probe.name for probe in PROBES]
    assert len(names) == len(set(names)) >= 40


def test_pipelined_requests_arrive_each_once_and_are_answered_in_order(
    front: Hapta, recorder: Recorder
) -> None:
    body = b'{"a":1}'
    requests = [
        b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
        b"POST /third HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n%s\r\n0\r\n\r\n" % body,
        b"HEAD /fourth HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /fifth HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
    with Wire(front.url) as wire:
        wire.send(b"".join(requests))
        replies = [wire.reply(request.partition(b" ")[0].decode()) for request in requests]
    assert [reply.status for reply in replies] == [200] * 5
    targets = [request.split(b" ")[1] for request in arrived(front, recorder)]
    assert targets == [b"/first", b"/second", b"/third", b"/fourth", b"/fifth"]


def test_behind_a_request_that_is_refused_nothing_is_read(front: Hapta, recorder: Recorder) -> None:
    good = b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n"
    with Wire(front.url) as wire:
        wire.send(good)
        assert wire.reply().status == 200
        wire.send(b"GET /bad HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n" + good)
        assert wire.reply().status == 400
        assert wire.is_closed_within(2.0)
    assert len(arrived(front, recorder)) == 1


def test_a_body_sent_in_many_pieces_arrives_whole(front: Hapta, recorder: Recorder) -> None:
    body = b'{"text":"' + b"x" * 279_989 + b'"}'  # the last piece is large, too
    start = f"POST {LIST} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with Wire(front.url) as wire:
        wire.send(start)
        for begin in range(0, len(body), 70_000):
            wire.send(body[begin : begin + 70_000])
        assert wire.reply().status == 200
        wire.send(FENCE.replace(b"fence", b"next"))
        assert wire.reply().status == 200
    requests = arrived(front, recorder)
    assert [len(_content(request)) for request in requests] == [len(body), 0]


def test_a_request_in_single_bytes_is_a_request(front: Hapta, recorder: Recorder) -> None:
    with Wire(front.url) as wire:
        for (
            byte
        ) in b"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n":
            wire.send(bytes([byte]))
        assert wire.reply().status == 200
    assert len(arrived(front, recorder)) == 1
