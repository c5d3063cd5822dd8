"""A plugin in a test meets what it would meet in the gateway."""

import asyncio
import textwrap
from pathlib import Path
from typing import Any

import pytest

from hapta.hooks.loader import PluginErrors
from hapta.hooks.reject import HookFailed
from hapta.plugins import DatabaseError, Reject
from hapta.testing import (
    MemoryDatabase,
    TestedPlugin,
    load_plugin,
    make_caller,
    make_change,
    make_login,
    make_row_change,
    make_upload,
)
from hapta.workers.errors import JobFailed, JobTimedOut, NotTransferable

KEEPER = """
    import asyncio
    from hapta.plugins import Change, Login, PluginApi, Reject, RowChange, Settings, Upload, Viewer, Written

    class Keeper(Settings):
        word: str = "spam"

    def length(text: str) -> int:
        return len(text)

    def setup(api: PluginApi) -> None:
        settings = api.settings(Keeper)
        seen: list[str] = []

        @api.transform("posts", on="create")
        async def owner(change: Change) -> Change:
            return change.with_fields(owner=change.caller.id if change.caller else "")

        @api.validate("posts")
        async def clean(change: Change) -> None:
            assert change.action == "delete" or "owner" in change.fields or change.action == "update"
            if settings.word in (await change.new()).get("title", ""):
                raise Reject("title", code="spam", message="No.")
            if change.fields.get("title") == "slow":
                await asyncio.sleep(9)

        @api.validate("posts", priority=9)
        async def crash(change: Change) -> None:
            if change.fields.get("title") == "crash":
                raise RuntimeError("upside down")

        @api.on_upload("posts", field="cover")
        async def cover(upload: Upload, change: Change) -> Upload:
            if not (await upload.content(1000)).startswith(b"PNG"):
                raise Reject("cover", code="no_png", message="Not a picture.")
            return upload.renamed("cover.png")

        @api.on_auth()
        async def banned(login: Login) -> None:
            if (await login.record() or {}).get("banned"):
                raise Reject(message="Banned.", status=403)

        @api.can_read("posts", "draft", depends_on=["auth.id"])
        async def own(viewer: Viewer, row) -> bool:
            return row is not None and row["owner"] == viewer["auth.id"]

        @api.on_answer("posts", depends_on="auth")
        async def sign(rows, viewer: Viewer) -> None:
            for row in rows:
                row["mine"] = viewer["auth"]
                row["tags"].append("shown")

        @api.after_write("posts")
        async def count(written: Written) -> None:
            await api.database.create("counted", {"title": written.record["title"]})

        @api.on_change("posts", on="delete")
        async def gone(event: RowChange) -> None:
            seen.append(event.id)
            api.log.info("gone", record=event.id, length=await api.offload(length, event.id))

        @api.startup
        async def begin() -> None:
            api.spawn(forever(), name="forever")
            await api.database.ensure_collection({"name": "hapta_seen"})

        async def forever() -> None:
            while True:
                await asyncio.sleep(0.001)
                if "boom" in seen:
                    raise RuntimeError("boom")
"""


def load(tmp_path: Path, source: str, *rest: Any, **more: Any) -> TestedPlugin:
    file = tmp_path / "keeper.py"
    file.write_text(textwrap.dedent(source))
    return load_plugin(file, *rest, **more)


@pytest.fixture
def keeper(tmp_path: Path) -> TestedPlugin:
    return load(tmp_path, KEEPER)


async def test_a_write_passes_transforms_before_checks(keeper: TestedPlugin) -> None:
    change = make_change("posts", "create", {"title": "x"}, caller=make_caller(id="ada"))
    passed = await keeper.write(change)
    assert dict(passed.fields) == {"title": "x", "owner": "ada"}
    assert passed.sets == {"owner"}
    assert "owner" not in (await keeper.write(make_change("posts", "update", {"title": "x"}))).fields


async def test_a_refusal_reaches_the_test(keeper: TestedPlugin) -> None:
    with pytest.raises(Reject) as caught:
        await keeper.write(make_change("posts", "create", {"title": "spam"}))
    assert caught.value.errors["title"].code == "spam"
    with pytest.raises(Reject):
        await keeper.write(make_change("posts", "update", {"views": 1}, old={"title": "spam"}))
    assert await keeper.write(make_change("topics", "create", {"title": "spam"}))


async def test_its_settings_are_read_as_those_in_the_file(tmp_path: Path) -> None:
    keeper = load(tmp_path, KEEPER, {"word": "ham"})
    await keeper.write(make_change("posts", "create", {"title": "spam"}))
    with pytest.raises(PluginErrors, match="did you mean word"):
        load(tmp_path, KEEPER, {"wort": "ham"})


async def test_a_crash_and_a_late_hook_fail_as_they_would(tmp_path: Path) -> None:
    keeper = load(tmp_path, KEEPER, deadline_s=0.05)
    with pytest.raises(HookFailed) as caught:
        await keeper.write(make_change("posts", "create", {"title": "crash"}))
    assert str(caught.value.__cause__) == "upside down"
    with pytest.raises(HookFailed) as caught:
        await keeper.write(make_change("posts", "create", {"title": "slow"}))
    assert "longer than 0.05 s" in str(caught.value.__cause__)
    assert [line.level for line in keeper.log] == ["error", "error"]


