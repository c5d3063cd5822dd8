"""The test itself: worlds, rounds of reads by everybody, changes between them, comparison."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random
from typing import Any

from tests.isolation.asks import Ask
from tests.isolation.callers import SUPERUSER, Caller, Doors
from tests.isolation.changes import Change, Changes
from tests.isolation.report import Difference, Figures
from tests.isolation.wire import Reply
from tests.isolation.world import World

IN_FLIGHT = 8
ROUNDS, NEW_ASKS, OLD_ASKS = 4, 7, 3
CANDIDATES = 4
"""Asks tried for one that callers are answered differently."""
CONDITIONAL = 0.15
"""Share of reads that send the ETag of an answer that somebody, perhaps another, got for the same ask."""
HEARD_S, SCHEMA_S = 0.1, 1.1
"""How long after a change behind its back Hapta is given: rows by the feed, rules by schema_max_age_s."""
PATIENCE_S = 2.0
"""How long a difference right after such a change may be the feed's delay on a busy machine."""

Say = Callable[[str], None]


async def in_parallel(work: Iterable[Callable[[], Awaitable[Any]]]) -> None:
    """All of it, at most :data:`IN_FLIGHT` at once, begun in this order."""
    waiting = iter(work)

    async def run() -> None:
        for item in waiting:
            await item()

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(run())


def meaning(reply: Reply, ask: Ask) -> Any:
    """What two equal answers have in common: the bytes, or the value where PocketBase shuffles the keys."""
    if ask.method == "HEAD":
        return reply.status, reply.headers.get("content-type")
    headers = [reply.headers.get(name) for name in ("content-type", "access-control-allow-origin")]
    if ask.is_projected and reply.status == 200:
        return reply.status, headers, json.loads(reply.body)
    return reply.status, headers, reply.body


def agree(one: Reply, other: Reply, ask: Ask) -> bool:
    """Whether two answers are equal; the length of a HEAD's counts where both tell it."""
    if ask.method == "HEAD":
        lengths = {reply.headers.get("content-length") for reply in (one, other)} - {None}
        if len(lengths) > 1 and "gzip" not in {r.headers.get("content-encoding") for r in (one, other)}:
            return False
    return bool(meaning(one, ask) == meaning(other, ask))


