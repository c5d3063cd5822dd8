"""hapta.observe.access_log"""

import io
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.config.schema import LogConfig
from hapta.model.clock import ManualClock
from hapta.model.operation import OperationClass
from hapta.observe import access_log
from hapta.observe.access_log import AccessLog
from hapta.observe.redact import mask_credentials, printable, without_query

READ = OperationClass.RECORD_READ
FORMS = ("json", "pretty")


FIELDS: dict[str, Any] = {
    "request_id": "req-1",
    "method": "GET",
    "target": "/api/health",
    "status": 200,
    "sent_bytes": 120,
    "seconds": 0.0123,
    "kind": READ,
    "address": "203.0.113.9",
}


def one_request(log: AccessLog, **changes: Any) -> None:
    log.record(**(FIELDS | changes))


def one_bound(log: AccessLog, **changes: Any) -> None:
    """The same request, by a line that was bound before."""
    fields = FIELDS | changes
    request_id, seconds, address = (fields.pop(name) for name in ("request_id", "seconds", "address"))
    log.put(log.bind(**fields), request_id, seconds, address)


def written(act: Callable[[AccessLog], None], access: str = "all", form: str = "json") -> list[bytes]:
    """The lines of a log after ``act``."""
    stream = io.BytesIO()
    log = AccessLog(LogConfig(access=access, format=form), stream, ManualClock())  # type: ignore[arg-type]
    act(log)
    log.close()
    return stream.getvalue().splitlines()


def test_a_json_line_says_who_asked_what_and_what_came_of_it() -> None:
    (line,) = written(lambda log: one_request(log, upstream_seconds=0.01, cache="hapta; hit"))
    assert orjson.loads(line) == {
        "ts": "2023-11-14T22:13:20.000Z",
        "id": "req-1",
        "method": "GET",
        "path": "/api/health",
        "status": 200,
        "bytes": 120,
        "ms": 12.3,
        "upstream_ms": 10.0,
        "class": "record_read",
        "ip": "203.0.113.9",
        "cache": "hapta; hit",
    }


def test_a_request_that_needed_no_upstream_says_so() -> None:
    (line,) = written(one_request)
    assert orjson.loads(line)["upstream_ms"] is None


def test_a_pretty_line_is_readable() -> None:
    (line,) = written(lambda log: one_request(log, upstream_seconds=0.01), form="pretty")
    assert line.endswith(
        b" 200 GET    /api/health 12.3 ms (upstream 10.0) 120 B record_read 203.0.113.9 req-1"
    )


@pytest.mark.parametrize("form", FORMS)
def test_secret_query_values_are_not_written(form: str) -> None:
    target = "/api/files/docs/abc/a.pdf?token=s3cret&thumb=100x100"
    (line,) = written(lambda log: one_request(log, target=target), form=form)
    assert b"s3cret" not in line
    assert b"thumb=100x100" in line


@pytest.mark.parametrize(
    "kind", [OperationClass.AUTH_ANSWER, OperationClass.AUTH_ACTION, OperationClass.OAUTH2_REDIRECT]
)
@pytest.mark.parametrize("form", FORMS)
def test_nothing_of_the_query_of_an_auth_route_is_written(kind: OperationClass, form: str) -> None:
    target = "/api/collections/users/auth-with-otp?mfaId=s3cret"
    (line,) = written(lambda log: one_request(log, target=target, kind=kind), form=form)
    assert b"s3cret" not in line
    assert b"mfaId" not in line
    assert b"/api/collections/users/auth-with-otp" in line


def test_control_characters_are_escaped_in_pretty_lines() -> None:
    (line,) = written(lambda log: one_request(log, target="/a\x1b[2J\r\nfake line"), form="pretty")
    assert rb"/a\x1b[2J\r\nfake line" in line


@given(
    target=st.text(st.characters(codec=None)),
    method=st.text(st.characters(codec=None), max_size=20),
    status=st.integers(0, 999),
)
def test_whatever_clients_send_one_line_comes_out(target: str, method: str, status: int) -> None:
    for form in FORMS:
        lines = written(lambda log: one_request(log, target=target, method=method, status=status), form=form)
        assert len(lines) == 1


TEXTS = st.text(st.characters(codec=None), max_size=40)
TARGETS = TEXTS | st.sampled_from(
    ["/x?token=s3cret", "/y?a=1&%74oken=s3cret", "/" + "eyJhbGciOi.J9" * 3, "/z" * 2000]
)


def as_orjson_writes_it(at: float, **fields: Any) -> bytes:
    """A line for machines, from all it is made of at once."""
    target = fields["target"]
    if len(target) > 2048:
        target = target[:2048] + "…"
    if fields["kind"] in (
        OperationClass.AUTH_ANSWER,
        OperationClass.AUTH_ACTION,
        OperationClass.OAUTH2_REDIRECT,
    ):
        target = without_query(target)
    upstream = fields.get("upstream_seconds")
    line = {
        "ts": datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "id": fields["request_id"],
        "method": printable(fields["method"]),
        "path": printable(mask_credentials(target)),
        "status": fields["status"],
        "bytes": fields["sent_bytes"],
        "ms": round(fields["seconds"] * 1000, 3),
        "upstream_ms": None if upstream is None else round(upstream * 1000, 3),
        "class": str(fields["kind"]),
        "ip": fields["address"],
    }
    if fields.get("cache") is not None:
        line["cache"] = fields["cache"]
    return orjson.dumps(line)


