"""Who changed what."""

import asyncio
from typing import Any

import pytest

from hapta.plugins import Change, DatabaseError
from hapta.testing import (
    MemoryDatabase,
    TestedPlugin,
    load_plugin,
    make_caller,
    make_change,
    make_row_change,
)
from tests.feed.support import holds
from tests.unit.examples import EXAMPLES

ADA = make_caller(id="ada")


def load(database: MemoryDatabase | None = None, **settings: Any) -> TestedPlugin:
    plugin = load_plugin(EXAMPLES / "audit_log.py", settings, database=database)
    return plugin


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its other half waits for two seconds; a test's plugin for less."""
    original = load_plugin

    def hasty(*args: Any, **more: Any) -> TestedPlugin:
        plugin = original(*args, **more)
        plugin.module.WAITS_S = 0.05
        return plugin

    monkeypatch.setitem(globals(), "load_plugin", hasty)


async def rows(plugin: TestedPlugin, count: int) -> list[dict[str, Any]]:
    """The log, once it has so many rows; it gets no more."""
    assert await holds(lambda: len(plugin.database.all("hapta_changes")) >= count)
    await asyncio.sleep(0.15)
    found = plugin.database.all("hapta_changes")
    assert len(found) == count
    return [dict(row) for row in found]


def update(fields: dict[str, Any], **more: Any) -> Change:
    return make_change("posts", "update", fields, id="p1", caller=ADA, request_id="req", **more)


@pytest.mark.parametrize("is_event_first", [True, False])
async def test_what_the_feed_and_hapta_say_makes_one_row(is_event_first: bool) -> None:
    async with load() as plugin:
        event = make_row_change("posts", "update", {"id": "p1", "title": "new"})
        if is_event_first:
            await plugin.changed(event)
        await plugin.written(update({"title": "new"}, address="192.0.2.7"), {"id": "p1"})
        if not is_event_first:
            await plugin.changed(event)
        (row,) = await rows(plugin, 1)
        assert (row["collection"], row["record"], row["action"]) == ("posts", "p1", "update")
        assert (row["who"], row["request"], row["address"]) == ("users/ada", "req", "192.0.2.7")
        assert row["changed"] is None


async def test_a_change_behind_hapta_has_nobody() -> None:
    async with load() as plugin:
        await plugin.changed(make_row_change("posts", "create", {"id": "p1"}))
        (row,) = await rows(plugin, 1)
        assert (row["action"], row["who"]) == ("create", "")


async def test_a_write_of_which_the_feed_says_nothing_is_logged_too() -> None:
    async with load() as plugin:
        await plugin.written(update({"title": "x"}))
        assert (await rows(plugin, 1))[0]["who"] == "users/ada"


async def test_a_create_whose_answer_does_not_show_it_gets_its_id_from_the_feed() -> None:
    async with load() as plugin:
        await plugin.written(make_change("posts", "create", {"title": "x"}))
        await plugin.changed(make_row_change("posts", "create", {"id": "p9"}))
        (row,) = await rows(plugin, 1)
        assert (row["record"], row["who"]) == ("p9", "guest")


async def test_an_event_heard_twice_is_one_change_and_a_row_made_anew_another() -> None:
    async with load() as plugin:
        row = {"id": "p1", "title": "x"}
        for action in ("create", "create", "update", "delete", "delete", "create", "delete"):
            await plugin.changed(make_row_change("posts", action, row))
        told = [row["action"] for row in await rows(plugin, 4)]
        assert told == ["create", "delete", "create", "delete"]


async def test_what_comes_in_another_order_is_logged_all_the_same() -> None:
    async with load() as plugin:
        await plugin.changed(make_row_change("posts", "update", {"id": "p1", "title": "two"}))
        await plugin.changed(make_row_change("posts", "create", {"id": "p1", "title": "one"}))
        assert {row["action"] for row in await rows(plugin, 2)} == {"create", "update"}


async def test_two_changes_of_one_row_stay_two() -> None:
    async with load() as plugin:
        await plugin.written(update({"title": "mine"}))
        for title in ("mine", "theirs"):
            await plugin.changed(make_row_change("posts", "update", {"id": "p1", "title": title}))
        assert sorted(row["who"] for row in await rows(plugin, 2)) == ["", "users/ada"]


