"""Refused is not always undone: what PocketBase commits before it answers 400 the very next read shows."""

import asyncio

import pytest

from tests.coherence.lag import warm
from tests.coherence.own import Own, batch, records
from tests.coherence.site import Site

TRIES = 40
BAD_FIELDS = ("fields=rev:bogus()", "fields=:", "fields=rev:excerpt(", "%66ields=:", "x=1&fields=a(b")


@pytest.mark.parametrize("query", BAD_FIELDS)
async def test_a_write_committed_before_its_fields_were_refused_is_seen(
    shared_site: Site, query: str
) -> None:
    own = Own(shared_site)
    note, line = records("notes", own.note), shared_site.line()
    for rev in range(2, TRIES):
        await warm(line, note, "", lambda _: False)
        answer = await line.ask("PATCH", f"{note}?{query}", "", {"rev": rev})
        assert answer.status == 400
        shown = await line.get(note)
        assert shown.json["rev"] == rev, shown.cache


async def test_so_is_a_batch(shared_site: Site) -> None:
    own = Own(shared_site)
    note, line = records("notes", own.note), shared_site.line()
    for rev in range(2, TRIES):
        await warm(line, note, "", lambda _: False)
        body = batch(("PATCH", note, {"rev": rev}))
        answer = await line.ask("POST", "/api/batch?fields=body:bogus()", "", body)
        assert answer.status == 400
        shown = await line.get(note)
        assert shown.json["rev"] == rev, shown.cache


async def test_a_write_with_fields_that_can_be_read_is_refused_without_harm(shared_site: Site) -> None:
    own = Own(shared_site)
    note, line = records("notes", own.note), shared_site.line()
    await warm(line, note, "", lambda _: False)
    for query in ("fields=id,rev", "fields=id%2Crev&expand=owner", "fields=*"):
        answer = await line.ask("PATCH", f"{note}?{query}", "", {"rev": "none"})
        assert answer.status == 400
        answer = await line.get(note)
        assert answer.is_hit, query


async def test_guests_who_try_what_superusers_may_do_harm_nobody(shared_site: Site) -> None:
    own = Own(shared_site)
    note, line, guest = records("notes", own.note), shared_site.line(), shared_site.line(1)
    await warm(line, note, "", lambda _: False)
    attempts = (
        ("DELETE", "/api/collections/notes/truncate"),
        ("PATCH", "/api/collections/notes"),
        ("POST", "/api/collections"),
        ("PUT", "/api/collections/import"),
        ("POST", "/api/sql"),
        ("PATCH", "/api/settings"),
        ("DELETE", "/api/logs"),
    )

    async def bother() -> None:
        for method, target in attempts * 5:
            answer = await guest.ask(method, target, "", {})
            assert answer.status in (401, 403, 404), (method, target, answer.status)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(bother())
        while not task.done():
            answer = await line.get(note)
            assert answer.is_hit, answer.cache
