"""What a measurement is given, and what it gives back."""

import sys
from dataclasses import dataclass
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
    """

    home: Path
    runs: int
    seconds: float
    streams: int

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
    """

    name: str
    tables: str
    runs: list[dict[str, Any]]
