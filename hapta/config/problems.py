"""Collects what is wrong in one table of those whose keys are not Hapta's, each with where it stands."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problems:
    """Those of one table.

    Attributes:
        table: its dotted name.
        origins: where each dotted key was set.
        lines: one for each problem.
    """

    table: str
    origins: Mapping[str, str]
    lines: list[str] = field(default_factory=list)

    def add(self, key: str, problem: str) -> None:
        """Something is wrong at a key below the table."""
        dotted = f"{self.table}.{key}" if key else self.table
        known = dotted
        while known not in self.origins and "." in known:
            known = known.rpartition(".")[0]
        where = self.origins.get(known, f"[{self.table}]")
        self.lines.append(f"{where}: {dotted}: {problem}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
