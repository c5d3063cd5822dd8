"""Rules, fields and whole collections changed behind Hapta's back: seen within a second, embedded at once."""

import asyncio
from functools import partial

import httpx
import pytest

from tests.coherence.lag import Lags, warm
from tests.coherence.line import Answer
from tests.coherence.own import records
from tests.coherence.schema_cases import CASES, ROW, Collection, items, lacks
from tests.coherence.site import Site
from tests.coherence.world import PEOPLE
from tests.support.process import wait_until


@pytest.mark.parametrize("kind", CASES)
async def test_a_changed_schema_is_seen(either_site: Site, lags: Lags, kind: str) -> None:
    line = either_site.line()
    rest, shows, change = CASES[kind]
    for _ in range(3):
        collection = Collection(either_site)
        target = records(collection.name) + rest
        await lags.measure(kind, line, target, "", shows, partial(change, collection))


async def test_a_collection_of_another_name_is_read_under_it(either_site: Site) -> None:
    line = either_site.line()
    collection = Collection(either_site)
    old, new = (records(name, ROW) for name in (collection.name, f"{collection.name}x"))
    assert (await line.get(new)).status == 404
    collection.change(name=f"{collection.name}x")
    await asyncio.sleep(1.5)
    assert (await line.get(old)).status == 404
    for _ in range(3):
        assert (await line.get(new)).json["collectionName"] == f"{collection.name}x"
    either_site.admin.patch(new, json={"rev": 5}).raise_for_status()
    await asyncio.sleep(0.5)
    assert (await line.get(new)).json["rev"] == 5, "its changes are still heard of"


async def test_a_view_s_query_changed_shows_other_rows(either_site: Site, lags: Lags) -> None:
    line = either_site.line()
    collection = Collection(either_site)
    view, query = f"{collection.name}_view", f"SELECT id, rev FROM {collection.name}"
    body = {"name": view, "type": "view", "listRule": "", "viewRule": "", "viewQuery": query}
    collection.ask("POST", "/api/collections", body)

    def change() -> None:
        body = {"viewQuery": f"SELECT id, (rev + 41) AS rev FROM {collection.name}"}
        collection.ask("PATCH", f"/api/collections/{view}", body)

    def shows(answer: Answer) -> bool:
        return [item["rev"] for item in items(answer)] == [42]

    await lags.measure("view query changed", line, records(view), "", shows, change)


async def test_emails_are_hidden_again_when_the_manage_rule_is_taken_away(
    either_site: Site, lags: Lags
) -> None:
    line, admin = either_site.line(), either_site.admin
    people = "/api/collections/people"
    person = f"{people}/records/{PEOPLE[3]}"
    admin.patch(person, json={"emailVisibility": False}).raise_for_status()
    admin.patch(people, json={"manageRule": f"@request.auth.id = '{PEOPLE[0]}'"}).raise_for_status()
    await asyncio.sleep(2)
    token = either_site.tokens[PEOPLE[0]]
    change = partial(admin.patch, people, json={"manageRule": None})
    await lags.measure("manage rule taken away", line, person, token, lacks("email"), change)


@pytest.mark.timeout(120)
async def test_a_restored_backup_is_what_is_read(either_site: Site) -> None:
    line, admin = either_site.line(), either_site.admin
    collection = Collection(either_site)
    target, made_later = records(collection.name, ROW), records(collection.name, "schemarow000002")
    assert admin.post("/api/backups", json={"name": "before.zip"}, timeout=60).status_code == 204
    admin.patch(target, json={"rev": 2}).raise_for_status()
    admin.post(records(collection.name), json={"id": "schemarow000002", "rev": 9}).raise_for_status()
    await asyncio.sleep(1.5)
    await warm(line, target, "", lambda answer: answer.json["rev"] != 2)
    await warm(line, made_later, "", lambda answer: answer.json["rev"] != 9)
    assert admin.post("/api/backups/before.zip/restore").status_code == 204
    await asyncio.to_thread(wait_until, lambda: _direct_rev(admin, target) == 1, "restored", 20)
    for wanted, where in ((1, target), (None, made_later)):
        answer = await line.get(where)
        while answer.status in (502, 503):
            await asyncio.sleep(0.05)
            answer = await line.get(where)
        shown = answer.json["rev"] if answer.status == 200 else None
        assert shown == wanted, (answer.status, answer.cache)


def _direct_rev(admin: httpx.Client, target: str) -> int | None:
    try:
        answer = admin.get(target)
    except httpx.TransportError:
        return None
    return int(answer.json()["rev"]) if answer.status_code == 200 else None
