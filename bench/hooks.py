"""What plugins' hooks cost: a write in this process, creates through a gateway, and other requests while
hooks work hard.

Creates are measured with PocketBase and both gateways on one core. Heavy hooks are measured on all cores, as
a pool of workers is there to use another one.
"""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from bench import guards, notes, wrk
from bench.errors import BenchError
from bench.hapta import Hapta, hapta
from bench.plan import Plan, Section
from bench.pocketbase import PocketBase, pocketbase
from bench.statistics import Spread, ratios, table

DIRECT, WITHOUT, WITH = "PocketBase", "Hapta, no hook", "Hapta, ten validate hooks"
IDLE, LIGHT = "no writes", "writes whose hook does nothing"
OFFLOADED, INLINE = "writes whose hook offloads 30 ms of work", "the same work in the hook itself"
CONNECTIONS = (16, 1)
_TEN_CHECKS = """
def setup(api):
    for number in range(10):

        async def check(change): ...

        check.__name__ = f"check_{number}"
        api.validate("notes", on={"create"})(check)
"""
_HEAVY = """
import statistics


def setup(api):
    @api.validate("notes", on={"create"})
    async def check(change):
        title = change.fields["title"]
        if title == "offloaded":
            await api.offload(statistics.variance, range(200_000))
        elif title == "inline":
            statistics.variance(range(200_000))
"""
_TITLES = {IDLE: None, LIGHT: "light", OFFLOADED: "offloaded", INLINE: "inline"}
_READ_EVERY_S, _WRITE_EVERY_S = 0.002, 0.2


@dataclass(frozen=True, slots=True)
class Run:
    """One round of one thing.

    Attributes:
        table: ``in process`` (values are µs), ``create, N`` (creates a second and p50 in ms) or ``reads``
            (p50 and p99 in ms).
    """

    round: int
    table: str
    what: str
    value: float
    further: float = 0.0


def measure(plan: Plan) -> Section:
    """Run everything, and make the tables."""
    runs = []
    for number in range(plan.runs):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for what, value in runner.run(guards.in_process()).items():
                plan.say(f"hooks, round {number + 1}: {what}: {value:.2f} µs")
                runs.append(Run(number, "in process", what, value))
    with ExitStack() as stack:
        upstream = stack.enter_context(pocketbase(plan.home))
        notes.make(upstream)
        runs += _creates(plan, upstream)
        runs += _reads(plan, upstream)
    return Section("hooks", render(runs), [asdict(run) for run in runs])


def _creates(plan: Plan, upstream: PocketBase) -> Iterator[Run]:
    with (
        hapta(plan.folder("without"), upstream) as without,
        hapta(_folder_with(plan, "with", _TEN_CHECKS), upstream) as with_ten,
    ):
        ports = {DIRECT: upstream.port, WITHOUT: without.port, WITH: with_ten.port}
        for number in range(plan.runs):
            for connections in CONNECTIONS:
                for what, port in ports.items():
                    url = f"http://127.0.0.1:{port}{notes.PATH}"
                    report = wrk.load(
                        plan.home, url, connections, plan.seconds, posted=json.dumps(notes.IN_ORDER)
                    )
                    plan.say(
                        f"hooks, round {number + 1}, {connections}: {what}: {report.per_s:,.0f} creates/s"
                    )
                    yield Run(number, f"create, {connections}", what, report.per_s, report.p50_ms)


def _folder_with(plan: Plan, name: str, plugin: str) -> Path:
    folder = plan.folder(name)
    (folder / "plugins").mkdir()
    (folder / "plugins" / "bench.py").write_text(plugin, encoding="utf-8")
    return folder


