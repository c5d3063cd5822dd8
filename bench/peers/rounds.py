"""The rounds: every contender of a workload once, in random order, under the same load.

Readers of a cache are measured with all servers running. Where something is written each contender runs
alone: every Hapta that runs is told of every write, and would work while another one is measured.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import httpx

from bench import proc, wrk
from bench.meter import QUIET_SHARE, Meter, wait_until_quiet
from bench.peers.callers import logged_in, own_tokens
from bench.peers.contenders import Contender, Server, forget_log
from bench.peers.entries import Entry, Ready, entries, script
from bench.peers.proof import is_alike, stale
from bench.peers.workloads import LIST, Way, Workload, targets
from bench.plan import Plan
from bench.pocketbase import PocketBase

_MOST_PAIRS_PER_S = 100_000
"""No contender answers more first hits a second: so many pairs of caller and target are there."""

_CHECKED = 100
_SETTLE_S = 10.0


@dataclass(frozen=True, slots=True)
class Run:
    """One contender under one workload in one round.

    Attributes:
        cpu_us: processor time of the contender's own processes per request.
        upstream_us: PocketBase's.
        load_share: of the load generator's core that it used.
        foreign: cores used by processes that have nothing to do with the measurement.
        fault: why its figures do not count; empty when they do.
        stale: percent of the answers after a run with writes that are not PocketBase's.
    """

    workload: str
    round: int
    contender: str
    kind: str
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    upstream_us: float
    rss_mb: float
    load_share: float
    foreign: float
    fault: str = ""
    stale: float = 0.0


class Course:
    """Runs workloads before one PocketBase."""

    def __init__(self, plan: Plan, upstream: PocketBase, rivals: Sequence[Contender]) -> None:
        self._plan, self._upstream, self._rivals = plan, upstream, rivals
        self._own_tokens = own_tokens(upstream)
        self._session_tokens: list[str] = []
        self._asked: Counter[tuple[str, str]] = Counter()
        self._numbers = count()
        self._patience_s = 1.0 if plan.is_quick else 3.0
        # any user may change any post: the rule for reading stays the public one
        httpx.patch(
            f"{upstream.url}/api/collections/posts",
            json={"updateRule": '@request.auth.id != ""'},
            headers={"Authorization": upstream.token},
            timeout=30,
        ).raise_for_status()

    def run(self, workloads: Sequence[Workload]) -> Iterator[Run]:
        """All of them; those that write at last."""
        reading = [one for one in workloads if one.way is not Way.MIXED]
        with ExitStack() as stack:
            ready = [
                self.start(stack, rival)
                for rival in self._rivals
                if any(rival.takes(workload) for workload in reading)
            ]
            for workload in reading:
                yield from self._together(workload, [one for one in ready if one.contender.takes(workload)])
        for workload in workloads:
            if workload.way is Way.MIXED:
                yield from self._alone(workload)

    def start(self, stack: ExitStack, rival: Contender) -> Ready:
        """Have one run until the stack ends."""
        home = self._plan.folder(f"{next(self._numbers)}")
        server = stack.enter_context(rival.start(home, self._upstream))
        return Ready(rival, home, server, self._tokens(rival, server))

    def _tokens(self, rival: Contender, server: Server) -> list[str]:
        """Those of its callers. All Haptas of ours have one secret, so a session of one is one of all."""
        if not rival.has_sessions:
            return self._own_tokens
        if rival.is_outside:
            return logged_in(server.port)
        if not self._session_tokens:
            self._plan.say("peers: users log in")
            self._session_tokens = logged_in(server.port)
        return self._session_tokens

    def _together(self, workload: Workload, ready: Sequence[Ready]) -> Iterator[Run]:
        lines = [entry for one in ready for entry in self._entries(workload, one)]
        for number in range(self._plan.runs):
            wait_until_quiet(self._patience_s)
            for entry in random.sample(lines, len(lines)):
                yield self._measured(workload, entry, number)

    def _alone(self, workload: Workload) -> Iterator[Run]:
        rivals = [rival for rival in self._rivals if rival.takes(workload)]
        for number in range(self._plan.runs):
            wait_until_quiet(self._patience_s)
            for rival in random.sample(rivals, len(rivals)):
                with ExitStack() as stack:
                    for entry in self._entries(workload, self.start(stack, rival)):
                        yield self._checked(workload, entry, self._measured(workload, entry, number))

    def _checked(self, workload: Workload, entry: Entry, run: Run) -> Run:
        """With what it answers after the writes. A Hapta of ours must not be behind."""
        self._settle()
        some = [LIST.format(page=1), *self._targets(workload)[:_CHECKED]]
        old = stale(entry.ready.server.port, self._upstream.port, some, entry.headers[0])
        is_ours = entry.ready.contender.has_sessions and not entry.ready.contender.is_outside
        fault = f"{old} answers are older than a write" if old and is_ours else ""
        return replace(run, stale=100 * old / len(some), fault=run.fault or fault)

    def _entries(self, workload: Workload, ready: Ready) -> Iterator[Entry]:
        return entries(workload, ready, self._targets(workload), self._upstream.port)

    def _targets(self, workload: Workload) -> list[str]:
        found = targets(workload.ask, workload.way, self._upstream.ids)
        if workload.way is Way.FIRST:
            pairs = self._plan.seconds * self._plan.runs * _MOST_PAIRS_PER_S
            return found[: max(1000, int(pairs / (len(self._own_tokens) - 1)))]
        return found

    def _measured(self, workload: Workload, entry: Entry, number: int) -> Run:
        server = entry.ready.server
        self._settle()
        asked = self._asked[workload.name, entry.name]
        lua, threads = script(workload, entry, self._listed(workload), asked)
        own = proc.tree(server.pid)
        meter = Meter(own, proc.tree(self._upstream.pid))
        url = f"http://127.0.0.1:{server.port}{self._targets(workload)[0]}"
        printed = wrk.run(
            self._plan.home, url, workload.connections, self._plan.seconds, script=lua, threads=threads
        )
        used = meter.read()
        forget_log(entry.ready.home)
        report = wrk.parse(printed)
        answers = max(report.requests, 1)
        is_direct = server.pid == self._upstream.pid
        run = Run(
            workload=workload.name,
            round=number,
            contender=entry.name,
            kind=entry.ready.contender.kind,
            per_s=report.per_s,
            p50_ms=report.p50_ms,
            p99_ms=report.p99_ms,
            cpu_us=used.own_s * 1e6 / answers,
            upstream_us=(used.own_s if is_direct else used.upstream_s) * 1e6 / answers,
            rss_mb=proc.rss_bytes(own) / 2**20,
            load_share=used.load_s / used.passed_s,
            foreign=used.foreign,
            fault=self._fault(workload, entry, report),
        )
        self._plan.say(
            f"{workload.name}, round {number + 1}: {run.contender} {run.per_s:,.0f} req/s, "
            f"p99 {run.p99_ms:.2f} ms, {run.cpu_us:.1f} µs"
            + (f"; others used {run.foreign:.2f} cores" if run.foreign > QUIET_SHARE else "")
            + (f"; {run.fault}" if run.fault else "")
        )
        return run

    def _fault(self, workload: Workload, entry: Entry, report: wrk.Report) -> str:
        asked = self._asked[workload.name, entry.name] = (
            self._asked[workload.name, entry.name] + report.requests + workload.connections
        )
        if not report.requests:
            return "no request was answered"
        if report.errors:
            return f"{report.errors} of {report.requests} requests failed"
        length = report.received_bytes / report.requests
        if entry.wire_bytes and not is_alike(length, entry.wire_bytes):
            return f"answers of {length:.0f} bytes where {entry.wire_bytes} were proven"
        if workload.way is Way.FIRST and asked > len(entry.headers) * len(self._targets(workload)):
            return "no pair of caller and target was left"
        return ""

    def _listed(self, workload: Workload) -> Path:
        """A file with its targets."""
        path = self._plan.home / f"{workload.name}.targets"
        if not path.exists():
            path.write_text("\n".join(self._targets(workload)) + "\n", encoding="ascii")
        return path

    def _settle(self) -> None:
        """PocketBase may still work for connections that were given up."""
        pids, ends_at = proc.tree(self._upstream.pid), time.monotonic() + _SETTLE_S
        while time.monotonic() < ends_at:
            before = proc.cpu_s(pids)
            time.sleep(0.1)
            if proc.cpu_s(pids) - before < 0.02:
                return
