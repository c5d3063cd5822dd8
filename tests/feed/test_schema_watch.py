"""The schema is known as PocketBase applies it: at once on the same machine, within a second elsewhere."""

import asyncio
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hapta.feed import SchemaUnconfirmed
from hapta.feed.watch import SETTLE_S, Features
from tests.conftest import MakePocketBase
from tests.feed.conftest import Follow
from tests.feed.support import Following, holds
from tests.support.pocketbase import PocketBase, binary

if TYPE_CHECKING:
    from hapta.model.schema import Schema

LOCAL = pytest.param(True, id="inotify")
REMOTE = pytest.param(False, id="asked")

MIGRATION = """
migrate((app) => {
  app.save(new Collection({ name: "from_the_command_line", type: "base", listRule: "" }));
}, (app) => {});
"""


async def rule(following: Following, name: str = "guarded") -> str | None:
    schema = await following.schema.confirmed(0.0)
    return schema.by_name[name].rules["listRule"]


def command(served: PocketBase, *words: str) -> None:
    subprocess.run(
        [binary(), *words, "--dir", str(served.data_dir), "--hooksDir", str(served.home / "none")],
        check=True,
        capture_output=True,
        cwd=served.home,
    )


async def test_the_snapshot_is_all_that_pocketbase_has(served: PocketBase, follow: Follow) -> None:
    following = await follow(served)
    items = (await following.ask("GET", "/api/collections?perPage=1000"))["items"]
    assert {c.id: c.raw for c in following.schema.snapshot.by_id.values()} == {i["id"]: i for i in items}


