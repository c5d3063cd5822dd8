"""Hapta as its operator runs it: ``python -m hapta serve`` in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.support.pocketbase import GATEWAY_EMAIL, PASSWORD
from tests.support.process import end_process, free_port, tail, wait_until

SECRET = "test-secret-Zk3vQ9xW7uT1bN5mR8cY2pL6"
"""At least 32 bytes, not a placeholder."""
UNLIMITED = {
    "ratelimit.max": 1_000_000,
    "ratelimit.burst": 1_000_000,
    "ratelimit.duration": 1,
    "login.failures": 1000,
}
"""All tests come from one address and share accounts: the limits stand in the way, out of reach. Tests of
limits choose their own."""

KNOWN_HOOKS = {"cache.pb_hooks": "none", "cache.collections.hooked.pb_hooks": "request"}
"""What ``tests/pb_hooks`` does to reads, so that answers are shared wherever they may be."""


class Hapta:
    """One ``hapta serve``; :meth:`start` and :meth:`stop` may alternate, port and folder stay the same.

    Attributes:
        url: base URL for clients.
        log_path: everything the process wrote to stdout and stderr.
    """

    def __init__(
        self,
        home: Path,
        upstream: str | None,
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        """
        Args:
            home: existing folder; working directory and state dir of the process.
            upstream: URL of the PocketBase; ``None`` for an embedded one.
            settings: configuration keys in dotted form, each passed as ``--set key=value``.
            env: further environment variables; an empty value removes one.
            arguments: further arguments of ``hapta serve``.
        """
        chosen = {"server.port": free_port(), "metrics.enabled": False, **UNLIMITED, **KNOWN_HOOKS}
        chosen |= settings or {}
        self.home = home
        self.upstream = upstream
        self.port = int(chosen["server.port"])
        self.url = f"{'https' if 'server.tls_cert' in chosen else 'http'}://127.0.0.1:{self.port}"
        self.log_path = home / "hapta.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.command = [sys.executable, "-m", "hapta", "serve", *arguments]
        for key, value in chosen.items():
            self.command += ["--set", f"{key}={_text(value)}"]
        self.environment = _environment(upstream, env or {})

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def start(self, timeout_s: float = 15.0) -> None:
        """Run, and return when ``/api/hapta/health/ready`` answers 200."""
        self.launch()
        self.wait_until_ready(timeout_s)

    def launch(self) -> None:
        """Run without waiting."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def wait_until_ready(self, timeout_s: float = 15.0) -> None:
        wait_until(self.is_ready, f"Hapta ready; its log: {self.log_path}", timeout_s)

    def is_ready(self) -> bool:
        """Whether it is ready now; fails the test when the process has ended."""
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"hapta serve ended with {code}:\n{tail(self.log_path)}"
        try:
            url = f"{self.url}/api/hapta/health/ready"
            # which certificate it shows is for the tests about that
            return httpx.get(url, timeout=5, verify=not url.startswith("https:")).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """SIGTERM; fails unless it ends in time with exit code 0, never having written a traceback."""
        if self.process is None:
            return
        code = end_process(self.process, timeout_s=30)
        self.process = None
        assert code == 0, f"hapta serve ended with {code}:\n{tail(self.log_path)}"
        assert "Traceback (most recent call last)" not in self.log, (
            f"a traceback in {self.log_path}:\n{self.log}"
        )

    def kill(self) -> None:
        """SIGKILL: nothing is asserted afterwards."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=5)
        self.process = None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _environment(upstream: str | None, env: Mapping[str, str]) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    variables = {name: value for name, value in os.environ.items() if not name.upper().startswith("HAPTA_")}
    variables |= {"PYTHONPATH": root, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    if upstream is not None:
        variables |= {
            "DatabaseURL": upstream,
            "AdminEmail": GATEWAY_EMAIL,
            "AdminPassword": PASSWORD,
            "Secret": SECRET,
        }
    variables |= env
    return {name: value for name, value in variables.items() if value}
