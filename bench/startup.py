"""How long ``hapta serve`` takes from its start to ``/api/hapta/health/ready`` answering 200.

Not pinned: a server starts on a machine that has its cores to itself.
"""

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bench.hapta import hapta
from bench.plan import Plan, Section
from bench.pocketbase import PocketBase, pocketbase
from bench.statistics import Spread, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REMOTE, AGAIN, FIRST = "remote", "embedded", "first"
_WHAT = {
    REMOTE: "before a PocketBase that runs",
    AGAIN: "with its own PocketBase",
    FIRST: "with its own PocketBase, very first start",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One start."""

    round: int
    kind: str
    seconds: float


def measure(plan: Plan) -> Section:
    """Run everything, and make the table."""
    runs = []
    with ExitStack() as stack:
        upstream = stack.enter_context(pocketbase(plan.folder("startup-remote")))
        for number in range(plan.runs):
            home = plan.folder(f"startup-{number}")
            for kind, its_upstream in ((REMOTE, upstream), (FIRST, None), (AGAIN, None)):
                run = Run(number, kind, _start(home, its_upstream))
                plan.say(f"startup, round {number + 1}: {_WHAT[kind]}: {run.seconds:.2f} s")
                runs.append(run)
    return Section("startup", render(runs), [asdict(run) for run in runs])


def _start(home: "Path", upstream: PocketBase | None) -> float:
    began = time.monotonic()
    with hapta(home, upstream, is_pinned=False):
        return time.monotonic() - began


def render(runs: "Sequence[Run]") -> str:
    """The table."""
    rows = [
        [what, Spread.of(run.seconds for run in runs if run.kind == kind).shown(2)]
        for kind, what in _WHAT.items()
    ]
    return table(["`hapta serve`", "seconds until ready"], rows)
