"""A Hapta whose configuration stands in its ``config.toml``, to be written anew while it runs."""

import json
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.hapta import UNLIMITED, Hapta
from tests.support.process import free_port, wait_until


class Site:
    """One Hapta and its file.

    Attributes:
        hapta: not started yet.
        settings: what stands in the file, by dotted key.
    """

    def __init__(self, home: Path, upstream: str | None, settings: Mapping[str, Any] | None = None) -> None:
        self.settings: dict[str, Any] = {"server.port": free_port(), "metrics.enabled": False, **UNLIMITED}
        self.settings |= settings or {}
        self.hapta = Hapta(home, upstream, self.settings)
        self.hapta.command = [sys.executable, "-m", "hapta", "serve"]
        self.path = home / "config.toml"
        self.write()

    @property
    def url(self) -> str:
        return self.hapta.url

    def write(self, **changes: Any) -> None:
        """Write the file with other values; ``None`` takes a key out. ``__`` stands for a dot."""
        for name, value in changes.items():
            key = name.replace("__", ".")
            if value is None:
                del self.settings[key]
            else:
                self.settings[key] = value
        self.path.write_text(as_toml(self.settings))

    def hang_up(self) -> None:
        """Send SIGHUP."""
        assert self.hapta.process is not None
        self.hapta.process.send_signal(signal.SIGHUP)

    def events(self, name: str) -> list[dict[str, Any]]:
        """All events of a name so far."""
        lines = [json.loads(line) for line in self.hapta.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def reload(self, **changes: Any) -> dict[str, Any]:
        """Write the file and send SIGHUP; the event that tells what became of it."""
        self.write(**changes)
        return self.told_after_signal("reloaded")

    def refuse(self) -> list[str]:
        """Send SIGHUP for a file that cannot be taken; what the log says of it."""
        before = len(self.events("reload_refused"))
        self.told_after_signal("reload_refused")
        return [each["message"] for each in self.events("reload_refused")[before:]]

    def told_after_signal(self, event: str) -> dict[str, Any]:
        before = len(self.events(event))
        self.hang_up()
        wait_until(lambda: len(self.events(event)) > before, f"{event}; its log:\n{self.hapta.log[-2000:]}")
        return self.events(event)[before]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of Hapta's commands, as its operator runs it there."""
        done = subprocess.run(
            [sys.executable, "-m", "hapta", *arguments],
            cwd=self.hapta.home,
            env=self.hapta.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done


def as_toml(settings: Mapping[str, Any]) -> str:
    """Dotted keys as tables."""
    tables: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in settings.items():
        table, _, name = key.rpartition(".")
        tables[table].append(f"{name} = {_value(value)}")
    return "\n".join(f"[{table}]\n" + "\n".join(lines) + "\n" for table, lines in tables.items())


def _value(value: Any) -> str:
    if isinstance(value, bool | str | int | float):
        return json.dumps(value)
    if isinstance(value, Path):
        return json.dumps(str(value))
    return "[" + ", ".join(map(_value, value)) + "]"