async def test_values_are_logged_where_they_are_to_be_and_secrets_nowhere() -> None:
    async with load(values=["posts"]) as plugin:
        old = {"title": "old", "apiToken": "hush-0", "meta": {"password": "hush-2", "x": 1}}
        new = {
            "title": "new",
            "apiToken": "hush-1",
            "meta": {"password": "hush-3", "x": 2},
            "password": "hush-4",
        }
        change = await plugin.write(update(new, old=old))
        await plugin.written(change)
        event = make_row_change("posts", "update", {"id": "p1", **new, "updated": "later"})
        await plugin.changed(event)
        (row,) = await rows(plugin, 1)
        assert row["changed"]["title"] == ["old", "new"]
        assert row["changed"]["meta"] == [{"x": 1}, {"x": 2}]
        assert not {"apiToken", "password", "updated"} & row["changed"].keys()
        assert "hush" not in str(row)


async def test_of_changes_behind_hapta_it_knows_the_old_values_it_has_seen() -> None:
    async with load(values=["posts"]) as plugin:
        for title in ("one", "two", "two"):
            await plugin.changed(make_row_change("posts", "update", {"id": "p1", "title": title}))
        await plugin.changed(make_row_change("posts", "delete", {"id": "p1", "title": "two"}))
        _, second, third = await rows(plugin, 3)
        assert second["changed"] == {"title": ["one", "two"]}
        assert third["changed"]["title"] == ["two", None]


async def test_long_values_are_cut() -> None:
    audit = load().module
    assert audit.differences(None, {"body": "x" * 5000}) == {"body": [None, "x" * 500 + "…"]}
    assert audit.differences({"a": 1, "b": [1]}, {"a": 1, "b": [1, 2]}) == {"b": [[1], [1, 2]]}


class Broken(MemoryDatabase):
    """Takes nothing for a while, or takes it and says that it did not."""

    def __init__(self, *, times: int, does_write: bool) -> None:
        super().__init__()
        self._times, self._does_write = times, does_write

    async def batch(self, writes: Any) -> Any:
        self._times -= 1
        if self._times < 0 or self._does_write:
            done = await super().batch(writes)
        if self._times >= 0:
            raise DatabaseError(500, "broken")
        return done


@pytest.mark.parametrize("does_write", [True, False])
async def test_nothing_is_lost_or_doubled_while_pocketbase_does_not_take_it(does_write: bool) -> None:
    async with load(Broken(times=3, does_write=does_write)) as plugin:
        for number in range(120):
            await plugin.written(update({"views": number}))
        assert len(await rows(plugin, 120)) == 120


async def test_without_the_batch_api_rows_are_made_one_by_one() -> None:
    async with load(MemoryDatabase(has_batch=False)) as plugin:
        await plugin.written(update({"views": 1}))
        await rows(plugin, 1)


async def test_a_row_pocketbase_refuses_does_not_hold_up_the_others() -> None:
    class Picky(MemoryDatabase):
        async def create(self, collection: str, fields: Any) -> Any:
            if fields["record"] == "p1":
                raise DatabaseError(400, "no", {"record": {"code": "validation_max_text_constraint"}})
            return await super().create(collection, fields)

        async def batch(self, writes: Any) -> Any:
            raise DatabaseError(400, "too many", {"requests": {"code": "validation_length_too_long"}})

    async with load(Picky()) as plugin:
        for number in range(3):
            await plugin.written(make_change("posts", "update", {"views": 1}, id=f"p{number}"))
        assert {row["record"] for row in await rows(plugin, 2)} == {"p0", "p2"}
        assert [line.level for line in plugin.log] == ["error"]


async def test_what_does_not_fit_is_counted_and_said() -> None:
    async with load(Broken(times=2, does_write=False), most_waiting=100) as plugin:
        plugin.module.WAITS_S = 0.5
        for number in range(130):
            await plugin.written(update({"views": number}))
            await plugin.changed(make_row_change("posts", "update", {"id": "p1", "views": number}))
        await asyncio.sleep(0)
        assert await holds(lambda: len(plugin.database.all("hapta_changes")) == 100)
        assert await holds(lambda: any(line.fields.get("lost") == 30 for line in plugin.log))


async def test_what_waits_is_written_at_the_end() -> None:
    plugin = load()
    plugin.module.WAITS_S = 60
    await plugin.start()
    await plugin.changed(make_row_change("posts", "create", {"id": "p1"}))
    await plugin.stop()
    assert len(plugin.database.all("hapta_changes")) == 1


async def test_old_rows_are_removed() -> None:
    old = [{"at": "2020-01-01 00:00:00.000Z"} for _ in range(450)]
    database = MemoryDatabase({"hapta_changes": [*old, {"at": "2999-01-01 00:00:00.000Z"}]})
    async with load(database) as plugin:
        assert await holds(lambda: len(plugin.database.all("hapta_changes")) == 1)
