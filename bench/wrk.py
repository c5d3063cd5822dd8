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
    'JSON{"requests":%d,"us":%d,"bytes":%d,"errors":%d,"refusals":%d,"p50_us":%.1f,"p99_us":%.1f}\\n',
    summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.timeout, e.status,
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
    """What one run of wrk saw; latencies in milliseconds.

    Attributes:
        received_bytes: of all answers, their heads included.
        errors: answers that were refusals, or none at all.
    """

    requests: int
    seconds: float
    received_bytes: int
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
        seen["bytes"],
        seen["errors"] + unwanted,
        seen["p50_us"] / 1000,
        seen["p99_us"] / 1000,
    )


def run(home: Path, url: str, connections: int, seconds: float, *, script: str = "", threads: int = 1) -> str:
    """Load ``url`` over ``connections`` kept-alive connections, and return what wrk printed.

    Args:
        script: Lua that says what is asked; a GET of ``url`` without it.
        threads: of wrk, each with a Lua state and an equal share of the connections.
    """
    path = home / "report.lua"
    path.write_text(script + _REPORT, encoding="ascii")
    command = [tool("wrk"), f"-t{threads}", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout=10s"]
    command += ["-s", str(path), url]
    done = subprocess.run(
        pinned(command, cores().load), capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    return done.stdout + done.stderr


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
        BenchError: wrk failed, a request did, or none was answered in time.
    """
    script = "" if posted is None else _POST.format(body=posted)
    report = parse(run(home, url, connections, seconds, script=script), is_refused=is_refused)
    if report.errors:
        raise BenchError(f"{report.errors} of {report.requests} requests to {url} failed: no figures")
    if not report.requests:
        raise BenchError(f"no request to {url} was answered within {seconds:.0f} s: no figures")
    return report
