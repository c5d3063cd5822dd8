"""A write whose answer is lost may have happened, or may happen later: until that is settled PocketBase is
asked about everything it may have changed."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.coherence.lag import warm
from tests.coherence.line import Answer, Line
from tests.coherence.own import Own, records
from tests.coherence.relay import Fate, Relay
from tests.coherence.site import Site, open_site
from tests.support.process import wait_until

IN_DOUBT_S = 3.0
LOST = (502, 504)


class Lossy:
    """A site with a relay between, and rows of the test's own.

    Attributes:
        targets: reads that depend on the note: by id, listed, filtered, expanded, in views.
        beside: a read of another collection.
    """

    def __init__(self, site: Site, relay: Relay) -> None:
        self.site, self.relay = site, relay
        own = self.own = Own(site)
        self.note = records("notes", own.note)
        self.targets = (
            self.note,
            f"{records('notes')}?filter=id='{own.note}'",
            f"{self.note}?expand=replies_via_note",
            f"{records('replies')}?filter=note='{own.note}'&expand=note",
            records("board", own.note),
            records("thread", own.reply),
        )
        self.beside = records("echoes", own.echo)

    async def warm(self, line: Line) -> None:
        """Have all stored."""
        for target in (*self.targets, self.beside):
            await warm(line, target, "", lambda _: False)

    async def assert_all_true(self, line: Line) -> list[Answer]:
        """Every read answers what PocketBase would; returns the answers."""
        answers = []
        for target in self.targets:
            before = await asyncio.to_thread(self.site.admin.get, target)
            answer = await line.get(target)
            after = await asyncio.to_thread(self.site.admin.get, target)
            true = [(direct.status_code, direct.json()) for direct in (before, after)]
            assert (answer.status, answer.json) in true, (target, answer.cache)
            answers.append(answer)
        return answers

    async def assert_doubted(self, line: Line) -> None:
        """True answers, and none from the store; what the write cannot have changed is still stored."""
        assert not any(answer.is_hit for answer in await self.assert_all_true(line))
        assert (await line.get(self.beside)).is_hit

    async def assert_settled(self, line: Line) -> None:
        """The store answers again, and truly."""
        await self.warm(line)
        await self.assert_all_true(line)


@pytest.fixture(scope="module")
def relayed(
    pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Relay]]:
    relays: list[Relay] = []

    def between(stack: ExitStack, url: str) -> str:
        relays.append(stack.enter_context(Relay(url)))
        return relays[0].url

    settings: dict[str, Any] = {"upstream__response_timeout_s": 1.0, "cache__in_doubt_s": IN_DOUBT_S}
    with open_site(pocketbase_template, tmp_path_factory.mktemp, between=between, **settings) as site:
        yield site, relays[0]


@pytest.fixture
def lossy(relayed: tuple[Site, Relay]) -> Lossy:
    return Lossy(*relayed)


async def test_a_write_that_happened_and_was_not_answered_is_seen_at_once(lossy: Lossy) -> None:
    line = lossy.site.line()
    await lossy.warm(line)
    lossy.relay.plan(f"PATCH {lossy.note}", Fate.ANSWER_LOST)
    began = time.monotonic()
    assert (await line.ask("PATCH", lossy.note, "", {"rev": 2})).status in LOST
    assert (await line.get(lossy.note)).json["rev"] == 2
    while time.monotonic() - began < IN_DOUBT_S - 1:
        await lossy.assert_doubted(line)
    await asyncio.sleep(1.5)
    await lossy.assert_settled(line)


@pytest.mark.parametrize("what", ["delete", "batch", "create", "cascade"])
async def test_so_is_any_other_kind_of_write(lossy: Lossy, what: str) -> None:
    line, own = lossy.site.line(), lossy.own
    made = own.reply.replace("ownreply", "ownreplx")
    method, target, body = {
        "delete": ("DELETE", records("replies", own.reply), None),
        "cascade": ("DELETE", lossy.note, None),
        "create": ("POST", records("replies"), {"id": made, "rev": 1, "note": own.note}),
        "batch": (
            "POST",
            "/api/batch",
            {
                "requests": [
                    {"method": "PATCH", "url": lossy.note, "body": {"rev": 2}},
                    {"method": "DELETE", "url": records("replies", own.reply)},
                ]
            },
        ),
    }[what]
    await lossy.warm(line)
    lossy.relay.plan(f"{method} {target}", Fate.ANSWER_LOST)
    assert (await line.ask(method, target, "", body)).status in LOST
    for _ in range(5):
        await lossy.assert_all_true(line)
    if what == "create":
        assert (await line.get(records("replies", made))).status == 200
    await asyncio.sleep(IN_DOUBT_S)
    await lossy.assert_all_true(line)


async def test_a_write_that_lands_after_it_was_given_up_is_seen_at_once(lossy: Lossy) -> None:
    line = lossy.site.line()
    await lossy.warm(line)
    lossy.relay.plan(f"PATCH {lossy.note}", Fate.HELD)
    assert (await line.ask("PATCH", lossy.note, "", {"rev": 2})).status in LOST
    for _ in range(5):
        await lossy.assert_doubted(line)
    assert (await line.get(lossy.note)).json["rev"] == 1
    await asyncio.to_thread(lossy.relay.release)
    assert (await line.get(lossy.note)).json["rev"] == 2
    await lossy.assert_doubted(line)
    await asyncio.sleep(IN_DOUBT_S)
    await lossy.assert_settled(line)


async def test_while_its_answer_does_not_come_and_after_that_pocketbase_is_asked(lossy: Lossy) -> None:
    line, reader = lossy.site.line(1), lossy.site.line(2)
    await lossy.warm(reader)
    patch = f"PATCH {lossy.note}"
    seen = lossy.relay.count(patch)
    lossy.relay.plan(patch, Fate.ANSWER_WITHHELD)
    async with asyncio.TaskGroup() as group:
        write = group.create_task(line.ask("PATCH", lossy.note, "", {"rev": 2}))
        # before it is under way, what is stored is true
        await asyncio.to_thread(wait_until, lambda: lossy.relay.count(patch) > seen, "the write", 5)
        while not write.done():
            await lossy.assert_doubted(reader)
    assert write.result().status == 504
    await lossy.assert_doubted(reader)


async def test_a_write_whose_client_leaves_is_awaited_all_the_same(lossy: Lossy) -> None:
    leaver, reader = lossy.site.line(1), lossy.site.line(2)
    for rev in range(2, 6):
        await lossy.warm(reader)
        lossy.relay.plan(f"PATCH {lossy.note}", Fate.DELAYED)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await leaver.ask("PATCH", lossy.note, "", {"rev": rev})
        assert (await reader.get(lossy.note)).json["rev"] == rev - 1
        await lossy.assert_doubted(reader)
        await asyncio.to_thread(lossy.relay.release)
        ends_at = time.monotonic() + 2
        while lossy.site.admin.get(lossy.note).json()["rev"] != rev:
            assert time.monotonic() < ends_at
        await lossy.assert_all_true(reader)


async def test_reads_under_way_when_the_write_began_are_not_stored_after_it(lossy: Lossy) -> None:
    """The classic race: the old answer arrives after the write was answered."""
    reader, writer = lossy.site.line(1), lossy.site.line(2)
    for rev in range(2, 8):
        lossy.site.admin.patch(lossy.note, json={"rev": 100 + rev}).raise_for_status()
        await asyncio.sleep(0.1)
        lossy.relay.plan(f"GET {lossy.note}", Fate.ANSWER_DELAYED)
        async with asyncio.TaskGroup() as group:
            early = group.create_task(reader.get(lossy.note))
            await asyncio.sleep(0.1)
            write = await writer.ask("PATCH", lossy.note, "", {"rev": rev})
            assert write.status == 200
            late = group.create_task(writer.get(lossy.note))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(lossy.relay.release)
        assert late.result().json["rev"] == rev
        assert early.result().json["rev"] == 100 + rev
        for _ in range(3):
            assert (await reader.get(lossy.note)).json["rev"] == rev
