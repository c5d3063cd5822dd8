"""The first start makes a backend one can log in to; later starts leave the accounts alone."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from hapta.embedded import GivenSecrets
from hapta.embedded.ports import choose_port
from hapta.model.errors import OperatorError
from tests.embedded.conftest import LogIn, Start
from tests.embedded.support import RecordedEvents, make_program, rows

REAL = Path(sys.executable).parent / "pocketbase"


@pytest.fixture
def counted_binary(tmp_path: Path) -> str:
    """PocketBase, writing down what it is called for."""
    source = f"""
import os, sys
with open({str(tmp_path / "calls")!r}, "a") as calls:
    calls.write(" ".join(sys.argv[1:3]) + "\\n")
os.execv({str(REAL)!r}, sys.argv)
"""
    return make_program(tmp_path / "counted", source)


def upserts(tmp_path: Path) -> int:
    return (tmp_path / "calls").read_text().count("superuser upsert")


async def test_a_first_start_serves_and_takes_both_accounts_without_an_installer(
    start: Start, log_in: LogIn, events: RecordedEvents
) -> None:
    began = time.monotonic()
    pocketbase = await start()
    assert time.monotonic() - began < 2.0
    assert pocketbase.is_up
    await log_in(pocketbase, "operator")
    superuser = await log_in(pocketbase, "service")
    _, found = await superuser.request("GET", "/api/collections/_superusers/records")
    assert {row["email"] for row in found["items"]} == {"admin@hapta.local", "hapta-service@hapta.local"}
    assert not any("pbinstall" in line for line in pocketbase.output_tail())
    assert any("Server started at" in line for line in pocketbase.output_tail())
    assert events.all == []


async def test_a_second_start_sets_no_account_again(
    start: Start, log_in: LogIn, tmp_path: Path, counted_binary: str
) -> None:
    first = await start(binary=counted_binary)
    await first.stop()
    assert upserts(tmp_path) == 2
    second = await start(binary=counted_binary)
    assert upserts(tmp_path) == 2
    await log_in(second, "operator")
    await log_in(second, "service")


async def test_a_new_admin_password_is_set_at_the_next_start(
    start: Start, log_in: LogIn, tmp_path: Path, counted_binary: str
) -> None:
    first = await start(binary=counted_binary, given=GivenSecrets(admin_email="me@example.com"))
    await first.stop()
    given = GivenSecrets(admin_email="me@example.com", admin_password="a new password")
    second = await start(binary=counted_binary, given=given)
    assert upserts(tmp_path) == 3
    await log_in(second, "operator")


async def test_refused_accounts_are_set_again_while_pocketbase_serves(start: Start, log_in: LogIn) -> None:
    pocketbase = await start()
    superuser = await log_in(pocketbase, "operator")
    _, found = await superuser.request("GET", "/api/collections/_superusers/records")
    for row in found["items"]:
        change = {"password": "something else", "passwordConfirm": "something else"}
        status, _ = await superuser.request(
            "PATCH", f"/api/collections/_superusers/records/{row['id']}", change
        )
        if row["email"] == pocketbase.prepared.operator.email:
            await pocketbase.upsert_operator_account()
            superuser = await log_in(pocketbase, "operator")
        assert status == 200
    with pytest.raises(AssertionError):
        await log_in(pocketbase, "service")
    await pocketbase.upsert_service_account()
    await log_in(pocketbase, "service")
    assert pocketbase.restarts == 0


async def test_an_email_pocketbase_does_not_take_is_told_with_its_words(start: Start, tmp_path: Path) -> None:
    given = GivenSecrets(admin_email="nonsense", admin_password="my secret password")
    with pytest.raises(OperatorError, match=r"operator account nonsense: .*invalid email") as error:
        await start(given=given)
    assert "my secret password" not in str(error.value)
    pocketbase = await start()  # the lock was given back
    assert pocketbase.is_up


async def test_a_password_that_looks_like_a_flag_is_a_password(start: Start, log_in: LogIn) -> None:
    pocketbase = await start(given=GivenSecrets(admin_password="--dir=/nowhere"))
    await log_in(pocketbase, "operator")


async def test_directories_are_used_as_configured(
    start: Start, tmp_path: Path, events: RecordedEvents
) -> None:
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "main.pb.js").write_text(
        'routerAdd("GET", "/hello", (e) => e.json(200, '
        '[$os.getwd(), $os.getenv("NAME"), $os.getenv("Secret")]))'
    )
    (tmp_path / "hooks" / "loud.pb.js").write_text("console.log('loaded')")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page.txt").write_text("served")
    pocketbase = await start(hooks_dir="hooks", public_dir="site", data_dir="deep/data")
    async with httpx.AsyncClient(base_url=pocketbase.base_url) as client:
        assert (await client.get("/hello")).json() == [str(tmp_path), "for hooks", ""]
        assert (await client.get("/page.txt")).text == "served"
    assert (tmp_path / "deep" / "data" / "data.db").is_file()
    assert not (tmp_path / "pb_data").exists()
    (printed,) = events.named("pocketbase_output")
    assert str(printed["message"]).endswith(" loaded")


async def test_adopted_data_is_served_as_it_was(start: Start, log_in: LogIn, tmp_path: Path) -> None:
    first = await start()
    superuser = await log_in(first)
    fields = [{"name": "title", "type": "text"}]
    await superuser.request("POST", "/api/collections", {"name": "posts", "type": "base", "fields": fields})
    await superuser.request("POST", "/api/collections/posts/records", {"title": "kept"})
    await first.stop()
    (tmp_path / "pb_data" / "hapta.json").unlink()
    with pytest.raises(OperatorError, match="--adopt-data"):
        await start()
    second = await start(adopt_data=True)
    _, found = await (await log_in(second)).request("GET", "/api/collections/posts/records")
    assert [row["title"] for row in found["items"]] == ["kept"]


async def test_data_on_which_a_pocketbase_runs_is_not_adopted(start: Start, tmp_path: Path) -> None:
    command = [str(REAL), "serve", f"--http=127.0.0.1:{choose_port()}", f"--dir={tmp_path / 'pb_data'}"]
    theirs = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=subprocess.PIPE)
    assert theirs.stdout is not None
    assert b"Server started" in await theirs.stdout.readline()
    with pytest.raises(OperatorError, match="another process has it open; stop the PocketBase"):
        await start(adopt_data=True)
    theirs.terminate()
    await theirs.communicate()
    adopted = await start(adopt_data=True)
    backup = adopted.prepared.backup
    assert backup is not None
    assert rows(backup / "auxiliary.db")
    assert backup.parent == tmp_path
