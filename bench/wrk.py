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
    'JSON{"requests":%d,"us":%d,"errors":%d,"p50_us":%.1f,"p99_us":%.1f}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
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


def parse(output: str) -> Report:
    """Find the report in what wrk printed.

    Raises:
        BenchError: there is none.
    """
    found = re.search(r"^JSON(\{.*\})$", output, re.MULTILINE)
    if found is None:
        raise BenchError(f"wrk made no report; it said:\n{output.strip()}")
    seen = json.loads(found[1])
    return Report(
        seen["requests"], seen["us"] / 1e6, seen["errors"], seen["p50_us"] / 1000, seen["p99_us"] / 1000
    )


def load(home: Path, url: str, connections: int, seconds: float) -> Report:
    """GET ``url`` over ``connections`` kept-alive connections, as fast as they are answered.

    Raises:
        BenchError: wrk failed, or a request did.
    """
    script = home / "report.lua"
    script.write_text(_REPORT, encoding="ascii")
    command = [tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(script), url]
    done = subprocess.run(
        pinned(command, cores().load), capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    report = parse(done.stdout + done.stderr)
    if report.errors:
        raise BenchError(f"{report.errors} of {report.requests} requests to {url} failed: no figures")
    return report
