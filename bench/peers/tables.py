"""From single runs to tables: a summary, and one for each workload."""

from collections.abc import Callable, Mapping, Sequence

from bench.peers.contenders import HAPTA, NGINX, POCKETBASE
from bench.peers.idle import CONNECTIONS, Held
from bench.peers.rounds import Run
from bench.peers.workloads import WORKLOADS
from bench.statistics import Spread, ratios, table

_LIMITED_SHARE = 0.95
"""Of its core, used by the load generator: from there on the server may have waited for it."""


def of_workload(runs: Sequence[Run], workload: str) -> dict[str, list[Run]]:
    """Its runs that count, by contender, Hapta's last; those without any are there, and empty."""
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.round, run.kind != POCKETBASE, run.kind != NGINX)):
        if run.workload == workload:
            found.setdefault(run.contender, []).extend([] if run.fault else [run])
    return dict(sorted(found.items(), key=lambda item: _place(runs, workload, item[0])))


def _place(runs: Sequence[Run], workload: str, contender: str) -> tuple[int, str]:
    kinds = {run.contender: run.kind for run in runs if run.workload == workload}
    places = {POCKETBASE: 0, NGINX: 1, HAPTA: 3}
    return places.get(kinds[contender], 2), contender


def against(of: Sequence[Run], to: Sequence[Run]) -> Spread | None:
    """Requests a second of one by those of the other, within the rounds both have; ``None`` without one."""
    both = {run.round: run.per_s for run in of}.keys() & {run.round for run in to}
    if not both:
        return None
    numbers = sorted(both)
    first, second = ({run.round: run.per_s for run in runs} for runs in (of, to))
    return ratios([first[number] for number in numbers], [second[number] for number in numbers])


def of_kind(found: Mapping[str, list[Run]], kind: str) -> list[Run]:
    """The runs of the one contender whose figures are that kind's."""
    for runs in found.values():
        if runs and runs[0].kind == kind and not runs[0].contender.endswith(", 200"):
            return runs
    return []


def render(runs: Sequence[Run], idle: Sequence[Held]) -> str:
    """Everything."""
    parts = [summary(runs)]
    if idle:
        parts.append(_idle(idle))
    parts.append("<details><summary>Every server under every workload</summary>")
    for workload in WORKLOADS:
        found = of_workload(runs, workload.name)
        if found:
            parts.append(f"**{_capital(workload.title)}** (`{workload.name}`)\n\n{_table(found)}")
    parts.append("</details>")
    return "\n\n".join([*parts, *_notes(runs)])


def summary(runs: Sequence[Run]) -> str:
    """A row for each workload: Hapta, and what nginx and PocketBase are to it."""
    heads = [
        "asked", "Hapta req/s", "× nginx", "× PocketBase", "CPU µs/req", "nginx's", "nginx's by Hapta's",
        "p99 ms", "nginx's",
    ]  # fmt: skip
    rows = []
    for workload in WORKLOADS:
        found = of_workload(runs, workload.name)
        ours, nginx, direct = (of_kind(found, kind) for kind in (HAPTA, NGINX, POCKETBASE))
        if ours:
            rows.append(
                [
                    workload.title,
                    _shown(ours, lambda run: run.per_s),
                    _ratio(ours, nginx),
                    _ratio(ours, direct),
                    _shown(ours, lambda run: run.cpu_us, 1),
                    _shown(nginx, lambda run: run.cpu_us, 1),
                    _lean(nginx, ours),
                    _shown(ours, lambda run: run.p99_ms, 2),
                    _shown(nginx, lambda run: run.p99_ms, 2),
                ]
            )
    return table(heads, rows)


def _table(found: Mapping[str, list[Run]]) -> str:
    heads = [
        "server", "req/s", "× nginx", "× PocketBase", "p50 ms", "p99 ms", "CPU µs/req", "PocketBase's",
        "RSS MB",
    ]  # fmt: skip
    writes = any(run.stale for runs in found.values() for run in runs)
    if writes:
        heads.append("stale %")
    nginx, direct = of_kind(found, NGINX), of_kind(found, POCKETBASE)
    rows = []
    for name, runs in found.items():
        is_limited = any(run.load_share > _LIMITED_SHARE for run in runs)
        stale = [_shown(runs, lambda run: run.stale)] if writes else []
        rows.append(
            [
                f"{name} ¹" if is_limited else name,
                _shown(runs, lambda run: run.per_s),
                _ratio(runs, nginx),
                _ratio(runs, direct),
                _shown(runs, lambda run: run.p50_ms, 2),
                _shown(runs, lambda run: run.p99_ms, 2),
                "–" if runs and runs[0].kind == POCKETBASE else _shown(runs, lambda run: run.cpu_us, 1),
                _shown(runs, lambda run: run.upstream_us, 1),
                f"{Spread.of(run.rss_mb for run in runs).middle:.0f}" if runs else "–",
                *stale,
            ]
        )
    return table(heads, rows)


def _idle(idle: Sequence[Held]) -> str:
    rows = []
    for name in dict.fromkeys(one.contender for one in idle):
        each = Spread.of(one.bytes_each / 1024 for one in idle if one.contender == name)
        rows.append([name, each.shown(1)])
    heads = [f"{CONNECTIONS:,} idle connections", "KiB each"]
    return table(heads, rows)


def _notes(runs: Sequence[Run]) -> list[str]:
    notes = []
    if any(run.load_share > _LIMITED_SHARE for run in runs):
        notes.append(
            "¹ wrk used its whole core in a round at least: the server could have answered more. Its CPU per "
            "request tells."
        )
    notes += [
        f"Does not count: {run.contender}, {run.workload}, round {run.round + 1}: {run.fault}."
        for run in runs
        if run.fault
    ]
    if runs:
        others = max(run.foreign for run in runs)
        notes.append(f"Other processes used at most {others:.2f} cores during a run.")
    return notes


def _shown(runs: Sequence[Run], value: Callable[[Run], float], digits: int = 0) -> str:
    return Spread.of(map(value, runs)).shown(digits) if runs else "–"


def _ratio(of: Sequence[Run], to: Sequence[Run]) -> str:
    found = against(of, to)
    if found is None:
        return "–"
    return found.shown(2 if found.middle < 10 else 0)


def _lean(of: Sequence[Run], to: Sequence[Run]) -> str:
    """The processor time of one by that of the other: what a busy machine changes least."""
    if not of or not to:
        return "–"
    of_us, to_us = (Spread.of(run.cpu_us for run in runs).middle for runs in (of, to))
    return f"{of_us / to_us:.2f}" if to_us else "–"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
