"""The report of wrk is found in what it prints."""

from pathlib import Path

import pytest

from bench import wrk
from bench.errors import BenchError
from bench.wrk import Report, parse

PRINTED = """\
Running 2s test @ http://127.0.0.1:8090/
  1 threads and 64 connections
  8000 requests in 2.00s, 4.19MB read
Requests/sec:   4000.00
JSON{"requests":8000,"us":2000000,"bytes":4400000,"errors":2,"refusals":1,"p50_us":250.0,"p99_us":12500.5}
"""


def test_requests_errors_and_latencies_are_read() -> None:
    report = parse(PRINTED)
    assert report == Report(
        requests=8000, seconds=2.0, received_bytes=4_400_000, errors=3, p50_ms=0.25, p99_ms=12.5005
    )
    assert report.per_s == 4000.0


def test_where_refusals_are_wanted_all_else_is_an_error() -> None:
    assert parse(PRINTED, is_refused=True).errors == 8001


@pytest.mark.parametrize("printed", ["", "unable to connect to 127.0.0.1:1 Connection refused\n"])
def test_output_without_a_report_is_an_error_that_shows_it(printed: str) -> None:
    with pytest.raises(BenchError, match=printed.strip() or "no report"):
        parse(printed)


def test_a_run_in_which_nothing_is_answered_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = 'JSON{"requests":0,"us":1000000,"bytes":0,"errors":0,"refusals":0,"p50_us":0.0,"p99_us":0.0}'
    monkeypatch.setattr(wrk, "run", lambda *arguments, **keywords: nothing)
    with pytest.raises(BenchError, match=r"no request to .* was answered within 1 s"):
        wrk.load(tmp_path, "http://127.0.0.1:1/", 1, 1)
