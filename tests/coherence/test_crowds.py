"""Crowds: many who want one answer, one who wants too many, and those who write junk."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests.coherence.conftest import OpenSite
from tests.coherence.line import Line
from tests.coherence.relay import Relay
from tests.coherence.site import Site, open_site
from tests.coherence.world import GUEST, NOTES, PEOPLE
from tests.faults.gauges import memory_bytes

Record = Callable[[str, object], None]
MIB = 1024 * 1024
NOTE_LIST = "/api/collections/notes/records"
HOT = tuple(f"{NOTE_LIST}/{note}" for note in NOTES[:20]) + tuple(
    f"{NOTE_LIST}?perPage={n}" for n in range(1, 21)
)
FRESH = count(1)


@pytest.fixture(scope="module")
def relayed(
    pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Relay]]:
    relays: list[Relay] = []

    def between(stack: ExitStack, url: str) -> str:
        relays.append(stack.enter_context(Relay(url)))
        return relays[0].url

    with open_site(pocketbase_template, tmp_path_factory.mktemp, between=between) as site:
        yield site, relays[0]


async def _at_once(site: Site, target: str, callers: tuple[str, ...], n: int = 500) -> set[bytes]:
    """The different bodies that ``n`` clients get who ask together."""
    lines = [site.line(number) for number in range(n)]
    for start in range(0, n, 50):
        await asyncio.gather(*(line.get("/api/hapta/health/live") for line in lines[start : start + 50]))
    tokens = [site.tokens.get(callers[number % len(callers)], "") for number in range(n)]
    answers = await asyncio.gather(
        *(line.get(target, token) for line, token in zip(lines, tokens, strict=True))
    )
    assert {answer.status for answer in answers} == {200}
    for line in lines:
        await line.aclose()
    return {answer.body for answer in answers}


@pytest.mark.parametrize("callers", [(GUEST,), (GUEST, *PEOPLE)], ids=["guests", "everybody"])
async def test_500_who_miss_together_cost_one_request(
    relayed: tuple[Site, Relay], callers: tuple[str, ...]
) -> None:
    site, relay = relayed
    note = f"{NOTE_LIST}/{NOTES[3]}"
    for rev in range(3):
        site.admin.patch(note, json={"hits": rev}).raise_for_status()
        await asyncio.sleep(0.3)
        target = f"{NOTE_LIST}?perPage={100 + next(FRESH)}"
        bodies = await _at_once(site, target, callers)
        assert len(bodies) == 1
        asked = [request for request in relay.requests if request.startswith(f"GET {target}")]
        assert len(asked) == 1, asked


async def test_a_crowd_that_comes_after_a_write_sees_it_whatever_an_earlier_one_is_waiting_for(
    relayed: tuple[Site, Relay],
) -> None:
    site, _ = relayed
    note, writer = f"{NOTE_LIST}/{NOTES[4]}", site.line(600)
    for rev in range(5):
        target = f"{NOTE_LIST}?perPage={100 + next(FRESH)}"
        async with asyncio.TaskGroup() as group:
            first = group.create_task(_at_once(site, target, (GUEST,), 250))
            await asyncio.sleep(0.02 * rev)
            answer = await writer.ask("PATCH", note, "", {"hits": 100 + rev})
            assert answer.status == 200
            bodies = await _at_once(site, target, (GUEST,), 250)
        assert len(bodies) == 1, "all of the second crowd asked after the write was answered"
        assert b'"hits":%d' % (100 + rev) in next(iter(bodies))
        assert len(await first) <= 2


async def _ask_all(site: Site, targets: Iterator[str], clients: int = 32) -> int:
    """Have every target asked for once; how many answers came from the store."""
    hits = 0

    async def client(line: Line) -> None:
        nonlocal hits
        for target in targets:
            answer = await line.get(target)
            assert answer.status in (200, 404), answer.body
            hits += answer.is_hit
        await line.aclose()

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client(site.line(number)))
    return hits


def _distinct(n: int) -> Iterator[str]:
    """Views of records that are not there: the cheapest of endlessly many answers that may be stored."""
    for number in range(n):
        yield f"{NOTE_LIST}/scan{number:011}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("urls", "max_mib"),
    [
        pytest.param(30_000, 4, id="30,000 through 4 MiB"),
        pytest.param(1_000_000, 64, id="a million", marks=[pytest.mark.all_modes, pytest.mark.timeout(7200)]),
    ],
)
async def test_endless_urls_take_no_more_memory_than_allowed(
    new_site: OpenSite, record_property: Record, urls: int, max_mib: int
) -> None:
    settings = {"cache__max_bytes": max_mib * MIB}
    with new_site(**settings) as site:
        await _ask_all(site, iter(HOT * 3))
        before = memory_bytes(site.hapta.pid, "VmRSS")
        await _ask_all(site, _distinct(urls))
        grown = memory_bytes(site.hapta.pid, "VmHWM") - before
        figure = f"{urls} distinct URLs through {max_mib} MiB: grown by {grown / MIB:.1f} MiB"
        record_property("memory", figure)
        print(figure)
        assert grown < (1.5 * max_mib + 24) * MIB


@pytest.mark.timeout(180)
async def test_a_scan_does_not_push_out_what_is_asked_for_often(
    new_site: OpenSite, record_property: Record
) -> None:
    settings = {"cache__max_bytes": MIB, "cache__max_response_bytes": MIB // 8}
    with new_site(**settings) as site:
        random = Random(1)
        hot = HOT[:30]
        await _ask_all(site, iter(random.choices(hot, k=3000)))
        await _ask_all(site, _distinct(8_000))
        hits = await _ask_all(site, iter(hot), clients=1)
    record_property("scan", f"{hits} of {len(hot)} hot URLs still stored after 8,000 others")
    print(f"{hits} of {len(hot)} hot URLs still stored after 8,000 others")
    assert hits >= 0.8 * len(hot)


def _junk(number: int) -> tuple[str, str, bytes]:
    """A write that PocketBase refuses to a guest."""
    person = f"/api/collections/people/records/{PEOPLE[number % len(PEOPLE)]}"
    note = f"{NOTE_LIST}/{NOTES[number % 20]}"
    refused = b'{"requests":[{"method":"PATCH","url":"%b","body":{"rev":9}}]}' % person.encode()
    return (
        ("PATCH", person, b'{"rev":1000000}'),
        ("DELETE", person, b""),
        ("POST", "/api/collections/people/records", b'{"rev":1}'),
        ("POST", NOTE_LIST, b"{"),
        ("PATCH", note, b'{"rev":"none"}' if number % 2 else b"[1,2"),
        ("POST", NOTE_LIST, b'{"id":"%b","rev":1}' % NOTES[0].encode()),
        ("PATCH", f"{NOTE_LIST}/{os.urandom(6).hex()}", b'{"rev":1}'),
        ("POST", "/api/batch", refused),
        ("POST", "/api/batch", b"{"),
        ("DELETE", "/api/collections/notes/truncate", b""),
        ("PATCH", "/api/collections/notes", b"{}"),
        ("POST", "/api/collections/people/auth-with-password", b'{"identity":"x","password":"y"}'),
    )[number % 12]


async def test_junk_of_guests_does_not_empty_the_store(
    relayed: tuple[Site, Relay], record_property: Record
) -> None:
    site, _ = relayed
    wanted = (*HOT, f"/api/collections/people/records/{PEOPLE[0]}", "/api/collections/people/records")
    for _ in range(3):
        await _ask_all(site, iter(wanted))
    line, rounds = site.line(700), 60
    hits: Counter[str] = Counter()
    for number in range(rounds):
        method, target, body = _junk(number)
        answer = await line.ask(method, target, fields=("Content-Type: application/json",), body=body)
        assert 400 <= answer.status < 500, (method, target, answer.status, answer.body)
        hits[f"{method} {target}"] += await _ask_all(site, iter(wanted), clients=4)
    share = hits.total() / (rounds * len(wanted))
    record_property("junk", f"{share:.0%} hits with a refused write before each round")
    print(f"{share:.0%} hits with a refused write before each round")
    assert share > 0.9, hits
