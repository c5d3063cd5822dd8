"""A storm of writes behind Hapta's back while everybody reads: when it is over nothing old is left stored."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from tests.coherence.load import Load
from tests.coherence.reads import Reader
from tests.coherence.relay import Relay
from tests.coherence.site import Site, open_site
from tests.coherence.world import PEOPLE
from tests.coherence.writes import Writer

Record = Callable[[str, object], None]
ROUNDS = 5
WRITES = 150
READERS = 24
SETTLES_S = 1.0
JUDGED = 800


@pytest.fixture(scope="module")
def relayed(
    pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Relay]]:
    relays: list[Relay] = []

    def between(stack: ExitStack, url: str) -> str:
        relays.append(stack.enter_context(Relay(url)))
        return relays[0].url

    with open_site(
        pocketbase_template, tmp_path_factory.mktemp, between=between, feed__max_silence_s=1
    ) as site:
        yield site, relays[0]


@pytest.mark.timeout(180)
async def test_after_a_storm_behind_it_hapta_shows_what_there_is(
    relayed: tuple[Site, Relay], record_property: Record
) -> None:
    site, _ = relayed
    random = Random(1)
    reader = Reader(site.world, random)
    theirs = {person: site.pocketbase.token("people", f"{person}@example.com") for person in PEOPLE}
    hits = judged = 0
    for _ in range(ROUNDS):
        await _storm(site, Writer(site.world, theirs, random), reader)
        await asyncio.sleep(SETTLES_S)
        line = site.line()
        for _ in range(JUDGED):
            read = reader.draw()
            sent = site.world.ledger.moment()
            answer = await line.ask(read.method, read.target, site.tokens.get(read.caller, ""))
            read.judge(read, sent, answer)
            hits += answer.is_hit
            judged += 1
    findings = site.world.ledger.findings
    record_property("convergence", f"{judged} reads after storms, {hits / judged:.0%} hits")
    print(f"{judged} reads after storms, {hits / judged:.0%} hits")
    assert findings.is_clean, str(findings)
    assert hits > judged / 4


async def _storm(site: Site, writer: Writer, reader: Reader) -> None:
    """Writes straight to PocketBase, while others read through Hapta."""
    is_over = False

    async def read(number: int) -> None:
        line = site.line(number)
        while not is_over:
            wanted = reader.draw()
            await line.ask(wanted.method, wanted.target, site.tokens.get(wanted.caller, ""))

    async with asyncio.TaskGroup() as group:
        for number in range(READERS):
            group.create_task(read(number))
        direct = site.line(url=site.pocketbase.url)
        for _ in range(WRITES):
            await writer.write(direct)
        is_over = True


@pytest.mark.timeout(180)
async def test_own_writes_need_no_feed(relayed: tuple[Site, Relay], record_property: Record) -> None:
    """The event stream dies again and again meanwhile, silently."""
    site, relay = relayed
    load = Load(site.world, site.line, site.tokens, 5)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(8_000))
        while not running.done():
            await asyncio.sleep(0.7)
            relay.silence_streams(new_ones_too=False)
    record_property("coherence", str(load.report))
    print(load.report)
    assert load.report.findings.is_clean, str(load.report.findings)
