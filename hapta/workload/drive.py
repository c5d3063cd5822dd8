"""Driving a gateway through the draws, and judging every answer.

*One at a time*: requests in the order of the draws, each answer compared with PocketBase's own
(:mod:`oracle`); the count of what arrives upstream is then exact for each request. *Many at once*: clients
take the next draw when they are free, and answers are judged by revisions (:mod:`revisions`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from hapta.workload import rows, schema
from hapta.workload.answers import Answer, private_facts
from hapta.workload.calls import NOTIFICATION, Call, CallPlanner, Read, Write
from hapta.workload.client import Client, target_of
from hapta.workload.draws import Draw, Workload
from hapta.workload.oracle import Ask, Findings, SequentialOracle
from hapta.workload.revisions import RevisionLedger
from hapta.workload.ways import way_of

_DONE = {"POST": 200, "PATCH": 200, "DELETE": 204}


@dataclass(slots=True)
class Tally:
    """What was sent, by kind of draw.

    Attributes:
        requests: draws of each kind.
        upstream: requests that arrived upstream because of them; empty when many were under way at once.
        answered_at_edge: draws for which none did; empty likewise.
        ways: how answers to reads came to be, in the words of :func:`hapta.workload.ways.way_of`.
        notifications: requests for notification rows, beyond the draws.
        left_out: draws for which there was nothing to send.
    """

    requests: Counter[str] = field(default_factory=Counter)
    upstream: Counter[str] = field(default_factory=Counter)
    answered_at_edge: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    notifications: int = 0
    left_out: int = 0


class Driver:
    """Sends the requests of a planner through a client.

    Args:
        client: leads to the gateway under test.
        planner: turns draws into requests.
        findings: where wrong answers are noted.
        on_progress: called after each draw.
    """

    def __init__(
        self, client: Client, planner: CallPlanner, findings: Findings, on_progress: Callable[[], None]
    ) -> None:
        self._client, self._planner, self._findings, self._on_progress = (
            client,
            planner,
            findings,
            on_progress,
        )
        self._file_names: dict[str, str] = {}
        self.tally = Tally()

    async def one_at_a_time(
        self, draws: Iterator[Draw], ask: Ask, arrived: Callable[[], int], check_every: int = 1
    ) -> None:
        """Send the draws in order and compare every answer with PocketBase's.

        Args:
            draws: the requests.
            ask: the uncounted way to PocketBase.
            arrived: how many requests have arrived upstream so far.
            check_every: compare every n-th read.
        """
        oracle = SequentialOracle(ask, self._findings, check_every)
        try:
            for draw in draws:
                before, calls = arrived(), self._take(draw)
                for call in calls:
                    if isinstance(call, Write):
                        await oracle.settle()
                        answer = await self._write(call)
                        if answer is not None:
                            await oracle.write(call, answer)
                        continue
                    target = target_of(call, self._file_names)
                    if target is None:
                        self._findings.add_failed(
                            f"{call.label}: {call.file_of} has no file: its upload failed"
                        )
                        continue
                    answer = await self._client.get(target, call.caller)
                    self._demand_answer(call, target, answer)
                    if not call.is_for_edge:
                        await oracle.read(call, target, answer)
                caused = arrived() - before
                self.tally.upstream[draw.kind] += caused
                self.tally.answered_at_edge[draw.kind] += bool(calls) and caused == 0
                self._on_progress()
            await oracle.settle()
        finally:
            await oracle.close()

    async def many_at_once(self, draws: Iterator[Draw], clients: int, ledger: RevisionLedger) -> None:
        """Send the draws from ``clients`` clients, and judge every read by the revisions it shows."""
        locks: dict[str, asyncio.Lock] = {}
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client_loop(draws, ledger, locks))

    async def _client_loop(
        self, draws: Iterator[Draw], ledger: RevisionLedger, locks: dict[str, asyncio.Lock]
    ) -> None:
        for draw in draws:
            calls = self._take(draw)
            async with AsyncExitStack() as held:
                # Locks of all rows that are written are asked for before the first wait, so that writes to a
                # row keep the order of the draws. New rows come first: nobody else has asked for those yet. A
                # draw has at most one row that is not new, so no two draws wait for each other.
                for row in _rows_written(calls):
                    await held.enter_async_context(locks.setdefault(row, asyncio.Lock()))
                for row in _rows_needed(calls):
                    async with locks.setdefault(row, asyncio.Lock()):
                        pass  # whoever makes it has made it
                for call in calls:
                    if isinstance(call, Write):
                        ledger.begin(call)
                        answer = await self._write(call)
                        if answer is not None and not call.is_refused:
                            ledger.end(call, answer)
                    else:
                        await self._read(call, ledger)
            self._on_progress()

    async def _read(self, call: Read, ledger: RevisionLedger) -> None:
        target = target_of(call, self._file_names)
        if target is None:
            self._findings.add_failed(f"{call.label}: {call.file_of} has no file: its upload failed")
            return
        sent = ledger.now()
        answer = await self._client.get(target, call.caller)
        self._demand_answer(call, target, answer)
        self._findings.compared += 1
        problems = list(ledger.judge(call, sent, answer))
        if problems:
            self._findings.add_stale(f"{call.label}: {target} as {call.caller}: {'; '.join(problems[:3])}")
        facts = private_facts(answer, call.caller)
        if facts:
            self._findings.add_leak(f"{call.label} as {call.caller}: {', '.join(sorted(facts)[:3])}")

    def _take(self, draw: Draw) -> Sequence[Call]:
        calls = self._planner.calls(draw)
        self.tally.requests[draw.kind] += 1
        self.tally.left_out += not calls
        self.tally.notifications += sum(call.label == NOTIFICATION for call in calls)
        return calls

    async def _write(self, call: Write) -> Answer | None:
        """Send a write; ``None`` when it did not end as the rules demand."""
        answer = await self._client.write(call)
        if answer.status != (404 if call.is_refused else _DONE[call.method]):
            self._findings.add_failed(
                f"{call.label}: {call.method} {call.target}: {answer.status} {_start(answer)}"
            )
            return None
        if call.picture is not None:
            self._file_names[call.row[1]] = answer.json["files"][0]
        return answer

    def _demand_answer(self, call: Read, target: str, answer: Answer) -> None:
        """A read is answered: with what there is, or with 404 for what the caller may not see."""
        self.tally.ways[way_of(answer.cache_status)] += 1
        if answer.status not in (200, 404):
            self._findings.add_failed(
                f"{call.label}: {target} as {call.caller}: {answer.status} {_start(answer)}"
            )


def _start(answer: Answer) -> str:
    return answer.body[:200].decode("utf-8", "replace")


def _rows_written(calls: Sequence[Call]) -> list[str]:
    """Ids of the rows the calls write, new ones first."""
    writes = [call for call in calls if isinstance(call, Write)]
    return [write.row[1] for write in sorted(writes, key=lambda write: write.method != "POST")]


def _rows_needed(calls: Sequence[Call]) -> Iterator[str]:
    """Ids of the rows that must be there before: what is commented on, whose file is asked for."""
    for call in calls:
        needed = call.needs if isinstance(call, Write) else call.file_of
        if needed is not None:
            yield needed


def make_ledger(workload: Workload, *, with_private_posts: bool) -> RevisionLedger:
    """A ledger that knows the rows of the initial world."""
    profile = workload.profile
    ids = {rows.user_id(user) for user in range(profile.users)}
    ids.update(rows.tag_id(tag) for tag in range(profile.tags))
    ids.update(rows.post_id(post) for post in range(profile.posts))
    ids.update(rows.row_id("comment", comment) for comment in range(profile.comments))
    ids.update(notice for notice, _, _ in rows.initial_notifications(profile))
    followers: Counter[str] = Counter()
    for follow in rows.initial_follows(profile):
        ids.add(follow.id)
        followers[f"{schema.FOLLOWS}/target/{rows.user_id(follow.target)}"] += 1
    owners = {
        rows.post_id(post): rows.user_id(author)
        for post, author in enumerate(workload.world.authors)
        if rows.is_private(post, with_private_posts)
    }
    return RevisionLedger(frozenset(ids), followers, owners)
