"""Plugins that come, change and go while Hapta runs."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.plugins.workshop import POSTS, Workshop, serving
from tests.support.pocketbase import PocketBase
from tests.support.process import wait_until

STAMP = """
import asyncio


def setup(api):
    @api.startup
    async def begin():
        note("startup", version={version})
        if {fails}:
            raise ValueError("not today")

        async def tick():
            while True:
                note("tick", version={version})
                await asyncio.sleep(0.05)

        api.spawn(tick(), name="tick")

    @api.shutdown
    async def end():
        note("shutdown", version={version})

    @api.transform("posts", on="create", deadline_s=5)
    async def stamp(change):
        if change.fields["title"] == "slow":
            note("slow begins")
            await asyncio.sleep(1.5)
            note("slow ends", version={version}, doubled=await api.offload(double, {version}))
        return change.with_fields(views={version})

    @api.after_write("posts", on="create", deadline_s=5)
    async def watch(written):
        if written.change.fields["title"] == "slow":
            await asyncio.sleep(0.3)
        note("watch", title=written.change.fields["title"], version={version})


def double(number):
    return number * 2
"""


@pytest.fixture
def shop(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with serving(tmp_path_factory.mktemp("hapta"), pocketbase.url, {"stamp.py": version(1)}) as workshop:
        yield workshop
        assert not list(workshop.folder.rglob("__pycache__")), "nothing is written beside the sources"


def version(number: int, *, fails: bool = False) -> str:
    return STAMP.format(version=number, fails=fails)


def views(shop: Workshop, title: str = "x") -> int:
    answer = shop.client.post(POSTS, json={"title": title})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["views"])


def test_a_changed_plugin_is_at_work_within_two_seconds_and_no_request_fails(shop: Workshop) -> None:
    seen: list[int] = []
    has_ended = threading.Event()

    def write() -> None:
        while not has_ended.is_set():
            seen.append(views(shop))

    def slow() -> None:
        answers.append(httpx.post(shop.hapta.url + POSTS, json={"title": "slow"}, timeout=30))

    answers: list[httpx.Response] = []
    writers = [threading.Thread(target=write), threading.Thread(target=slow)]
    for writer in writers:
        writer.start()
    shop.wait_for("slow begins")
    shop.write("stamp.py", version(2))
    wait_until(lambda: seen[-1] == 2, "version 2 at work", timeout_s=2.0)
    assert shop.seen("shutdown") == [], "a request that began with version 1 is under way"
    writers[1].join()
    has_ended.set()
    writers[0].join()
    assert seen == sorted(seen), "the version at work never goes back"
    assert (answers[0].status_code, answers[0].json()["views"]) == (200, 1)
    assert shop.seen("slow ends") == [{"kind": "slow ends", "version": 1, "doubled": 2}]
    shop.wait_for("shutdown", version=1)
    assert shop.seen("watch", title="slow", version=1), "what waited for the old version was done first"
    ticks = len(shop.seen("tick", version=1))
    time.sleep(0.2)
    assert len(shop.seen("tick", version=1)) == ticks, "its tasks have ended"
    assert shop.seen("tick", version=2)


def test_one_that_is_broken_leaves_the_old_version_at_work(shop: Workshop) -> None:
    file = shop.write("stamp.py", "\n\ndef setup(api:\n    pass\n")
    wait_until(lambda: bool(shop.logged("plugin_refused")), "the refusal in the log")
    assert views(shop) == 1
    time.sleep(1.2)
    (line,) = shop.logged("plugin_refused")
    assert f"{file.relative_to(shop.folder.parent)}:5: " in line
    assert "the version before it stays at work" in line
    failing = shop.write("stamp.py", version(2, fails=True))
    wait_until(lambda: len(shop.logged("plugin_refused")) == 2, "the second refusal")
    where = next(
        number for number, text in enumerate(failing.read_text().splitlines(), 1) if "async def begin" in text
    )
    assert (
        f"plugins/stamp.py:{where - 1}: startup of stamp.begin: ValueError: not today"
        in shop.logged("plugin_refused")[1]
    )
    ticks = len(shop.seen("tick", version=1))
    wait_until(lambda: len(shop.seen("tick", version=1)) > ticks, "version 1 goes on")
    assert views(shop) == 1
    assert shop.seen("shutdown") == []
    shop.write("stamp.py", version(3))
    shop.wait_for("startup", version=3)
    wait_until(lambda: views(shop) == 3, "version 3 at work")
    assert not shop.seen("tick", version=2)


def test_plugins_come_and_go(shop: Workshop) -> None:
    shop.write("fresh/limits.py", "MOST = 5\n")
    shop.write(
        "fresh/__init__.py",
        """
        from . import limits
        from .limits import MOST

        def setup(api):
            @api.validate("posts", on="create")
            async def short(change):
                if len(change.fields["title"]) > MOST:
                    raise Reject("title", code="too_long", message=f"At most {limits.MOST}.")
        """,
    )

    def is_refused(title: str) -> bool:
        return shop.client.post(POSTS, json={"title": title}).status_code == 400

    wait_until(lambda: is_refused("123456"), "the new plugin at work", timeout_s=3)
    assert not is_refused("12345")
    shop.write("fresh/limits.py", "MOST = 7\n")  # a module of it, in the same second and as long as before
    wait_until(lambda: not is_refused("123456"), "its new limit at work", timeout_s=3)
    assert is_refused("12345678")
    shop.write("fresh/limits.py", "MOST = nothing\n")
    wait_until(lambda: any("NameError" in line for line in shop.logged("plugin_refused")), "the refusal")
    assert is_refused("12345678")
    shop.write("other.py", "def setup(api):\n    nothing()\n")
    wait_until(lambda: any("it is not at work" in line for line in shop.logged("plugin_refused")), "refusal")
    shutil.rmtree(shop.folder / "fresh")
    wait_until(lambda: not is_refused("12345678"), "the plugin off", timeout_s=3)
    assert len(shop.logged('"event":"plugin_removed"')) == 1
    (shop.folder / "stamp.py").unlink()
    shop.wait_for("shutdown", version=1)
    assert views(shop, "x") == 0


def test_a_folder_that_vanishes_takes_no_guard_off(shop: Workshop, tmp_path: Path) -> None:
    shop.folder.rename(tmp_path / "elsewhere")
    wait_until(lambda: bool(shop.logged("plugin_refused")), "the complaint")
    assert "the plugins stay as they are" in shop.logged("plugin_refused")[0]
    assert views(shop) == 1
    (tmp_path / "elsewhere").rename(shop.folder)
    shop.write("stamp.py", version(2))
    wait_until(lambda: views(shop) == 2, "version 2 at work", timeout_s=3)
