"""A server under measurement: a child process with its log, started, waited for and always ended."""

import http.client
import random
import resource
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.machine import cores, pinned

_PORTS = range(18_000, 30_000)
"""Below the usual ephemeral range: no outgoing connection takes a port between choice and bind."""


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
    raise BenchError(f"no free port between {_PORTS.start} and {_PORTS.stop}")


def allow_files(wanted: int) -> None:
    """Let this process and its children open that many; a gateway holds two sockets for each stream.

    Raises:
        BenchError: the operating system's hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchError(f"{wanted} open files are needed, the hard limit is {hard}: ulimit -Hn {wanted}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def child(
    name: str,
    command: list[str],
    home: Path,
    *,
    environment: Mapping[str, str] | None = None,
    is_pinned: bool = True,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` in ``home`` with its output in ``NAME.log`` there, on the servers' core."""
    # another session: Ctrl-C reaches this process alone, which then ends the others in order
    with (home / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            pinned(command, cores().servers) if is_pinned else command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ok(
    process: subprocess.Popen[bytes], port: int, path: str, log: Path, timeout_s: float = 20.0
) -> None:
    """Return as soon as ``path`` answers 200.

    Raises:
        BenchError: the process ended, or ``timeout_s`` seconds were not enough.
    """
    ends_at = time.monotonic() + timeout_s
    while not is_ok(port, path):
        if process.poll() is not None or time.monotonic() > ends_at:
            what = "did not get ready" if process.poll() is None else f"ended with {process.returncode}"
            said = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
            raise BenchError(f"{log.stem} {what}; it said:\n{said}")
        time.sleep(0.005)


def wait_until_answered(port: int, path: str, timeout_s: float) -> None:
    """Return as soon as somebody else's server answers ``path`` with 200.

    Raises:
        BenchError: ``timeout_s`` seconds were not enough.
    """
    ends_at = time.monotonic() + timeout_s
    while not is_ok(port, path):
        if time.monotonic() > ends_at:
            raise BenchError(f"http://127.0.0.1:{port}{path} does not answer 200")
        time.sleep(0.1)


def is_ok(port: int, path: str) -> bool:
    """Whether a GET is answered with 200 now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