def _reads(plan: Plan, upstream: PocketBase) -> Iterator[Run]:
    """Of a stored response, while notes are written five times a second."""
    home = _folder_with(plan, "heavy", _HEAVY)
    with hapta(home, upstream, {"cache.pb_hooks": "none"}, is_pinned=False) as ours:
        path = f"/api/collections/posts/records/{upstream.ids[0]}"
        _expect_hit(ours, path)
        for number in range(plan.runs):
            for what, title in _TITLES.items():
                with _writing(ours, title):
                    took = _paced_reads(ours, path, plan.seconds * 2)
                p50_ms, p99_ms = (took[len(took) * percent // 100] * 1e3 for percent in (50, 99))
                plan.say(f"hooks, round {number + 1}: reads beside {what}: p99 {p99_ms:.2f} ms")
                yield Run(number, "reads", what, p50_ms, p99_ms)


def _expect_hit(ours: Hapta, path: str) -> None:
    with _connection(ours) as connection:
        for _ in range(2):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
    if "hit" not in answer.headers.get("Cache-Status", ""):
        raise BenchError("the read is not answered from the cache: no figures")


@contextmanager
def _connection(ours: Hapta) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", ours.port, timeout=30)) as connection:
        yield connection


@contextmanager
def _writing(ours: Hapta, title: str | None) -> Iterator[None]:
    """Meanwhile notes of this title are written, one after the other; none where it is ``None``.

    Raises:
        BenchError: PocketBase or a hook refuses one.
    """
    if title is None:
        yield
        return
    ends, statuses = threading.Event(), [0]
    body = json.dumps({**notes.IN_ORDER, "title": title})

    def write() -> None:
        with _connection(ours) as connection:
            due = time.perf_counter()
            while not ends.is_set():
                connection.request("POST", notes.PATH, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
                due += _WRITE_EVERY_S
                ends.wait(max(0.0, due - time.perf_counter()))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
    if set(statuses[1:]) != {200}:
        raise BenchError(f"creates were answered with {sorted(set(statuses[1:]))}: no figures")


def _paced_reads(ours: Hapta, path: str, seconds: float) -> list[float]:
    """Seconds of each read, in order of length.

    They are due every two milliseconds. One that could not be sent then because the one before it took so
    long counts from when it was due: else a gateway that stands still would be seen by one read only.
    """
    took = []
    with _connection(ours) as connection:
        due = time.perf_counter()
        ends_at = due + seconds
        while due < ends_at:
            wait_s = due - time.perf_counter()
            if wait_s > 0:
                time.sleep(wait_s)
            began = time.perf_counter() if wait_s > 0 else due
            connection.request("GET", path)
            connection.getresponse().read()
            took.append(time.perf_counter() - began)
            due += _READ_EVERY_S
    return sorted(took)


def render(runs: Sequence[Run]) -> str:
    """The tables."""
    inside = [
        [what, Spread.of(run.value for run in found).shown(1)] for what, found in _by_what(runs, "in process")
    ]
    creates = []
    for connections in CONNECTIONS:
        of = dict(_by_what(runs, f"create, {connections}"))
        without = [run.value for run in of[WITHOUT]]
        for what, found in of.items():
            per_s = [run.value for run in found]
            creates.append(
                [
                    f"{what}, {connections}",
                    Spread.of(per_s).shown(),
                    ratios(per_s, without).shown(2),
                    Spread.of(run.further for run in found).shown(2),
                ]
            )
    reads = [
        [what, Spread.of(r.value for r in found).shown(2), Spread.of(r.further for r in found).shown(2)]
        for what, found in _by_what(runs, "reads")
    ]
    return "\n\n".join(
        (
            "**A create of five fields, in the stage that runs hooks**",
            table(["hooks", "µs"], inside),
            "**The same create, sent**",
            table(["to, connections", "creates/s", "× no hook", "p50 ms"], creates),
            "**A read from the cache, every 2 ms, beside five writes a second**",
            table(["beside", "p50 ms", "p99 ms"], reads),
        )
    )


def _by_what(runs: Sequence[Run], of_table: str) -> list[tuple[str, list[Run]]]:
    wanted = [run for run in runs if run.table == of_table]
    return [(what, [r for r in wanted if r.what == what]) for what in dict.fromkeys(r.what for r in wanted)]
