"""What passing a request on costs: PocketBase alone, behind nginx, behind Hapta.

All servers share one core, so a proxy takes from PocketBase what it uses itself. Each round asks all of them
one after the other; ratios and differences are taken within a round.
"""

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from bench import proc, wrk
from bench.hapta import WITHOUT_CACHE, hapta
from bench.meter import QUIET_SHARE, Meter, wait_until_quiet
from bench.nginx import plain_proxy
from bench.plan import Plan, Section
from bench.pocketbase import PocketBase, pocketbase
from bench.statistics import Spread, differences, ratios, table

POCKETBASE, NGINX, HAPTA = "PocketBase", "nginx", "Hapta"
CONNECTIONS = (64, 1)
LIST = "/api/collections/posts/records?page=1&perPage=30&sort=-created"
VIEW = "/api/collections/posts/records/{id}"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server to be measured."""

    name: str
    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, over how many connections."""

    name: str
    path: str
    connections: int


@dataclass(frozen=True, slots=True)
class Run:
    """One contender under one load in one round.

    Attributes:
        cpu_us: processor time of the contender's own processes per request; without PocketBase's for a proxy.
        foreign: cores used by processes that have nothing to do with the measurement.
    """

    load: str
    connections: int
    round: int
    contender: str
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    rss_mb: float
    foreign: float


def measure(plan: Plan) -> Section:
    """Run everything, and make the tables."""
    runs: list[Run] = []
    with ExitStack() as stack:
        upstream = stack.enter_context(pocketbase(plan.home))
        nginx = stack.enter_context(plain_proxy(plan.home, upstream.port))
        ours = stack.enter_context(
            hapta(plan.home, upstream, {"server.keepalive_timeout_s": 600, **WITHOUT_CACHE})
        )
        contenders = [
            Contender(POCKETBASE, upstream.pid, upstream.port),
            Contender(NGINX, nginx.pid, nginx.port),
            Contender(HAPTA, ours.pid, ours.port),
        ]
        for load in _loads(upstream):
            for contender in contenders:
                wrk.load(plan.home, _url(contender, load), load.connections, 1)
            for number in range(plan.runs):
                runs += _round(plan, upstream, contenders, load, number)
    return Section("passthrough", render(runs), [asdict(run) for run in runs])


def _loads(upstream: PocketBase) -> list[Load]:
    paths = (("view", VIEW.format(id=upstream.ids[0])), ("list", LIST))
    return [Load(name, path, connections) for name, path in paths for connections in CONNECTIONS]


def _round(
    plan: Plan, upstream: PocketBase, contenders: list[Contender], load: Load, number: int
) -> list[Run]:
    """All contenders one after the other; the least disturbed of up to three tries.

    A try as a whole: a ratio means something only between runs that saw the same machine.
    """
    tries: list[list[Run]] = []
    while len(tries) < 3 and not any(_disturbance(runs) < QUIET_SHARE for runs in tries):
        wait_until_quiet()
        runs = [_run(plan, upstream, contender, load, number) for contender in contenders]
        plan.say(
            f"{load.name}, {load.connections} connections, round {number + 1}, try {len(tries) + 1}: "
            + ", ".join(f"{run.contender} {run.per_s:,.0f} req/s ({run.cpu_us:.0f} µs)" for run in runs)
            + f"; others used up to {_disturbance(runs):.2f} cores"
        )
        tries.append(runs)
    return min(tries, key=_disturbance)


def _url(contender: Contender, load: Load) -> str:
    return f"http://127.0.0.1:{contender.port}{load.path}"


def _disturbance(runs: list[Run]) -> float:
    return max(run.foreign for run in runs)


def _run(plan: Plan, upstream: PocketBase, contender: Contender, load: Load, number: int) -> Run:
    own = proc.tree(contender.pid)
    meter = Meter(own, proc.tree(upstream.pid))
    report = wrk.load(plan.home, _url(contender, load), load.connections, plan.seconds)
    used = meter.read()
    return Run(
        load=load.name,
        connections=load.connections,
        round=number,
        contender=contender.name,
        per_s=report.per_s,
        p50_ms=report.p50_ms,
        p99_ms=report.p99_ms,
        cpu_us=used.own_s * 1e6 / report.requests,
        rss_mb=proc.rss_bytes(own) / 2**20,
        foreign=used.foreign,
    )


def render(runs: list[Run]) -> str:
    """One table for each load and number of connections."""
    groups: dict[tuple[str, int], dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        groups[run.load, run.connections][run.contender].append(run)
    return "\n\n".join(_render(load, count, by) for (load, count), by in groups.items())


def _render(load: str, connections: int, by_contender: dict[str, list[Run]]) -> str:
    heads = ["server", "req/s", "× nginx", "p50 ms", "added p50 ms", "p99 ms", "CPU µs/req", "RSS MB"]
    direct, nginx = by_contender[POCKETBASE], by_contender[NGINX]
    rows = []
    for name, runs in by_contender.items():
        per_s, p50 = [run.per_s for run in runs], [run.p50_ms for run in runs]
        rows.append(
            [
                name,
                Spread.of(per_s).shown(),
                ratios(per_s, [run.per_s for run in nginx]).shown(2),
                Spread.of(p50).shown(2),
                "–" if name == POCKETBASE else differences(p50, [run.p50_ms for run in direct]).shown(2),
                Spread.of(run.p99_ms for run in runs).shown(2),
                Spread.of(run.cpu_us for run in runs).shown(),
                f"{Spread.of(run.rss_mb for run in runs).middle:.0f}",
            ]
        )
    what = {"view": "A view of one record", "list": "A list of 30 records"}[load]
    s = "" if connections == 1 else "s"
    others = max(run.foreign for runs in by_contender.values() for run in runs)
    disturbed = f"Other processes used at most {others:.2f} cores during a run."
    return f"**{what}, {connections} connection{s}**\n\n{table(heads, rows)}\n\n{disturbed}"
