"""The planner alone, held against PocketBase's answers: no store, no proxy, so a difference is the plan's.

Two claims. Callers whose keys are equal are answered equally, apart from those who find their own account in
the answer. And an answer that a change made another carried a tag of a row that changed; which rows did is
seen by comparing all of them before and after.
"""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from hapta.cache.key import Key, cache_key
from hapta.cache.plan import Bypass, HooksMode, Plan, ViewReads
from hapta.cache.planner import Planner
from hapta.cache.query import parse_query
from hapta.cache.reading import OddAnswer, Read, read_answer
from hapta.cache.tags import Tag, any_row, births, record
from hapta.model.identity import Identity
from hapta.model.operation import OperationClass, classify
from hapta.model.schema import Collection, Schema
from hapta.model.target import parse_target
from tests.isolation.asks import Ask
from tests.isolation.callers import SUPERUSER, Caller, Doors
from tests.isolation.changes import Changes
from tests.isolation.runner import NEW_ASKS, OLD_ASKS, ROUNDS, Say, agree, in_parallel
from tests.isolation.wire import Reply
from tests.isolation.world import World

Rows = dict[tuple[str, str], Any]


@dataclass
class Findings:
    """What a run came to.

    Attributes:
        planned: triples that may be stored.
        shared: of these, such that another caller has the same key.
        changed: answers that a change made others.
        fates: why triples may not be stored.
        wrong: a text for each claim that did not hold.
    """

    triples: int = 0
    planned: int = 0
    shared: int = 0
    changed: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.triples} triples, {self.planned} planned, {self.shared} with shared keys, "
            f"{self.changed} changed answers, {len(self.wrong)} wrong, not stored: {dict(self.fates)}"
        )


@dataclass(frozen=True)
class Planned:
    """One caller's answer to one ask, with what the planner says of it."""

    ask: Ask
    caller: Caller
    plan: Plan
    key: Key
    reply: Reply
    read: Read

    def tags(self, collection: str | None) -> frozenset[Tag]:
        """All it depends on; ``collection`` is the caller's."""
        own = {record(collection, self.caller.row)} if self.plan.reads_auth_record and collection else set()
        return self.plan.tags | self.read.tags | own


