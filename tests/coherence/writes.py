"""What is written through Hapta, and what it makes of which rows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from tests.coherence.ledger import Fields, Row, Step
from tests.coherence.line import Line
from tests.coherence.world import GUEST, PEOPLE, ROOMS, World, create

NEVER = 1_000_000
"""The revision of writes that are refused: whoever shows it shows what never was."""


class Writer:
    """Draws writes to a world and sends them.

    Args:
        world: the model, which is told of each write before it is sent and after it was answered.
        tokens: ``Authorization`` by caller.
        random: where draws come from.
    """

    def __init__(self, world: World, tokens: Mapping[str, str], random: Random) -> None:
        self._world, self._ledger, self._tokens, self._random = world, world.ledger, tokens, random
        self._kinds: tuple[tuple[int, Callable[[Line], Awaitable[list[Row]]]], ...] = (
            (30, self._change_note),
            (20, self._change_reply),
            (12, self._make_or_delete_note),
            (10, self._batch),
            (8, self._change_person),
            (14, self._change_diary),
            (6, self._refused),
        )
        self._weights = [weight for weight, _ in self._kinds]

    async def write(self, line: Line) -> list[Row]:
        """Send a write drawn at random; the rows it changed."""
        return await self._random.choices(self._kinds, self._weights)[0][1](line)

    async def _send(self, line: Line, request: Mapping[str, Any], caller: str, steps: Sequence[Step]) -> None:
        self._ledger.begin(steps)
        answer = await line.ask(
            request["method"], request["url"], self._tokens.get(caller, ""), request.get("body")
        )
        if answer.status not in (200, 204):
            words = f"{request['method']} {request['url']}"
            self._ledger.findings.add("failed", f"{words}: {answer.status} {answer.body[:300]!r}")
        self._ledger.acknowledge(steps)

    def _anybody(self) -> str:
        return self._random.choice((GUEST, *PEOPLE))

    async def _change_note(self, line: Line) -> list[Row]:
        note = self._random.choice(self._world.notes)
        async with self._world.locks[note.id]:
            if note.now is None:
                return []
            request, step = self._changed_note(note)
            await self._send(line, request, self._anybody(), [step])
        return [note]

    def _changed_note(self, note: Row) -> tuple[dict[str, Any], Step]:
        """Some fields set, others moved by modifiers."""
        assert note.now is not None
        fields: dict[str, Any] = {**note.now, "rev": note.next_rev}
        body: dict[str, Any] = {"rev": fields["rev"]}
        match self._random.randrange(5):
            case 0:
                body["room"] = fields["room"] = self._random.choice(ROOMS)
            case 1:
                body["owner"] = fields["owner"] = self._random.choice(PEOPLE)
            case 2:
                fields["hits"] += 3
                body = {"rev+": 1, "hits+": 3}
            case 3:
                fields["hits"] -= 2
                body["hits-"] = 2
        url = f"/api/collections/notes/records/{note.id}"
        return {"method": "PATCH", "url": url, "body": body}, (note, fields)

    async def _change_reply(self, line: Line) -> list[Row]:
        note = self._random.choice(self._world.notes)
        reply = self._random.choice(self._world.replies[note.id])
        async with self._world.locks[note.id]:
            if note.now is None:
                return []
            request, step = self._changed_reply(note, reply)
            await self._send(line, request, self._anybody(), [step])
        return [reply, note]

    def _changed_reply(self, note: Row, reply: Row) -> tuple[dict[str, Any], Step]:
        fields = {"rev": reply.next_rev, "note": note.id}
        if reply.now is None:
            return create("replies", reply.id, fields), (reply, fields)
        url = f"/api/collections/replies/records/{reply.id}"
        if self._random.random() < 0.4:
            return {"method": "DELETE", "url": url}, (reply, None)
        return {"method": "PATCH", "url": url, "body": {"rev": fields["rev"]}}, (reply, fields)

    async def _make_or_delete_note(self, line: Line) -> list[Row]:
        note = self._random.choice(self._world.notes)
        replies = self._world.replies[note.id]
        async with self._world.locks[note.id]:
            request, steps = self._made_or_deleted(note)
            await self._send(line, request, self._anybody(), steps)
        return [note, *replies]

    def _made_or_deleted(self, note: Row) -> tuple[dict[str, Any], list[Step]]:
        if note.now is None:
            fields: dict[str, Any] = {"rev": note.next_rev, "hits": 0}
            fields |= {"room": self._random.choice(ROOMS), "owner": self._random.choice(PEOPLE)}
            return create("notes", note.id, fields), [(note, fields)]
        with_it = [reply for reply in self._world.replies[note.id] if reply.now is not None]
        url = f"/api/collections/notes/records/{note.id}"
        return {"method": "DELETE", "url": url}, [(row, None) for row in (note, *with_it)]

    async def _batch(self, line: Line) -> list[Row]:
        """Several notes and replies in one transaction."""
        notes = sorted(self._random.sample(self._world.notes, 3), key=lambda row: row.id)
        requests: list[dict[str, Any]] = []
        steps: list[Step] = []
        async with AsyncExitStack() as held:
            for note in notes:
                await held.enter_async_context(self._world.locks[note.id])
            for note in notes:
                draw = self._random.random()
                if note.now is None or draw < 0.15:
                    request, more = self._made_or_deleted(note)
                    steps += more
                elif draw < 0.6:
                    request, step = self._changed_note(note)
                    steps.append(step)
                else:
                    reply = self._random.choice(self._world.replies[note.id])
                    request, step = self._changed_reply(note, reply)
                    steps.append(step)
                requests.append(request)
            batch = {"method": "POST", "url": "/api/batch", "body": {"requests": requests}}
            await self._send(line, batch, self._anybody(), steps)
        return [row for row, _ in steps]

    async def _change_person(self, line: Line) -> list[Row]:
        person = self._random.choice(self._world.people)
        async with self._world.locks[person.id]:
            fields: Fields = {"rev": person.next_rev, "emailVisibility": self._random.random() < 0.5}
            url = f"/api/collections/people/records/{person.id}"
            request = {"method": "PATCH", "url": url, "body": fields}
            await self._send(line, request, person.id, [(person, fields)])
        return [person]

    async def _change_diary(self, line: Line) -> list[Row]:
        row = self._random.choice(self._world.diary)
        async with self._world.locks[row.id]:
            owner = self._random.choice(PEOPLE)
            fields = {"rev": row.next_rev, "owner": owner}
            if row.now is None:
                await self._send(line, create("diary", row.id, fields), owner, [(row, fields)])
                return [row]
            url = f"/api/collections/diary/records/{row.id}"
            if self._random.random() < 0.2 and row is not self._world.diary[0]:
                request: dict[str, Any] = {"method": "DELETE", "url": url}
                await self._send(line, request, row.now["owner"], [(row, None)])
            else:
                request = {"method": "PATCH", "url": url, "body": fields}
                await self._send(line, request, row.now["owner"], [(row, fields)])
        return [row]

    async def _refused(self, line: Line) -> list[Row]:
        """A write that changes nothing; as a batch its first half would have."""
        note, person = self._random.choice(self._world.notes), self._random.choice(PEOPLE)
        other = PEOPLE[(PEOPLE.index(person) + 1) % len(PEOPLE)]
        foreign = f"/api/collections/people/records/{other}"
        body = {"rev": NEVER}
        if self._random.random() < 0.5:
            answer = await line.ask("PATCH", foreign, self._tokens[person], body)
        else:
            mine = {"method": "PATCH", "url": f"/api/collections/notes/records/{note.id}", "body": body}
            requests = [mine, {"method": "PATCH", "url": foreign, "body": body}]
            answer = await line.ask("POST", "/api/batch", self._tokens[person], {"requests": requests})
        if answer.status not in (400, 403, 404):
            self._ledger.findings.add("failed", f"a write of {person} to {other}: {answer.status}")
        return []