async def test_files_are_looked_at_and_renamed_before_the_rest_sees_them(keeper: TestedPlugin) -> None:
    files = [make_upload(b"PNG..", "a.bin", field="cover"), make_upload(b"x", "b.bin", field="other")]
    passed = await keeper.write(make_change("posts", "create", {"title": "x"}, files=files))
    assert passed.fields["cover"] == passed.files["cover"][0].name == "cover.png"
    assert passed.fields["other"] == "b.bin"
    with pytest.raises(Reject, match="picture"):
        await keeper.upload(make_upload(b"GIF", field="cover"), make_change("posts"))


@pytest.mark.parametrize("returned", ["None", "change.fields", "replace(change, id='other')"])
async def test_a_transform_that_returns_something_else_fails_as_it_would(
    tmp_path: Path, returned: str
) -> None:
    source = f"""
        from dataclasses import replace

        def setup(api):
            @api.transform("posts")
            async def odd(change):
                return {returned}

            @api.on_upload("posts")
            async def grow(upload, change):
                return replace(upload, length=0) if upload.length else None
    """
    plugin = load(tmp_path, source)
    with pytest.raises(HookFailed, match=r"keeper\.odd is to return the change"):
        await plugin.write(make_change("posts"))
    with pytest.raises(HookFailed, match=r"keeper\.grow is to return its upload"):
        await plugin.upload(make_upload(b"x"), make_change("posts"))
    assert (await plugin.upload(make_upload(b""), make_change("posts"))).length == 0


async def test_logins_are_let_in_or_not(keeper: TestedPlugin) -> None:
    await keeper.login(make_login())
    with pytest.raises(Reject) as caught:
        await keeper.login(make_login(banned=True))
    assert caught.value.status == 403


async def test_rows_are_shaped_in_copies_for_what_was_declared(keeper: TestedPlugin) -> None:
    row = {"title": "x", "tags": []}
    (shown,) = await keeper.answer("posts", [row], {"auth.id": "ada"})
    assert shown == {"title": "x", "tags": ["shown"], "mine": True}
    assert row == {"title": "x", "tags": []}
    assert (await keeper.answer("posts", [row]))[0]["mine"] is False


async def test_fields_are_readable_or_not(keeper: TestedPlugin) -> None:
    viewer, row = {"auth.id": "ada"}, {"owner": "ada"}
    assert await keeper.can_read("posts", "draft", viewer, row)
    assert not await keeper.can_read("posts", "draft", {"auth.id": "bob"}, row)
    assert not await keeper.can_read("posts", "draft", viewer)
    assert await keeper.can_read("posts", "title")


async def test_watchers_see_writes_and_events(keeper: TestedPlugin) -> None:
    change = make_change("posts", "create", {"title": "x"})
    await keeper.written(change, {"title": "x"})
    assert [row["title"] for row in keeper.database.all("counted")] == ["x"]
    with pytest.raises(HookFailed):
        await keeper.written(change)
    await keeper.changed(make_row_change("posts", "update", {"id": "abc"}))
    await keeper.changed(make_row_change("posts", "delete", id="abc"))
    assert keeper.log[-1].message == "gone"
    assert keeper.log[-1].fields == {"record": "abc", "length": 3}


async def test_what_it_spawned_ends_with_it_and_its_failures_are_told(tmp_path: Path) -> None:
    async with load(tmp_path, KEEPER) as keeper:
        assert "hapta_seen" in keeper.database.collections
    keeper = load(tmp_path, KEEPER)
    await keeper.start()
    await keeper.changed(make_row_change("posts", "delete", id="boom"))
    await asyncio.sleep(0.05)
    with pytest.raises(ExceptionGroup) as caught:
        await keeper.stop()
    assert "boom" in str(caught.value.exceptions[0])


@pytest.mark.parametrize(
    ("job", "failure"),
    [
        pytest.param("lambda: 1", TypeError, id="a function that cannot be found"),
        pytest.param("length, lambda: 1", NotTransferable, id="an argument that cannot be sent"),
        pytest.param("maker, 1", NotTransferable, id="a result that cannot be sent"),
        pytest.param("length, 1", JobFailed, id="an exception"),
        pytest.param("time.sleep, 0.1, deadline_s=0.01", JobTimedOut, id="a late one"),
    ],
)
async def test_a_job_fails_as_it_would_in_the_pool(tmp_path: Path, job: str, failure: type) -> None:
    source = f"""
        import time

        def length(text):
            return len(text)

        def maker(number):
            return lambda: number

        def setup(api):
            @api.validate("posts")
            async def check(change):
                await api.offload({job})
    """
    with pytest.raises(HookFailed) as caught:
        await load(tmp_path, source).write(make_change("posts"))
    assert type(caught.value.__cause__) is failure


async def test_a_folder_is_a_plugin_too(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from .part import setup\n")
    (tmp_path / "pack" / "part.py").write_text("def setup(api):\n    api.log.info(api.name)\n")
    assert load_plugin(tmp_path / "pack").log[0].message == "pack"


async def test_a_database_of_the_tests_own_stands_behind_the_door(tmp_path: Path) -> None:
    database = MemoryDatabase({"counted": [{"title": "before"}]})
    keeper = load(tmp_path, KEEPER, database=database)
    await keeper.written(make_change("posts"), {"title": "after"})
    assert [row["title"] for row in database.all("counted")] == ["before", "after"]
    with pytest.raises(DatabaseError):
        await database.delete("counted", "nobody")
