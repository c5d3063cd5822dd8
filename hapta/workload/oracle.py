"""The sequential oracle: what PocketBase would have answered, asked right after.

After each answer the same request goes straight to PocketBase, under the caller's own identity and on a way
that is not counted, and both must be equal. A write cannot be asked again: its answer must equal what
PocketBase then shows of the row, and what is deleted must be gone. Reads change nothing, so their comparison
may still be under way while the next read is sent; before a write all of them are waited for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from hapta.model.tasks import TaskSet
from hapta.workload import schema
from hapta.workload.answers import Answer, is_equal, private_facts
from hapta.workload.calls import CANDIDATES, RANKED_PAGE, Read, Write

_EXAMPLES = 10
_AT_ONCE = 8
_SETTLE_EVERY = 1_000

Ask = Callable[[str, str], Awaitable[Answer]]
"""Sends a GET for a target, as a caller, straight to PocketBase."""


def _as_answer(value: Any) -> Answer:
    return Answer(200, orjson.dumps(value), is_json=True)


@dataclass(slots=True)
class Findings:
    """What is wrong with the answers of a run.

    Attributes:
        compared: answers that were held against PocketBase's own.
        stale: answers that were not what PocketBase had.
        leaks: answers that told their caller something PocketBase would not have.
        failed: requests that got no answer, or another status than the rules demand.
        examples: the first few, in words.
    """

    compared: int = 0
    stale: int = 0
    leaks: int = 0
    failed: int = 0
    examples: list[str] = field(default_factory=list)

    def add_stale(self, what: str) -> None:
        self.stale += 1
        self._example(f"stale: {what}")

    def add_leak(self, what: str) -> None:
        self.leaks += 1
        self._example(f"leak: {what}")

    def add_failed(self, what: str) -> None:
        self.failed += 1
        self._example(f"failed: {what}")

    def _example(self, text: str) -> None:
        if len(self.examples) < _EXAMPLES:
            self.examples.append(text)

    @property
    def is_clean(self) -> bool:
        return not (self.stale or self.leaks or self.failed)


class SequentialOracle:
    """Compares answers with PocketBase's own, one request of the workload at a time.

    Args:
        ask: the uncounted way to PocketBase.
        findings: where differences are noted.
        check_every: compare every n-th read; leaks and writes are looked at always.
    """

    def __init__(self, ask: Ask, findings: Findings, check_every: int = 1) -> None:
        self._ask, self._findings, self._check_every = ask, findings, check_every
        self._tasks = TaskSet()
        self._comparisons: list[asyncio.Task[None]] = []
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._reads = 0

    async def read(self, call: Read, target: str, answer: Answer) -> None:
        """Have an answer compared; returns before it is, unless many are under way."""
        self._reads += 1
        if self._reads % self._check_every:
            self._leaks(call, private_facts(answer, call.caller))
            return
        await self._slots.acquire()
        self._comparisons.append(self._tasks.spawn(self._compare(call, target, answer), name="compare"))
        if len(self._comparisons) >= _SETTLE_EVERY:
            await self.settle()

    async def settle(self) -> None:
        """Wait until every comparison is done; before each write, and at the end."""
        comparisons, self._comparisons = self._comparisons, []
        await asyncio.gather(*comparisons)

    async def close(self) -> None:
        """Give up what is still under way."""
        await self._tasks.cancel()

    async def write(self, call: Write, answer: Answer) -> None:
        """Compare what a write answered with what is there now."""
        shown = await self._ask(call.view, call.caller)
        self._findings.compared += 1
        self._leaks(call, private_facts(answer, call.caller) - private_facts(shown, call.caller))
        if call.is_refused or call.method == "DELETE":
            if shown.status != 404:
                self._findings.add_stale(f"{call.label}: {call.view} is still there for {call.caller}")
        elif shown.status != 200 or not is_equal(answer, shown):
            self._findings.add_stale(f"{call.label}: the answer is not what {call.view} shows {call.caller}")

    async def _compare(self, call: Read, target: str, answer: Answer) -> None:
        try:
            if call.is_ranked:
                answer, direct = await self._ranked(call, answer)
            else:
                direct = await self._ask(target, call.caller)
        finally:
            self._slots.release()
        self._findings.compared += 1
        self._leaks(call, private_facts(answer, call.caller) - private_facts(direct, call.caller))
        if not is_equal(answer, direct):
            self._findings.add_stale(
                f"{call.label}: {target} as {call.caller} ({answer.status}, {direct.status})"
            )

    async def _ranked(self, call: Read, answer: Answer) -> tuple[Answer, Answer]:
        """A ranked page and what PocketBase says of its rows, in a form in which they can be compared: each
        row once, in the order of ids, and as many on all pages as there are candidates."""
        page = answer.json
        if answer.status != 200 or not isinstance(page, dict):
            return answer, Answer(200, b"", is_json=False)
        shown = sorted(page["items"], key=lambda row: str(row["id"]))
        ids = sorted({row["id"] for row in shown})
        condition = " || ".join(f'id = "{each}"' for each in ids) or 'id = ""'
        target = f"/api/collections/{schema.POSTS}/records?"
        rows, all_rows = await asyncio.gather(
            self._ask(
                target
                + urlencode({"filter": condition, "sort": "id", "perPage": CANDIDATES, "expand": "author"}),
                call.caller,
            ),
            self._ask(f"{target}perPage=1&fields=id", call.caller),
        )
        if rows.json is None or all_rows.json is None:
            return answer, rows
        total = min(CANDIDATES, all_rows.json["totalItems"])
        expected = {"items": rows.json["items"], "total": total, "rows": min(RANKED_PAGE, total)}
        got = {"items": shown, "total": page["totalItems"], "rows": len(ids)}
        return _as_answer(got), _as_answer(expected)

    def _leaks(self, call: Read | Write, facts: set[str]) -> None:
        if facts:
            self._findings.add_leak(f"{call.label} as {call.caller}: {', '.join(sorted(facts)[:3])}")
