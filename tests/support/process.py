"""Child processes of a test: a free port, a log file, waiting until something is true."""

import os
import random
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_PORTS = range(18_000, 30_000)
"""Below the usual ephemeral range: no outgoing connection takes a port between choice and bind."""
if _worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # nor does another test process: every one chooses among ports of its own
    _PORTS = _PORTS[int(_worker.removeprefix("gw")) % 8 :: 8]


def free_port() -> int:
    """A loopback TCP port nobody listens on now."""
    for _ in range(200):
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port in {_PORTS}")


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 10.0, every_s: float = 0.02) -> None:
    """Return as soon as ``holds()``.

    Raises:
        TimeoutError: it did not hold within ``timeout_s`` seconds.
    """
    ends_at = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > ends_at:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(every_s)


def end_process(process: subprocess.Popen[bytes], timeout_s: float = 10.0) -> int:
    """SIGTERM, then SIGKILL after ``timeout_s``; returns the exit code (-9 when it had to be killed)."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)
    return process.returncode


def tail(path: Path, lines: int = 40) -> str:
    """The last lines of a log file."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
