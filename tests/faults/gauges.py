"""What a running Hapta holds: seen at its metrics and in /proc."""

import os
import re
from pathlib import Path

from tests.faults.clients import ask
from tests.support.hapta import Hapta
from tests.support.process import wait_until


class Gauges:
    """The gauges of one Hapta started with ``metrics.port``."""

    def __init__(self, hapta: Hapta, metrics_port: int) -> None:
        self.hapta = hapta
        self._url = f"http://127.0.0.1:{metrics_port}"

    def read(self) -> dict[str, float]:
        """All gauges and counters without labels, by name."""
        text = ask(self._url, "GET", "/metrics", "Connection: close").body.decode()
        return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}

    def value(self, name: str) -> float:
        return self.read()[f"hapta_{name}"]

    def wait_for(self, name: str, value: float, timeout_s: float = 3.0) -> None:
        """Return as soon as the gauge has this value."""
        wait_until(lambda: self.value(name) == value, f"hapta_{name} {value}", timeout_s)

    def held(self) -> dict[str, float]:
        """What must be nothing once nobody asks anything."""
        now = self.read()
        return {name: now[f"hapta_{name}"] for name in ("open_connections", "open_streams", "spooled_bytes")}

    def wait_until_quiet(self, timeout_s: float = 3.0) -> None:
        """Return when no client connection, no stream and no spooled byte is left."""
        try:
            wait_until(lambda: not any(self.held().values()), "quiet", timeout_s)
        except TimeoutError:
            raise AssertionError(f"left behind: {self.held()}") from None

    def file_descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.hapta.pid}/fd"))

    def resident_bytes(self) -> int:
        return memory_bytes(self.hapta.pid, "VmRSS")


def memory_bytes(pid: int, field: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (the most so far) of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
