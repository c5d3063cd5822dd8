"""Nobody forges where a request comes from, and no ``Connection`` field strips what a request is.

Rows of ``docs/differences.md`` proved here: ``forwarding-headers``, ``hop-by-hop-request``.
"""

import pytest

from tests.framing.test_framing import arrived
from tests.support.hapta import Hapta
from tests.support.recorder import Recorder, head
from tests.support.wire import Wire, ask

FORGED = "6.6.6.6"
NAMES = (
    "X-Hapta-Client-IP",
    "x-hapta-client-ip",
    "X-HAPTA-CLIENT-IP",
    "X-Forwarded-For",
    "X-Real-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
    "Fly-Client-IP",
    "X-Client-IP",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "Via",
)


def _get(*lines: str) -> bytes:
    return "\r\n".join(["GET /api/x HTTP/1.1", "Host: a", *lines, "", ""]).encode()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("nominated", [False, True], ids=["plain", "nominated"])
def test_a_forged_field_never_arrives(
    name: str, times: int, nominated: bool, front: Hapta, recorder: Recorder
) -> None:
    lines = [f"{name}: {FORGED}"] * times + ([f"Connection: {name}"] if nominated else [])
    assert ask(front.url, _get(*lines)).status == 200
    (request,) = arrived(front, recorder)
    assert FORGED.encode() not in request


def test_a_forged_forwarded_never_arrives(front: Hapta, recorder: Recorder) -> None:
    assert ask(front.url, _get(f"Forwarded: for={FORGED};host=evil;proto=https")).status == 200
    (request,) = arrived(front, recorder)
    assert head(request)["forwarded"] == ['for=127.0.0.1;host="a";proto=http']


def test_a_host_cannot_break_out_of_forwarded(front: Hapta, recorder: Recorder) -> None:
    asked = _get().replace(b"Host: a", b'Host: a";for=6.6.6.6;by="')
    ask(front.url, asked)
    (request,) = arrived(front, recorder)
    (line,) = head(request)["forwarded"]
    assert line == 'for=127.0.0.1;host="a;for=6.6.6.6;by=";proto=http'


def test_the_client_s_address_arrives_once_in_each_form(front: Hapta, recorder: Recorder) -> None:
    ask(front.url, _get())
    (request,) = arrived(front, recorder)
    fields = head(request)
    for name in ("x-hapta-client-ip", "x-real-ip", "x-forwarded-for"):
        assert fields[name] == ["127.0.0.1"]
    assert fields["via"] == ["1.1 hapta"]
    assert fields["x-forwarded-proto"] == ["http"]


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Content-Type", "Content-Encoding", "Cookie", "Origin", "Range"],
)
def test_a_nomination_strips_nothing_a_request_is_made_of(
    name: str, front: Hapta, recorder: Recorder
) -> None:
    assert ask(front.url, _get(f"{name}: value", f"Connection: close, {name.lower()}")).status == 200
    (request,) = arrived(front, recorder)
    assert head(request)[name.lower()] == ["value"]


def test_a_nomination_of_the_length_strips_no_body(front: Hapta, recorder: Recorder) -> None:
    asked = _get("Connection: content-length, host", "Content-Length: 5").replace(b"GET", b"POST") + b"hello"
    assert ask(front.url, asked).status == 200
    (request,) = arrived(front, recorder)
    assert request.endswith(b"\r\n\r\nhello")
    assert (head(request)["host"], head(request)["content-length"]) == (["a"], ["5"])


def test_hop_by_hop_fields_end_here(front: Hapta, recorder: Recorder) -> None:
    lines = (
        "Connection: keep-alive, X-Hop",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic x",
        "TE: trailers",
        "Trailer: X-Sum",
        "HTTP2-Settings: x",
        "X-Hop: 1",
        "X-End: 1",
    )
    assert ask(front.url, _get(*lines)).status == 200
    (request,) = arrived(front, recorder)
    hop_by_hop = {line.partition(":")[0].lower() for line in lines} - {"x-end"}
    assert not hop_by_hop & head(request).keys()
    assert "x-end" in head(request)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1._Z", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("a b", False),
        ("a\tb", False),
        ("é", False),
        ('"', False),
        ("", False),
    ],
)
def test_only_a_harmless_request_id_is_taken_over(
    given: str, kept: bool, front: Hapta, recorder: Recorder
) -> None:
    reply = ask(front.url, _get(f"X-Request-Id: {given}"))
    (request,) = arrived(front, recorder)
    (seen,) = head(request)["x-request-id"]
    assert reply.all("x-request-id") == [seen]
    assert (seen == given) is kept


def test_each_request_on_a_proxy_s_connection_is_its_own_client_s(proxied: Hapta, recorder: Recorder) -> None:
    near, far, secure = (
        "X-Forwarded-For: 203.0.113.1",
        "X-Forwarded-For: 198.51.100.2",
        "X-Forwarded-Proto: https",
    )
    expected = []
    with Wire(proxied.url) as wire:
        for lines, client, scheme in (
            ((near,), "203.0.113.1", "http"),
            ((near,), "203.0.113.1", "http"),
            ((far,), "198.51.100.2", "http"),
            ((), "127.0.0.1", "http"),
            ((near, secure), "203.0.113.1", "https"),
            ((far, secure), "198.51.100.2", "https"),
            ((near,), "203.0.113.1", "http"),
            ((f"{near}, 6.6.6.6",), "6.6.6.6", "http"),
            (("X-Forwarded-For: nobody",), "127.0.0.1", "http"),
        ):
            wire.send(_get(*lines))
            assert wire.reply().status == 200
            expected.append(([client], [scheme]))
    fields = [head(request) for request in arrived(proxied, recorder)]
    assert [(each["x-hapta-client-ip"], each["x-forwarded-proto"]) for each in fields] == expected


def test_a_head_that_is_refused_is_refused_again_after_one_that_was_not(
    front: Hapta, recorder: Recorder
) -> None:
    """What is remembered of a connection's header fields is what was accepted of these very ones."""
    for line in ("Expect: a-miracle", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity"):
        with Wire(front.url) as wire:
            for _ in range(2):
                wire.send(_get())
                assert wire.reply().status == 200
            wire.send(_get(line))
            assert wire.reply().status >= 400
    assert len(arrived(front, recorder)) == 6