class PlanRun:
    """The rounds of one world, asked directly."""

    def __init__(self, seed: int, number: int, doors: Doors, superuser: Caller, findings: Findings) -> None:
        self._doors, self._superuser, self._findings = doors, superuser, findings
        self._seed, self._number = seed, number
        self._world = World(seed, number)
        self._changes = Changes(self._world, doors, superuser)

    async def run(self) -> None:
        """Build the world and go through its rounds."""
        await self._world.build(self._doors, self._superuser)
        rng, asks = self._world.rng, self._world.asks
        for _ in range(ROUNDS):
            chosen = rng.sample(asks, min(OLD_ASKS, len(asks)))
            chosen += [self._world.draw_ask() for _ in range(NEW_ASKS)]
            asks += chosen[-NEW_ASKS:]
            schema, rows = await self._schema(), await self._rows()
            before = await self._look(schema, rows, chosen)
            self._compare_callers(before)
            for _ in range(3):
                change = await self._changes.make()
                if change.is_of_schema:
                    schema = await self._schema()
                    rows = await self._rows()
                    before = await self._look(schema, rows, chosen)
                    continue
                later = await self._rows()
                after = await self._look(schema, later, chosen)
                self._compare_times(before, after, self._moved(schema, rows, later), change.text)
                before, rows = after, later
                self._compare_callers(before)

    async def _schema(self) -> Planner:
        answer = await self._doors.direct(self._superuser, "GET", "/api/collections?perPage=200")
        schema = Schema.of(1, map(Collection.parse, answer.json()["items"]))
        self._collections = {c.name: c.id for c in schema.by_id.values()}
        views = {}
        for table in self._world.tables.values():
            if table.type == "view":
                reads, texts = set(), [table.sql]
                while texts:
                    text = texts.pop()
                    for other in self._world.tables.values():
                        if other.name in text and other is not table:
                            reads.add(other.id)
                            texts.append(other.sql)
                views[table.id] = ViewReads(frozenset(reads))
        return Planner(schema, views, lambda _: HooksMode.NONE, lambda _: True)

    async def _rows(self) -> Rows:
        rows: Rows = {}
        for table in self._world.tables.values():
            if table.type != "view":
                target = f"/api/collections/{table.name}/records?perPage=1000&skipTotal=1"
                answer = await self._doors.direct(self._superuser, "GET", target)
                rows |= {(table.id, row["id"]): row for row in answer.json()["items"]}
        return rows

    async def _look(self, planner: Planner, rows: Rows, asks: list[Ask]) -> dict[tuple[Ask, str], Planned]:
        found: dict[tuple[Ask, str], Planned] = {}

        async def one(ask: Ask, caller: Caller) -> None:
            reply = await self._doors.direct(caller, ask.method, ask.target, dict(ask.headers))
            planned = self._plan(planner, rows, ask, caller, reply)
            if planned is not None:
                found[ask, caller.name] = planned

        callers = [caller for caller in self._world.callers if caller.name != SUPERUSER]
        await in_parallel([partial(one, ask, caller) for ask in asks for caller in callers])
        return found

    def _plan(self, planner: Planner, rows: Rows, ask: Ask, caller: Caller, reply: Reply) -> Planned | None:
        self._findings.triples += 1
        target = parse_target(ask.target, "host")
        operation = classify(ask.method, target.segments)
        if operation.kind is not OperationClass.RECORD_READ:
            return None
        collection = self._collection_of(caller)
        plan = planner.plan(target, operation, collection)
        if isinstance(plan, Bypass):
            self._findings.fates[plan.reason.value] += 1
            return None
        query = parse_query(target.query)
        assert query is not None
        row = rows.get((collection or "", caller.row), {})
        key = cache_key(
            plan,
            method=ask.method,
            headers=dict(ask.headers),
            query=query.values,
            caller=Identity(collection, caller.row, "", None) if collection else None,
            auth_field=row.__getitem__,
        )
        storable = reply.status == 200 or (reply.status == 404 and plan.record is not None)
        if isinstance(key, Bypass) or not storable or ask.method == "HEAD":
            self._findings.fates["key" if isinstance(key, Bypass) else "status"] += 1
            return None
        try:
            read = read_answer(plan, reply.status, reply.body)
        except OddAnswer:
            self._findings.fates["odd"] += 1
            return None
        self._findings.planned += 1
        return Planned(ask, caller, plan, key, reply, read)

    def _collection_of(self, caller: Caller) -> str | None:
        word = "people" if caller.row.startswith("people") else "crew"
        return self._world.tables[word].id if caller.row else None

    def _compare_callers(self, found: dict[tuple[Ask, str], Planned]) -> None:
        groups: dict[tuple[Key, tuple[str, ...]], list[Planned]] = defaultdict(list)
        for each in found.values():
            if each.caller.row not in each.read.members:
                origin = dict(each.ask.headers).get("Origin", "")
                groups[each.key, (origin,)].append(each)
        for group in groups.values():
            if len(group) > 1:
                self._findings.shared += len(group)
            first = group[0]
            for other in group[1:]:
                if _of_answer(first.plan) != _of_answer(other.plan):
                    self._say(first, other, f"equal keys, different plans: {first.plan} {other.plan}")
                    break
                if not agree(first.reply, other.reply, first.ask):
                    self._say(first, other, "equal keys, different answers")
                    break

    def _compare_times(
        self,
        before: dict[tuple[Ask, str], Planned],
        after: dict[tuple[Ask, str], Planned],
        moved: set[Tag],
        text: str,
    ) -> None:
        for which, old in before.items():
            new = after.get(which)
            if new is None or new.key != old.key or agree(old.reply, new.reply, old.ask):
                continue
            self._findings.changed += 1
            if not old.tags(self._collection_of(old.caller)) & moved:
                self._say(old, new, f"no tag moved by {text}: {sorted(moved)}")

    def _moved(self, planner: Planner, rows: Rows, later: Rows) -> set[Tag]:
        moved: set[Tag] = set()
        for which in rows.keys() | later.keys():
            if rows.get(which) != later.get(which):
                moved |= {any_row(which[0]), record(*which)}
                if which not in rows:
                    moved.add(births(which[0]))
        return moved

    def _say(self, one: Planned, other: Planned, what: str) -> None:
        table = self._world.tables[one.ask.collection]
        lines = [
            f"world {self._number} of seed {self._seed}: {what}",
            f"  {one.caller.name}: {one.ask}",
            f"  {other.caller.name}: {other.ask}",
            f"  rules: {table.name} {table.rules} {table.sql}",
            f"  {one.reply.status} {one.reply.body[:700]!r}",
            f"  {other.reply.status} {other.reply.body[:700]!r}",
            f"  key {one.key}",
            f"  tags {sorted(one.plan.tags)} {sorted(one.read.tags)}",
            *(f"  {t.name}: {t.rules}" for t in self._world.tables.values() if t.name in one.ask.target),
        ]
        self._findings.wrong.append("\n".join(lines))


def _of_answer(plan: Plan) -> Plan:
    """What a plan says of the answer, whoever asks; who comes first fills for all."""
    return replace(plan, shows_own_email=False)


async def run_plans(
    doors: Doors, seed: int, triples: int, *, first_world: int = 0, say: Say = lambda _: None
) -> Findings:
    """Worlds until there are enough triples, or something wrong."""
    findings = Findings()
    superuser = await doors.superuser()
    number = first_world
    while findings.triples < triples and not findings.wrong:
        await PlanRun(seed, number, doors, superuser, findings).run()
        say(f"world {number}: {findings}")
        number += 1
        await asyncio.sleep(0)
    return findings
