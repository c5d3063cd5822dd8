"""What a create costs that its schema refuses: by PocketBase, by PocketBase behind Hapta, at Hapta's edge.

All servers share one core; ratios are taken within a round. And what the look at a body costs a create in
order, without servers.
"""

import json
import timeit
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import httpx

from bench import notes, wrk
from bench.errors import BenchError
from bench.hapta import hapta
from bench.plan import Plan, Section
from bench.pocketbase import pocketbase
from bench.statistics import Spread, ratios, table
from hapta.model.schema import Collection
from hapta.validation import compile_checker

DIRECT, PASSED, EDGE = "PocketBase", "PocketBase behind Hapta", "Hapta at the edge"
CONNECTIONS = (64, 1)
_REFUSED = json.dumps({**notes.IN_ORDER, "title": "", "kind": "z"})
_LOOKS = 2_000


@dataclass(frozen=True, slots=True)
class Run:
    """One round of one way to refuse, or of looking.

    Attributes:
        per_s: requests a second; looks a second where ``connections`` is 0.
    """

    round: int
    what: str
    connections: int
    per_s: float
    p50_ms: float


def measure(plan: Plan) -> Section:
    """Run everything, and make the tables."""
    runs: list[Run] = []
    with ExitStack() as stack:
        upstream = stack.enter_context(pocketbase(plan.home))
        collection = notes.make(upstream)
        known = {"cache.pb_hooks": "none"}
        passing = stack.enter_context(
            hapta(plan.folder("passing"), upstream, {**known, "validation.schema": "false"})
        )
        edge = stack.enter_context(hapta(plan.folder("edge"), upstream, known))
        ports = {DIRECT: upstream.port, PASSED: passing.port, EDGE: edge.port}
        _see_the_same(ports)
        for number in range(plan.runs):
            for connections in CONNECTIONS:
                for what, port in ports.items():
                    url = f"http://127.0.0.1:{port}{notes.PATH}"
                    report = wrk.load(
                        plan.home, url, connections, plan.seconds, posted=_REFUSED, is_refused=True
                    )
                    plan.say(
                        f"refusals, round {number + 1}, {connections}: {what}: {report.per_s:,.0f} req/s"
                    )
                    runs.append(Run(number, what, connections, report.per_s, report.p50_ms))
            runs.append(_look(number, collection))
    return Section("refusals", render(runs), [asdict(run) for run in runs])


def _see_the_same(ports: dict[str, int]) -> None:
    """Everybody refuses alike; the edge has seen PocketBase do it."""
    headers = {"Content-Type": "application/json"}
    for _ in range(2):
        answers = {
            what: httpx.post(f"http://127.0.0.1:{port}{notes.PATH}", content=_REFUSED, headers=headers)
            for what, port in ports.items()
        }
    if len({answer.content for answer in answers.values()}) > 1:
        raise BenchError("they refuse in different words: no figures")
    if answers[EDGE].headers["Cache-Status"] != "hapta; detail=edge-refusal":
        raise BenchError("Hapta asks PocketBase: no figures")


def _look(number: int, collection: Collection) -> Run:
    checker = compile_checker(collection)
    assert checker is not None
    assert checker.verdict(notes.IN_ORDER) is None
    seconds = min(timeit.repeat(lambda: checker.verdict(notes.IN_ORDER), number=_LOOKS, repeat=5)) / _LOOKS
    return Run(number, "look", 0, 1 / seconds, seconds * 1000)


def render(runs: list[Run]) -> str:
    """A table of the ways to refuse, and a line for the look."""
    rows = []
    for connections in CONNECTIONS:
        of = {
            what: [run for run in runs if (run.what, run.connections) == (what, connections)]
            for what in (DIRECT, PASSED, EDGE)
        }
        passed = [run.per_s for run in of[PASSED]]
        for what, found in of.items():
            per_s = [run.per_s for run in found]
            rows.append(
                [
                    f"{what}, {connections}",
                    Spread.of(per_s).shown(),
                    ratios(per_s, passed).shown(2),
                    Spread.of(run.p50_ms for run in found).shown(2),
                ]
            )
    looks = Spread.of(run.p50_ms * 1000 for run in runs if run.what == "look").shown(1)
    heads = ["who refuses, connections", "req/s", "× behind Hapta", "p50 ms"]
    return f"{table(heads, rows)}\n\nLooking at a body of five fields that is in order: {looks} µs."
