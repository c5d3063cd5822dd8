"""Fields of auth records, read from a real PocketBase and dropped by its change feed."""

from collections.abc import AsyncIterator

import pytest

from hapta.identity.auth_records import AuthRecords
from tests.feed.conftest import Follow
from tests.feed.support import Following, holds
from tests.support.pocketbase import PASSWORD, PocketBase

AGENTS = {
    "id": "pbc_agents",
    "name": "agents",
    "type": "auth",
    "fields": [
        {"name": "clearance", "type": "number", "hidden": True},
        {"name": "tags", "type": "select", "values": ["red", "green"], "maxSelect": 2},
    ],
}


@pytest.fixture
async def following(served: PocketBase, follow: Follow) -> AsyncIterator[Following]:
    made = await follow(served, is_started=False)
    await made.ask("POST", "/api/collections", AGENTS)
    await made.start()
    yield made
    await made.ask("DELETE", "/api/collections/agents")


async def test_a_superuser_sees_every_field_and_a_change_is_seen_at_once(following: Following) -> None:
    records = AuthRecords(following.superuser)
    following.feed.on_change(lambda change: records.record_changed(change.collection_id, change.record_id))
    agent = await following.write(
        "agents",
        email="agent@example.com",
        password=PASSWORD,
        passwordConfirm=PASSWORD,
        clearance=7,
        tags=["red"],
    )
    assert await following.is_told(agent)

    fields = await records.fields("pbc_agents", agent)
    assert fields is not None
    assert fields.values["clearance"] == 7  # hidden, and a rule may read it
    assert fields.values["email"] == "agent@example.com"  # not visible to others
    assert fields.values["verified"] is False
    assert fields.values.keys() & {"tags", "password", "tokenKey"} == set()
    assert records.known("pbc_agents", agent) is fields

    await following.ask("PATCH", f"/api/collections/agents/records/{agent}", {"clearance": 8})
    assert await holds(lambda: not fields.is_current)
    changed = await records.fields("pbc_agents", agent)
    assert changed is not None
    assert changed.values["clearance"] == 8

    await following.ask("DELETE", f"/api/collections/agents/records/{agent}")
    assert await holds(lambda: not changed.is_current)
    assert await records.fields("pbc_agents", agent) is None
    await records.stop()
