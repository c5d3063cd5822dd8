"""What a measurement is given, and what it gives back."""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured, and where.

    Attributes:
        home: an empty folder for servers' data and logs, removed afterwards.
        runs: rounds of each measurement.
        seconds: length of one run under load.
        streams: event streams held open at once.
        is_quick: to see that it works, or what a change has done.
        only: names of the workloads to run; all when empty.
        checkouts: other working copies of Hapta to measure beside this one, by name.
        outside: URLs of further servers, by name.
        pocketbase_port: where PocketBase is to listen; any free port when ``None``.
    """

    home: Path
    runs: int
    seconds: float
    streams: int
    is_quick: bool = False
    only: Collection[str] = ()
    checkouts: Mapping[str, Path] = field(default_factory=dict)
    outside: Mapping[str, str] = field(default_factory=dict)
    pocketbase_port: int | None = None

    @staticmethod
    def say(line: str) -> None:
        """Tell how far it is; the tables alone go to standard output."""
        print(line, file=sys.stderr, flush=True)

    def folder(self, name: str) -> Path:
        """A new folder in ``home``."""
        folder = self.home / name
        folder.mkdir()
        return folder


@dataclass(frozen=True, slots=True)
class Section:
    """A measurement, done.

    Attributes:
        name: of the measurement, and of its place in docs/performance.md.
        tables: Markdown.
        runs: every single run, for ``--json``.
        aside: Markdown for who measured, and not for the documentation.
        files: what the tables refer to, by the name of the file beside docs/performance.md.
    """

    name: str
    tables: str
    runs: list[dict[str, Any]]
    aside: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
