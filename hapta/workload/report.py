"""What a run showed, as one JSON object and as text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hapta.workload.bounds import Bounds
from hapta.workload.calls import NOTIFICATION, STAND_INS
from hapta.workload.draws import Kind
from hapta.workload.drive import Tally
from hapta.workload.oracle import Findings
from hapta.workload.shim import Counts
from hapta.workload.ways import WAYS

_LEVELS = {
    "L0": "per token, any write to a collection",
    "L1": "shared, any write to a collection",
    "L2": "shared, exact dependencies",
    "L3": "L2, writes applied in place",
    "L4": "L3, views answered from lists",
    "L5": "replica",
    "L6": "replica, writes batched per second",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run.

    Attributes:
        profile, seed, requests, concurrency, variant: what was asked for; the variant is ``P`` with private
            posts.
        target: what was driven.
        counts: what arrived at PocketBase between the first and the last request.
        tally: what was sent.
        findings: what was wrong.
        bounds: what ideal caches would have sent.
        logins, login_upstream: logins before the first request, and what arrived at PocketBase for them.
        seconds: from the first to the last request, comparisons included.
        login_seconds: before that.
    """

    profile: str
    seed: int
    requests: int
    concurrency: int
    variant: str
    target: str
    counts: Counts
    tally: Tally
    findings: Findings
    bounds: Bounds
    logins: int
    login_upstream: int
    seconds: float
    login_seconds: float

    @property
    def is_clean(self) -> bool:
        """Nothing stale, leaked, failed or uncounted."""
        return self.findings.is_clean and not self.counts.unreadable

    def as_dict(self) -> dict[str, Any]:
        """The object of ``--json``."""
        return {
            "profile": self.profile,
            "seed": self.seed,
            "requests": self.requests,
            "upstream_requests": self.counts.requests,
            "record_operations": self.counts.record_operations,
            "file_requests": self.counts.file_requests,
            "stale": self.findings.stale,
            "leaks": self.findings.leaks,
            "seconds": round(self.seconds, 3),
            "target": self.target,
            "variant": self.variant,
            "concurrency": self.concurrency,
            "compared": self.findings.compared,
            "failed": self.findings.failed,
            "examples": self.findings.examples,
            "unreadable_connections": self.counts.unreadable,
            "realtime_streams": self.counts.streams,
            "ways": {way: self.tally.ways[way] for way in WAYS if self.tally.ways[way]},
            "by_class": dict(self.counts.by_class),
            "by_kind": {kind: self._kind(kind) for kind in self._kinds()},
            "not_yet": self._not_yet(),
            "logins": {
                "requests": self.logins,
                "upstream_requests": self.login_upstream,
                "seconds": round(self.login_seconds, 3),
            },
            "bounds": self.bounds.levels(),
            "drawn": {
                "reads": self.bounds.reads,
                "writes": self.bounds.writes,
                "distinct": self.bounds.distinct,
                "files": self.bounds.files,
            },
        }

    def as_text(self) -> str:
        """The tables for people."""
        return "\n".join(self._lines())

    def _kinds(self) -> list[Kind]:
        return [kind for kind in Kind if self.tally.requests[kind]]

    def _kind(self, kind: Kind) -> dict[str, int | None]:
        is_attributed = self.concurrency == 1
        return {
            "requests": self.tally.requests[kind],
            "upstream_requests": self.tally.upstream[kind] if is_attributed else None,
            "hits": self.tally.answered_at_edge[kind] if is_attributed else None,
        }

    def _not_yet(self) -> dict[str, dict[str, Any]]:
        sent = {NOTIFICATION: self.tally.notifications, **self.tally.requests}
        return {
            name: {"requests": sent.get(name, 0), "instead": instead} for name, instead in STAND_INS.items()
        }

    def _lines(self) -> Iterator[str]:
        counts, findings = self.counts, self.findings
        clients = "one request at a time" if self.concurrency == 1 else f"{self.concurrency} clients"
        variant = " with private posts" if self.variant == "P" else ""
        yield f"Profile {self.profile}{variant}, seed {self.seed}, {self.requests:,} requests, {clients}"
        yield f"to {self.target}"
        yield ""
        yield f"{'arrived at PocketBase':52}{'requests':>10}{'of all':>9}"
        yield self._row("measured", counts.requests)
        for level, value in self.bounds.levels().items():
            yield self._row(f"bound {level}  {_LEVELS[level]}", value)
        yield ""
        yield (
            f"record operations {counts.record_operations:,}, file requests {counts.file_requests:,}, "
            + ", ".join(f"{name} {number:,}" for name, number in sorted(counts.by_class.items()))
        )
        yield (
            f"before the first request: {self.logins} logins in {self.login_seconds:.1f} s, "
            f"{self.login_upstream} requests upstream"
        )
        yield ""
        yield f"{'kind':12}{'requests':>10}{'upstream':>10}{'hits':>10}{'hit rate':>10}"
        for kind in self._kinds():
            yield self._kind_row(kind)
        yield ""
        yield f"{'how reads were answered':52}{'reads':>10}{'of all':>9}"
        for way, meaning in WAYS.items():
            if self.tally.ways[way]:
                yield self._row(f"{way:12}{meaning}", self.tally.ways[way])
        yield ""
        yield "Not there yet, so something plain was sent instead:"
        for name, entry in self._not_yet().items():
            yield f"  {name:14}{entry['requests']:>8,}  {entry['instead']}"
        yield ""
        yield f"{findings.compared:,} answers compared: {findings.stale} stale, {findings.leaks} leaks"
        yield f"{findings.failed:,} requests failed"
        yield from (f"  {example}" for example in findings.examples)
        if counts.unreadable:
            yield f"{counts.unreadable} connections could not be followed: the counts are too low"
        yield f"{self.seconds:.1f} s"

    def _row(self, name: str, value: int) -> str:
        return f"{name:52}{value:>10,}{value / max(1, self.requests):>9.2%}"

    def _kind_row(self, kind: Kind) -> str:
        row = self._kind(kind)
        requests, upstream, hits = row["requests"] or 0, row["upstream_requests"], row["hits"]
        if upstream is None or hits is None:
            return f"{kind:12}{requests:>10,}"
        return f"{kind:12}{requests:>10,}{upstream:>10,}{hits:>10,}{hits / requests:>10.1%}"