class WorldRun:
    """The rounds of one world.

    Args:
        seed: of the run.
        number: of the world.
        figures: what is counted.
        world: makes it, from both numbers.
    """

    def __init__(
        self,
        seed: int,
        number: int,
        doors: Doors,
        superuser: Caller,
        figures: Figures,
        world: Callable[[int, int], World] = World,
    ) -> None:
        self._seed, self._doors, self._figures = seed, doors, figures
        self._superuser = superuser
        self._world = world(seed, number)
        self._changes = Changes(self._world, doors, superuser)
        self._seen: set[tuple[str, str]] = set()
        self._tags: dict[Ask, list[Reply]] = {}
        self._chance = Random(number)

    async def run(self) -> None:
        """Build the world and go through its rounds; stops at a round with differences."""
        await self._world.build(self._doors, self._superuser)
        await asyncio.sleep(HEARD_S)
        rng, asks = self._world.rng, self._world.asks
        for _ in range(ROUNDS):
            chosen = rng.sample(asks, min(OLD_ASKS, len(asks)))
            new = [await self._draw_ask() for _ in range(NEW_ASKS)]
            asks += new
            await self._read(chosen + new, (), times=2)
            changes = await self._change_amid_reads(chosen + new)
            if any(change.is_direct for change in changes):
                schema = any(c.is_of_schema and c.is_direct for c in changes)
                await asyncio.sleep(SCHEMA_S if schema else HEARD_S)
            await self._read(chosen + new, changes, times=1)
            if self._figures.differences:
                return

    async def _change_amid_reads(self, asks: Sequence[Ask]) -> list[Change]:
        """Changes while everybody goes on reading: what is fetched then may be older than they are."""
        triples = [(ask, caller) for ask in asks for caller in self._world.callers]
        reads = [partial(self._through, *triple) for triple in self._world.rng.sample(triples, 30)]
        async with asyncio.TaskGroup() as group:
            group.create_task(in_parallel(reads))
            return [await self._changes.make() for _ in range(self._world.rng.choice((1, 1, 2, 3)))]

    async def _read(self, asks: Sequence[Ask], changes: Sequence[Change], times: int) -> None:
        """Everybody asks everything ``times`` times through Hapta and once directly."""
        triples = [(ask, caller) for ask in asks for caller in self._world.callers]
        through: dict[int, list[Reply]] = {index: [] for index in range(len(triples))}
        direct: dict[int, Reply] = {}

        async def ask_hapta(index: int) -> None:
            ask, caller = triples[index]
            through[index].append(await self._through(ask, caller))

        async def ask_pocketbase(index: int) -> None:
            ask, caller = triples[index]
            direct[index] = await self._doors.direct(caller, ask.method, ask.target, dict(ask.headers))

        rng = self._world.rng
        for turn in range(times):
            order = list(through)
            rng.shuffle(order)
            if turn == 0 and rng.random() < 0.5:  # all callers at once, so that they wait for one fetch
                order.sort(key=lambda index: index // len(self._world.callers))
            await in_parallel([partial(ask_hapta, index) for index in order])
        await in_parallel([partial(ask_pocketbase, index) for index in through])
        for index, (ask, caller) in enumerate(triples):
            for reply in through[index]:
                self._count(ask, caller, reply, direct[index])
                if not agree(reply, direct[index], ask):
                    await self._look_again(ask, caller, direct[index], reply, changes)

    async def _draw_ask(self) -> Ask:
        """A new ask, if possible one that callers are answered differently."""
        callers = [caller for caller in self._world.callers if caller.name != SUPERUSER]
        for _ in range(CANDIDATES):
            ask = self._world.draw_ask()
            answers = [
                await self._doors.direct(caller, ask.method, ask.target, dict(ask.headers))
                for caller in self._world.rng.sample(callers, 3)
            ]
            if not all(agree(answer, answers[0], ask) for answer in answers):
                self._figures.apart += 1
                break
        self._figures.asks += 1
        return ask

    async def _through(self, ask: Ask, caller: Caller) -> Reply:
        """Hapta's answer; a 304 counts as the answer its ETag stands for."""
        headers, known = dict(ask.headers), self._tags.setdefault(ask, [])
        if known and self._chance.random() < CONDITIONAL:
            headers["If-None-Match"] = self._chance.choice(known).headers["etag"]
        reply = await self._doors.through(caller, ask.method, ask.target, headers)
        if reply.status == 304:
            self._figures.revalidated += 1
            meant = next(k for k in known if k.headers["etag"] == headers["If-None-Match"])
            status = reply.headers.get("cache-status", "")
            return replace(meant, headers={**meant.headers, "cache-status": status})
        if "etag" in reply.headers and all(reply.headers["etag"] != k.headers["etag"] for k in known):
            known.append(reply)
        return reply

    def _count(self, ask: Ask, caller: Caller, reply: Reply, direct: Reply) -> None:
        figures = self._figures
        figures.reads += 1
        figures.hits += reply.is_hit
        figures.statuses[direct.status] += 1
        figures.fates[reply.headers.get("cache-status", "none")] += 1
        figures.filled += direct.status == 200 and b'"items":[]' not in direct.body
        key = (str(ask), caller.name)
        figures.triples += key not in self._seen
        self._seen.add(key)

    async def _look_again(
        self, ask: Ask, caller: Caller, direct: Reply, through: Reply, changes: Sequence[Change]
    ) -> None:
        """Tell a difference from an answer that PocketBase itself changed, and from the feed's delay."""
        again = await self._doors.direct(caller, ask.method, ask.target, dict(ask.headers))
        if agree(again, through, ask):
            self._figures.moved += 1
            return
        is_behind_back = any(change.is_direct for change in changes)
        ends_at = asyncio.get_running_loop().time() + (PATIENCE_S if is_behind_back else 0.0)
        while True:
            later = await self._doors.through(caller, ask.method, ask.target, dict(ask.headers))
            agrees = agree(later, again, ask)
            if agrees and is_behind_back:
                self._figures.late += 1
                return
            if agrees or asyncio.get_running_loop().time() > ends_at:
                break
            await asyncio.sleep(0.05)
        table = self._world.tables[ask.collection]
        rules = f"{table.name}: {table.rules}" + (f"; {table.sql}" if table.sql else "")
        self._figures.differences.append(
            Difference(
                self._seed,
                self._world.number,
                caller.name,
                ask,
                rules,
                direct,
                through,
                changes,
                not agrees,
            )
        )


async def run(
    doors: Doors,
    seed: int,
    triples: int,
    *,
    worlds: Iterable[int] | None = None,
    world: Callable[[int, int], World] = World,
    differences: int = 1,
    say: Say = lambda _: None,
) -> Figures:
    """Worlds until there are enough triples, or ``differences`` differences.

    Args:
        doors: the two ways to PocketBase.
        seed: decides everything but the timing.
        triples: how many distinct ones are wanted.
        worlds: numbers of the worlds to go through; by default all.
        world: makes each.
        differences: stop at this many.
        say: takes a line after each world, and each difference.
    """
    total = Figures()
    superuser = await doors.superuser()
    for number in count() if worlds is None else worlds:
        if total.triples >= triples or len(total.differences) >= differences:
            break
        figures = Figures(worlds=1)
        await WorldRun(seed, number, doors, superuser, figures, world).run()
        for difference in figures.differences:
            say(str(difference))
        total.add(figures)
        say(f"world {number}: {figures}")
    return total
