"""The result before: kept in a file outside of version control, and what has changed since."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench.peers.contenders import HAPTA, NGINX
from bench.peers.rounds import Run
from bench.peers.tables import against, of_kind, of_workload
from bench.peers.workloads import WORKLOADS
from bench.statistics import Spread, table

FOLDER: Final = Path(__file__).parents[2] / ".bench"


def path_of(*, is_quick: bool) -> Path:
    """Where the last result is; short runs are compared with short ones."""
    return FOLDER / f"peers{'-quick' if is_quick else ''}.json"


def read(path: Path) -> list[Run]:
    """The last result; nothing when there is none, or one of another form."""
    try:
        return [Run(**run) for run in json.loads(path.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def write(path: Path, runs: Sequence[Run], before: Sequence[Run]) -> None:
    """Keep ``runs``, and of ``before`` the workloads that were not measured anew."""
    anew = {run.workload for run in runs}
    kept = [*(run for run in before if run.workload not in anew), *runs]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(run) for run in kept], indent=1) + "\n", encoding="utf-8")


def beside(runs: Sequence[Run], name: str) -> str:
    """Hapta and another working copy of it, within the rounds."""
    rows = []
    for workload in WORKLOADS:
        found = of_workload(runs, workload.name)
        ours, other = of_kind(found, HAPTA), of_kind(found, name)
        ratio = against(ours, other)
        if ratio is None:
            continue
        cpu = [Spread.of(run.cpu_us for run in mine) for mine in (other, ours)]
        change = f"{cpu[1].middle / cpu[0].middle - 1:+.0%}" if cpu[0].middle else "–"
        rows.append([workload.title, ratio.shown(2), *(one.shown(1) for one in cpu), change])
    heads = [f"Hapta beside {name}", f"req/s × {name}", f"{name}: CPU µs/req", "Hapta", "change"]
    return table(heads, rows) if rows else ""


def compared(before: Sequence[Run], after: Sequence[Run]) -> str:
    """Hapta before and after, by what a busy machine changes least: ratios to nginx, and processor time."""
    rows = []
    for workload in WORKLOADS:
        old, new = (of_workload(runs, workload.name) for runs in (before, after))
        ours = of_kind(old, HAPTA), of_kind(new, HAPTA)
        if not all(ours):
            continue
        ratios = [against(mine, of_kind(all_, NGINX)) for mine, all_ in zip(ours, (old, new), strict=True)]
        cpu = [Spread.of(run.cpu_us for run in mine).middle for mine in ours]
        p99 = [Spread.of(run.p99_ms for run in mine).middle for mine in ours]
        rows.append(
            [
                workload.title,
                *("–" if ratio is None else f"{ratio.middle:.2f}" for ratio in ratios),
                *(f"{value:.1f}" for value in cpu),
                f"{cpu[1] / cpu[0] - 1:+.0%}" if cpu[0] else "–",
                *(f"{value:.2f}" for value in p99),
            ]
        )
    heads = [
        "Hapta before and after", "× nginx", "after", "CPU µs/req", "after", "change", "p99 ms", "after",
    ]  # fmt: skip
    return table(heads, rows) if rows else ""
