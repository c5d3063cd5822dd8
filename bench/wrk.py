"""The load: wrk, told to report as JSON."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.machine import cores, pinned, tool

_REPORT = """\
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'JSON{"requests":%d,"us":%d,"errors":%d,"refusals":%d,"p50_us":%.1f,"p99_us":%.1f}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end
"""

_POST = """\
wrk.method = "POST"
wrk.body = [[{body}]]
wrk.headers["Content-Type"] = "application/json"
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of wrk saw; latencies in milliseconds."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds


def parse(output: str, *, is_refused: bool = False) -> Report:
    """Find the report in what wrk printed.

    Args:
        is_refused: an answer of status 400 and up is what is wanted, and any other an error.

    Raises:
        BenchError: there is none.
    """
    found = re.search(r"^JSON(\{.*\})$", output, re.MULTILINE)
    if found is None:
        raise BenchError(f"wrk made no report; it said:\n{output.strip()}")
    seen = json.loads(found[1])
    unwanted = seen["requests"] - seen["refusals"] if is_refused else seen["refusals"]
    return Report(
        seen["requests"],
        seen["us"] / 1e6,
        seen["errors"] + unwanted,
        seen["p50_us"] / 1000,
        seen["p99_us"] / 1000,
    )


def load(
    home: Path,
    url: str,
    connections: int,
    seconds: float,
    *,
    posted: str | None = None,
    is_refused: bool = False,
) -> Report:
    """GET ``url`` over ``connections`` kept-alive connections, as fast as they are answered.

    Args:
        posted: JSON to POST instead.
        is_refused: each request is to be refused.

    Raises:
        BenchError: wrk failed, or a request did.
    """
    script = home / "report.lua"
    post = "" if posted is None else _POST.format(body=posted)
    script.write_text(post + _REPORT, encoding="ascii")
    command = [tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(script), url]
    done = subprocess.run(
        pinned(command, cores().load), capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    report = parse(done.stdout + done.stderr, is_refused=is_refused)
    if report.errors:
        raise BenchError(f"{report.errors} of {report.requests} requests to {url} failed: no figures")
    return report