async def test_pages_are_put_together(
    served: PocketBase, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.feed.watch._PAGE", 4)
    following = await follow(served)
    items = (await following.ask("GET", "/api/collections?perPage=1000"))["items"]
    assert set(following.schema.snapshot.by_id) == {item["id"] for item in items}


async def test_features_are_found_by_trying(served: PocketBase, follow: Follow) -> None:
    following = await follow(served)
    assert following.schema.features == Features(has_sql=True, has_batch=True, batch_most=100)


@pytest.mark.parametrize("is_local", [LOCAL, REMOTE])
async def test_collections_that_come_change_their_name_and_go_are_followed(
    served: PocketBase, follow: Follow, is_local: bool
) -> None:
    following = await follow(served, is_local=is_local)

    async def confirmed() -> None:
        if not is_local:
            await following.schema.confirmed(0.0)

    made = await following.ask("POST", "/api/collections", {"name": f"coming{is_local}", "type": "base"})
    await confirmed()
    assert await holds(lambda: following.feed.covers(made["id"]))
    record = await following.write(made["name"])
    assert await following.is_told(record)

    await following.ask("PATCH", f"/api/collections/{made['id']}", {"name": f"renamed{is_local}"})
    await confirmed()
    assert await holds(lambda: following.schema.snapshot.resolve(f"renamed{is_local}") is not None)
    assert following.schema.snapshot.resolve(made["name"]) is None
    later = await following.write(f"RENAMED{is_local}")
    assert await following.is_told(later)
    assert next(c for c in following.changes if c.record_id == later).collection_name == f"renamed{is_local}"

    await following.ask("DELETE", f"/api/collections/{made['id']}")
    await confirmed()
    assert await holds(lambda: not following.feed.covers(made["id"]))
    assert following.meter.gaps == []
    assert following.feed.epoch == 2, "moved once, when more collections were followed"


async def test_elsewhere_a_changed_rule_is_known_within_the_second(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served)
    await following.schema.confirmed()
    await following.ask("PATCH", "/api/collections/guarded", {"listRule": "id = 'remote'"})
    began = time.monotonic()

    async def is_known() -> bool:
        return (await following.schema.confirmed()).by_name["guarded"].rules["listRule"] == "id = 'remote'"

    while not await is_known():
        assert time.monotonic() - began < 1.3
        await asyncio.sleep(0.02)


async def test_elsewhere_a_confirmation_holds_for_a_second_and_is_asked_for_once(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served, schema_max_age_s=0.6)
    following.requests.clear()
    await following.schema.confirmed(0.0)
    for _ in range(50):
        await following.schema.confirmed()
    assert following.schema.is_confirmed()
    await asyncio.sleep(0.65)
    assert not following.schema.is_confirmed()
    await asyncio.gather(*(following.schema.confirmed() for _ in range(50)))
    assert following.requests == [("POST", "/api/sql")] * 2


async def test_elsewhere_without_sql_the_collections_themselves_are_asked_for(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served)
    following.schema.features = Features()
    await following.ask("PATCH", "/api/collections/guarded", {"listRule": "id = 'no sql'"})
    following.requests.clear()
    assert await rule(following) == "id = 'no sql'"
    assert following.requests == [("GET", "/api/collections")]


async def test_on_this_machine_a_changed_rule_is_known_at_once_and_nothing_is_asked_otherwise(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served, is_local=True, schema_max_age_s=0.0)
    following.requests.clear()
    for _ in range(50):
        await following.schema.confirmed()
    assert following.requests == []
    await following.ask("PATCH", "/api/collections/guarded", {"listRule": "id = 'local'"})
    await asyncio.sleep(0)  # the answer came through the same loop as the notice before it
    began = time.monotonic()
    assert await holds(
        lambda: following.schema.snapshot.by_name["guarded"].rules["listRule"] == "id = 'local'", 0.5
    )
    assert time.monotonic() - began < 0.1


async def test_on_this_machine_what_the_command_line_does_to_the_schema_is_known(
    served: PocketBase, follow: Follow, tmp_path: Path
) -> None:
    following = await follow(served, is_local=True)
    await asyncio.to_thread((tmp_path / "1800000000_cli.js").write_text, MIGRATION)
    await asyncio.to_thread(command, served, "migrate", "up", "--migrationsDir", str(tmp_path))
    name = "from_the_command_line"
    assert await holds(lambda: following.schema.snapshot.resolve(name) is not None, 1.0)
    made = following.schema.snapshot.by_name[name].id
    assert await holds(lambda: following.feed.covers(made))
    await asyncio.sleep(0.3)  # the serving process takes its time to learn of it
    assert await following.is_told(await following.write(name))


async def test_on_this_machine_what_the_command_line_does_to_superusers_addresses_is_told(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served, is_local=True)
    told: list[int] = []
    following.schema.on_settings(lambda: told.append(1))
    await asyncio.to_thread(command, served, "superuser", "ips", "127.0.0.1")
    assert await holds(lambda: bool(told), 1.0)
    await asyncio.to_thread(command, served, "superuser", "ips")


async def test_on_this_machine_a_switched_feature_is_noticed(served: PocketBase, follow: Follow) -> None:
    following = await follow(served, is_local=True)
    await following.ask("PATCH", "/api/settings", {"batch": {"enabled": False}})
    assert await holds(lambda: not following.schema.features.has_batch)
    await following.ask("PATCH", "/api/settings", {"batch": {"enabled": True}})
    assert await holds(lambda: following.schema.features.has_batch)


async def test_own_traffic_puts_the_schema_in_doubt_at_once(served: PocketBase, follow: Follow) -> None:
    following = await follow(served, schema_max_age_s=60)
    await following.schema.confirmed()
    await following.ask("PATCH", "/api/collections/guarded", {"listRule": "id = 'own'"})
    assert (await following.schema.confirmed()).by_name["guarded"].rules["listRule"] != "id = 'own'"
    following.schema.invalidate()
    assert not following.schema.is_confirmed()
    assert (await following.schema.confirmed()).by_name["guarded"].rules["listRule"] == "id = 'own'"


async def test_a_doubt_while_it_is_being_confirmed_stays_one(served: PocketBase, follow: Follow) -> None:
    following = await follow(served, schema_max_age_s=60)
    following.schema.invalidate()
    confirming = asyncio.ensure_future(following.schema.confirmed())
    await asyncio.sleep(0)
    following.schema.invalidate()
    await confirming
    assert not following.schema.is_confirmed()
    await following.schema.confirmed()
    assert following.schema.is_confirmed()


async def test_the_version_moves_with_each_change_and_again_when_it_has_settled(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served)
    published: list[Schema] = []
    following.schema.on_change(published.append)
    first = await following.schema.confirmed(0.0)
    assert await following.schema.confirmed(0.0) is first, "nothing changed"
    await following.ask("PATCH", "/api/collections/guarded", {"listRule": "id = 'version'"})
    second = await following.schema.confirmed(0.0)
    assert second.version == first.version + 1
    assert await holds(lambda: len(published) == 2, SETTLE_S + 1)
    assert [schema.version for schema in published] == [second.version, second.version + 1]
    assert published[1].has_same_content(second)


@pytest.mark.parametrize("is_local", [LOCAL, REMOTE])
async def test_without_pocketbase_nothing_is_confirmed(
    make_pocketbase: MakePocketBase, follow: Follow, is_local: bool
) -> None:
    pocketbase = make_pocketbase()
    following = await follow(pocketbase, is_local=is_local)
    await asyncio.to_thread(pocketbase.stop)
    following.schema.invalidate()
    with pytest.raises(SchemaUnconfirmed):
        await following.schema.confirmed()
    await asyncio.to_thread(pocketbase.start)
    await following.gets_live()
    assert await following.schema.confirmed()


async def test_a_restore_is_noticed_and_watched_again(
    make_pocketbase: MakePocketBase, follow: Follow
) -> None:
    following = await follow(make_pocketbase(), is_local=True)
    await following.ask("POST", "/api/backups", {"name": "before.zip"})
    await following.ask("PATCH", "/api/collections/guarded", {"listRule": "id = 'after'"})
    assert await holds(
        lambda: following.schema.snapshot.by_name["guarded"].rules["listRule"] == "id = 'after'"
    )
    await following.ask("POST", "/api/backups/before.zip/restore")
    assert await holds(lambda: following.feed.epoch == 3, 10)
    assert following.schema.snapshot.by_name["guarded"].rules["listRule"] != "id = 'after'"
    await following.ask("PATCH", "/api/collections/guarded", {"listRule": "id = 'again'"})
    assert await holds(
        lambda: following.schema.snapshot.by_name["guarded"].rules["listRule"] == "id = 'again'"
    )


@pytest.mark.parametrize("has_sql", [True, False])
async def test_what_still_holds_is_what_pocketbase_says_now_whatever_was_confirmed(
    served: PocketBase, follow: Follow, has_sql: bool
) -> None:
    following = await follow(served, schema_max_age_s=60.0)
    watch = following.schema
    watch.features = Features(has_sql=has_sql)
    schema = await watch.confirmed()
    assert await watch.still_holds(schema)
    await following.ask("PATCH", "/api/collections/guarded", {"listRule": "level > 3"})
    assert watch.is_confirmed()
    assert not await watch.still_holds(schema)
    assert not watch.is_confirmed(), "and whoever asks next learns of it"
    assert await watch.still_holds(await watch.confirmed())
    assert not await watch.still_holds(schema)
