"""Hapta's collections in a real PocketBase: made once, kept by it, completed, never taken from somebody."""

import asyncio
from typing import Any

import pytest

from hapta.feed import OWN_NAMES, InstallFailed, install
from hapta.feed.layout import LAYOUT
from tests.conftest import MakePocketBase
from tests.feed.conftest import Follow
from tests.feed.support import Following
from tests.support.pocketbase import PocketBase


@pytest.fixture
async def bare(make_pocketbase: MakePocketBase, follow: Follow) -> Following:
    """Not started: no collection of Hapta's is there."""
    return await follow(make_pocketbase(), is_started=False)


async def own_collections(following: Following) -> dict[str, Any]:
    items = (await following.ask("GET", "/api/collections?perPage=1000"))["items"]
    return {item["name"]: item for item in items if item["name"] in OWN_NAMES}


async def test_they_are_made_as_laid_out_and_a_second_time_nothing_is_written(bare: Following) -> None:
    own = await install(bare.superuser)
    made = await own_collections(bare)
    assert set(made) == OWN_NAMES
    assert own.all() == {collection["id"] for collection in made.values()}
    for wanted in LAYOUT:
        found = made[wanted["name"]]
        assert {key: found[key] for key in wanted if key not in {"fields", "indexes"}} == {
            key: wanted[key] for key in wanted if key not in {"fields", "indexes"}
        }
        fields = {field["name"]: field for field in found["fields"]}
        for field in wanted["fields"]:
            assert {key: fields[field["name"]][key] for key in field} == field
    bare.requests.clear()
    assert await install(bare.superuser) == own
    assert {method for method, _ in bare.requests} == {"GET"}
    assert await own_collections(bare) == made


async def test_guests_and_users_see_nothing_of_them(bare: Following) -> None:
    await install(bare.superuser)
    token = await asyncio.to_thread(bare.pocketbase.token, "users", "ada@example.com")
    for headers in ({"Authorization": ""}, {"Authorization": token}):
        for name in OWN_NAMES:
            answer = await bare.admin.get(f"/api/collections/{name}/records", headers=headers)
            assert answer.status_code == 403


@pytest.mark.parametrize("name", sorted(OWN_NAMES))
async def test_pocketbase_lets_nobody_drop_rename_open_or_thin_them(
    served: PocketBase, follow: Follow, name: str
) -> None:
    following = await follow(served)
    path = f"/api/collections/{name}"
    before = await following.ask("GET", path)
    await following.ask("DELETE", path, status=400)
    await following.ask("PATCH", path, {"name": "other"}, status=400)
    await following.ask("PATCH", path, {"listRule": ""}, status=400)
    await following.ask("PATCH", path, {"system": False}, status=400)
    await following.ask("PATCH", path, {"fields": before["fields"][:1]}, status=400)
    assert await following.ask("GET", path) == before


async def test_an_import_that_deletes_what_it_does_not_name_keeps_them(bare: Following) -> None:
    await install(bare.superuser)
    before = await own_collections(bare)
    items = (await bare.ask("GET", "/api/collections?perPage=1000"))["items"]
    kept = [item for item in items if item["name"] not in OWN_NAMES | {"counters"}]
    await bare.ask("PUT", "/api/collections/import", {"collections": kept, "deleteMissing": True})
    assert await own_collections(bare) == before
    await bare.ask("GET", "/api/collections/counters", status=404)


async def test_rows_of_a_session_go_with_it(bare: Following) -> None:
    await install(bare.superuser)
    session = await bare.write("hapta_sessions", collection="users", record="r")
    await bare.write("hapta_rotations", session=session, generation=1)
    taken = {"session": session, "generation": 1}
    await bare.ask("POST", "/api/collections/hapta_rotations/records", taken, status=400)
    await bare.ask("DELETE", f"/api/collections/hapta_sessions/records/{session}")
    assert (await bare.ask("GET", "/api/collections/hapta_rotations/records"))["totalItems"] == 0


async def test_an_older_layout_is_completed_and_its_rows_stay(bare: Following) -> None:
    older = []
    for wanted in LAYOUT:
        fields = [{**field, "hidden": False} for field in wanted["fields"][: len(wanted["fields"]) - 1]]
        older.append({**wanted, "fields": fields, "indexes": []})
    await bare.ask("PUT", "/api/collections/import", {"collections": older, "deleteMissing": False})
    session = await bare.write("hapta_sessions", collection="users", record="r", salt="pepper")
    own = await install(bare.superuser)
    made = await own_collections(bare)
    for wanted in LAYOUT:
        fields = {field["name"]: field for field in made[wanted["name"]]["fields"]}
        assert {field["name"] for field in wanted["fields"]} <= set(fields)
        assert all(
            fields[field["name"]]["hidden"] is field.get("hidden", False) for field in wanted["fields"]
        )
        assert len(made[wanted["name"]]["indexes"]) == len(wanted["indexes"])
    row = await bare.ask("GET", f"/api/collections/{own.sessions}/records/{session}")
    assert row["salt"] == "pepper"
    assert row["ended_reason"] == ""


async def test_a_field_somebody_added_stays(bare: Following) -> None:
    await install(bare.superuser)
    path = "/api/collections/hapta_audit"
    found = await bare.ask("GET", path)
    fields = [field for field in found["fields"] if field["name"] != "id"]
    await bare.ask("PATCH", path, {"fields": [*found["fields"], {"name": "note", "type": "text"}]})
    await install(bare.superuser)
    after = await bare.ask("GET", path)
    assert len(after["fields"]) == len(fields) + 2


async def test_many_installing_at_once_all_end_well(bare: Following, follow: Follow) -> None:
    others = [await follow(bare.pocketbase, is_started=False) for _ in range(5)]
    owns = await asyncio.gather(*(install(following.superuser) for following in (bare, *others)))
    assert len(set(owns)) == 1
    assert set(await own_collections(bare)) == OWN_NAMES


@pytest.mark.parametrize(
    ("collection", "reason"),
    [
        pytest.param(
            {"name": "hapta_sessions", "type": "base", "fields": [{"name": "user", "type": "text"}]},
            "hapta_sessions, but it is not one that Hapta made",
            id="another shape",
        ),
        pytest.param(
            {"name": "hapta_meta", "type": "view", "viewQuery": "SELECT id FROM topics"},
            "hapta_meta, but it is not one that Hapta made",
            id="a view",
        ),
        pytest.param(
            {
                **next(wanted for wanted in LAYOUT if wanted["name"] == "hapta_meta"),
                "fields": [{"name": "value", "type": "text"}],
                "indexes": [],
            },
            "its field value has type text, expected json",
            id="a field of another type",
        ),
    ],
)
async def test_a_foreign_collection_of_that_name_is_refused_and_left_alone(
    bare: Following, collection: dict[str, Any], reason: str
) -> None:
    made = await bare.ask("POST", "/api/collections", collection)
    with pytest.raises(InstallFailed, match=reason):
        await install(bare.superuser)
    assert await bare.ask("GET", f"/api/collections/{made['id']}") == made
    assert set(await own_collections(bare)) == {collection["name"]}