@given(
    fields=st.fixed_dictionaries(
        {
            "target": TARGETS,
            "method": TEXTS,
            "status": st.integers(0, 999),
            "sent_bytes": st.integers(0, 2**40),
            "seconds": st.integers(0, 10**9).map(lambda us: us / 1e6),
            "kind": st.sampled_from(OperationClass),
        },
        optional={"cache": st.sampled_from(["hit", "miss:uri-miss", 'a "quoted" word'])},
    ),
    upstream_us=st.none() | st.integers(1, 10**8),
)
def test_a_line_in_pieces_is_the_line_as_a_whole(fields: dict[str, Any], upstream_us: int | None) -> None:
    at = ManualClock().now()
    upstream = None if upstream_us is None else upstream_us / 1e6
    (line,) = written(lambda log: one_request(log, **fields, upstream_seconds=upstream))
    assert line == as_orjson_writes_it(at, **(FIELDS | fields), upstream_seconds=upstream)


@given(
    target=TARGETS, status=st.integers(0, 999), cache=st.none() | st.just("hit"), form=st.sampled_from(FORMS)
)
def test_a_bound_line_is_the_same_line(target: str, status: int, cache: str | None, form: str) -> None:
    changes = {"target": target, "status": status, "cache": cache}
    (line,) = written(lambda log: one_bound(log, **changes), form=form)
    assert [line] == written(lambda log: one_request(log, **changes), form=form)


def test_a_bound_line_says_the_time_and_duration_of_each_request() -> None:
    stream, clock = io.BytesIO(), ManualClock()
    log = AccessLog(LogConfig(format="json"), stream, clock)
    fields = {
        name: value for name, value in FIELDS.items() if name not in ("request_id", "seconds", "address")
    }
    bound = log.bind(**fields)
    for number in range(3):
        log.put(bound, f"req-{number}", number / 1000, "203.0.113.9")
        clock.advance(0.25)
    log.close()
    lines = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["id"], line["ms"], line["ts"][-5:]) for line in lines] == [
        ("req-0", 0.0, ".000Z"),
        ("req-1", 1.0, ".250Z"),
        ("req-2", 2.0, ".500Z"),
    ]


def test_a_very_long_target_is_cut() -> None:
    (line,) = written(lambda log: one_request(log, target="/" + "x" * 16_000))
    assert orjson.loads(line)["path"] == "/" + "x" * 2047 + "…"


STATUSES = (200, 301, 200, 404, 200, 500, 200, 0)


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        pytest.param("all", list(STATUSES), id="all"),
        pytest.param("errors", [404, 500, 0], id="errors"),
        pytest.param("off", [], id="off"),
        pytest.param("sample:1", list(STATUSES), id="sample:1"),
        pytest.param("sample:3", [200, 404, 500, 0], id="every third and the errors"),
    ],
)
@pytest.mark.parametrize("request_of", [one_request, one_bound])
def test_what_is_written_is_what_access_says(
    access: str, expected: list[int], request_of: Callable[..., None]
) -> None:
    def requests(log: AccessLog) -> None:
        for status in STATUSES:
            request_of(log, status=status)

    assert [orjson.loads(line)["status"] for line in written(requests, access)] == expected


def test_the_end_of_an_event_stream_is_no_error() -> None:
    def requests(log: AccessLog) -> None:
        one_request(log, status=0, kind=OperationClass.REALTIME_STREAM)
        one_request(log, status=0, kind=OperationClass.FILE)
        one_request(log, status=503, kind=OperationClass.REALTIME_STREAM)

    lines = [orjson.loads(line) for line in written(requests, "errors")]
    assert [(line["class"], line["status"]) for line in lines] == [("file", 0), ("realtime_stream", 503)]


def test_lines_come_in_the_order_of_the_requests_and_none_is_missing() -> None:
    def requests(log: AccessLog) -> None:
        for number in range(5000):
            one_request(log, request_id=str(number))

    assert [orjson.loads(line)["id"] for line in written(requests)] == [str(n) for n in range(5000)]


def test_a_line_appears_without_a_following_one() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb") as stream:
        log = AccessLog(LogConfig(format="json"), stream, ManualClock())
        for _ in range(3):
            one_request(log)
            assert b"/api/health" in reader.readline()
        log.close()


class Stuck(io.BytesIO):
    """A reader that sleeps until :attr:`released`."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def write(self, data: Any) -> int:
        self.entered.set()
        self.released.wait(10)
        return super().write(data)


@pytest.mark.parametrize("request_of", [one_request, one_bound])
def test_a_stuck_reader_costs_lines_which_are_counted_and_never_time(
    monkeypatch: pytest.MonkeyPatch, request_of: Callable[..., None]
) -> None:
    (line,) = written(one_request)
    monkeypatch.setattr(access_log, "MAX_WAITING_CHARS", 10 * len(line))
    stream, told = Stuck(), [0]

    def on_dropped(lines: int) -> None:
        told[0] += lines

    log = AccessLog(LogConfig(format="json"), stream, ManualClock(), on_dropped)
    request_of(log)
    assert stream.entered.wait(5)
    for _ in range(15):
        request_of(log)
    assert log.dropped == told[0] == 6  # what is being written counts as waiting
    log.close(timeout_s=0.05)  # gives up instead of hanging
    stream.released.set()
    log.close()
    assert len(stream.getvalue().splitlines()) == 10


def test_a_reader_that_went_away_costs_lines_which_are_counted() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as stream:
        log = AccessLog(LogConfig(format="json"), stream, ManualClock())
        one_request(log)
        one_request(log)
        log.close()
    assert log.dropped == 2


def test_closing_twice_or_without_a_request_is_harmless() -> None:
    stream: BinaryIO = io.BytesIO()
    for access in ("all", "off"):
        log = AccessLog(LogConfig(access=access), stream, ManualClock())
        log.close()
        log.close()
    assert stream.read() == b""
