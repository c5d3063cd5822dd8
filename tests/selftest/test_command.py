"""``hapta test`` as its operator runs it."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeHapta, MakePocketBase
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase
from tests.support.process import free_port, wait_until

ROOT = Path(__file__).parents[2]
ADMIN = {"AdminEmail": ADMIN_EMAIL, "AdminPassword": PASSWORD}
READS = ["connect", "live", "ready", "PocketBase health", "error form", "CORS preflight", "event stream"]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **variables}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hapta", "test", *arguments]


def hapta_test(
    home: Path, *arguments: str, env: Mapping[str, str] = ADMIN
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments), cwd=home, env=environment(env), capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done


def report(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """The checks of ``--json``, by name."""
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def collections(pocketbase: PocketBase) -> list[str]:
    answer = pocketbase.admin.get("/api/collections", params={"perPage": 500, "sort": "name"})
    return [entry["name"] for entry in answer.raise_for_status().json()["items"]]


def own(pocketbase: PocketBase) -> list[str]:
    return [name for name in collections(pocketbase) if name.startswith("hapta_test_")]


def test_a_running_gateway_passes_every_check(
    make_hapta: MakeHapta, pocketbase: PocketBase, tmp_path: Path
) -> None:
    hapta = make_hapta(ratelimit__max=600, ratelimit__duration=60, ratelimit__burst=200)
    user = {"TestUserEmail": "ada@example.com", "TestUserPassword": PASSWORD}
    before = collections(pocketbase)
    done = hapta_test(tmp_path, "--url", hapta.url, "--json", env=ADMIN | user)
    checks = report(done)
    assert {name: c["reason"] for name, c in checks.items() if c["status"] != "ok"} == {}
    assert json.loads(done.stdout)["ok"] is True
    assert done.returncode == 0
    assert {"realtime event", "logout", "limit", "test user login", "clean up"} <= checks.keys()
    assert collections(pocketbase) == before


def test_the_table_says_what_was_checked_and_how_it_went(hapta: Hapta, tmp_path: Path) -> None:
    done = hapta_test(tmp_path, "--set", f"server.port={hapta.port}")
    assert done.stdout.startswith(f"Testing {hapta.url}\n")
    rows = [line.split(maxsplit=1)[0] for line in done.stdout.splitlines()[2:-2]]
    assert rows.count("ok") == len(rows) - 2
    assert rows.count("skip") == 2  # the test user, who was not given, and limits out of reach
    assert done.returncode == 0


def test_pocketbases_own_address_fails_only_where_hapta_is_needed(
    pocketbase: PocketBase, tmp_path: Path
) -> None:
    done = hapta_test(tmp_path, "--url", pocketbase.url, "--json")
    failed = {name: c["reason"] for name, c in report(done).items() if c["status"] == "fail"}
    assert failed.keys() == {"live", "ready", "error form"}
    assert "not as Hapta does: is it PocketBase's own address?" in failed["live"]
    assert done.returncode == 1
    assert own(pocketbase) == []


def test_read_only_makes_nothing_and_logs_in_nowhere(pocketbase: PocketBase, tmp_path: Path) -> None:
    def state() -> tuple[list[str], int]:
        return collections(pocketbase), len(pocketbase.rows("_authOrigins"))

    token = pocketbase.token("_superusers", ADMIN_EMAIL)
    before = state()
    done = hapta_test(
        tmp_path, "--url", pocketbase.url, "--read-only", "--json", env={**ADMIN, "AdminToken": token}
    )
    assert list(report(done)) == [*READS, "superuser token"]
    assert report(done)["superuser token"]["status"] == "ok"
    assert state() == before


def test_a_token_takes_the_place_of_the_password(pocketbase: PocketBase, tmp_path: Path) -> None:
    token = pocketbase.token("_superusers", ADMIN_EMAIL)
    checks = report(hapta_test(tmp_path, "--url", pocketbase.url, "--json", env={"AdminToken": token}))
    assert checks["superuser login"]["status"] == "ok"
    assert checks["delete"]["status"] == "ok"


def test_without_credentials_it_says_where_they_belong(pocketbase: PocketBase, tmp_path: Path) -> None:
    done = hapta_test(tmp_path, "--url", pocketbase.url, "--json", env={})
    reason = report(done)["superuser login"]["reason"]
    assert "set AdminEmail and AdminPassword (or AdminToken)" in reason
    assert done.returncode == 1


def test_batch_that_is_off_is_no_fault(make_pocketbase: MakePocketBase, tmp_path: Path) -> None:
    pocketbase = make_pocketbase()
    pocketbase.admin.patch("/api/settings", json={"batch": {"enabled": False}}).raise_for_status()
    batch = report(hapta_test(tmp_path, "--url", pocketbase.url, "--json"))["batch"]
    assert (batch["status"], batch["reason"]) == ("skip", "batch is off in PocketBase's settings")


def test_nobody_there_is_told_with_the_address(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = hapta_test(tmp_path, "--url", url)
    assert f"connection refused at {url}: is `hapta serve` running there?" in done.stdout
    assert done.returncode == 1


def test_a_server_that_speaks_no_http_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with subprocess.Popen(
            command("--url", f"http://127.0.0.1:{port}", "--json"),
            cwd=tmp_path,
            env=environment(ADMIN),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(b"220 mail.example ESMTP\r\n")
            out, _ = process.communicate(timeout=30)
    connect = json.loads(out)["checks"][0]
    assert connect["status"] == "fail"
    assert "no whole answer" in connect["reason"]
    assert process.returncode == 1


def test_a_broken_upstream_is_told_from_a_broken_gateway(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta, tmp_path: Path
) -> None:
    pocketbase = make_pocketbase()
    hapta = make_hapta(upstream=pocketbase.url)
    pocketbase.stop()
    wait_until(lambda: not hapta.is_ready(), "Hapta noticing that PocketBase is gone")
    done = hapta_test(tmp_path, "--url", hapta.url, "--json")
    checks = report(done)
    assert checks["live"]["status"] == "ok"
    for name in ("ready", "PocketBase health"):
        assert checks[name]["status"] == "fail"
        assert "The database" in checks[name]["reason"]
    assert checks["superuser login"]["reason"] == "needs PocketBase health"
    assert done.returncode == 1
    pocketbase.start()


def test_an_address_outside_the_admin_networks_is_told_so(make_hapta: MakeHapta, tmp_path: Path) -> None:
    hapta = make_hapta(admin__networks="192.0.2.0/24")
    checks = report(hapta_test(tmp_path, "--url", hapta.url, "--json"))
    assert "add the address to admin.networks" in checks["superuser login"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--url", "localhost:8080"], "expected http:// or https://"),
        (["--url", "http://127.0.0.1:8080/api"], "expected http:// or https://"),
        (["--url", "http://me:secret@127.0.0.1"], "expected http:// or https://"),
        (["--set", "server.port=0"], "say where Hapta listens, with --url"),
        (["--set", "server.prt=1"], "did you mean port?"),
        (["--config", "none.toml"], "none.toml"),
        (["--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_is_exit_code_2(tmp_path: Path, arguments: list[str], problem: str) -> None:
    done = hapta_test(tmp_path, *arguments)
    assert problem in done.stderr
    assert done.stdout == ""
    assert done.returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_behind(
    make_pocketbase: MakePocketBase, tmp_path: Path, number: signal.Signals
) -> None:
    pocketbase = make_pocketbase()
    with subprocess.Popen(
        command("--url", pocketbase.url),
        cwd=tmp_path,
        env=environment(ADMIN),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        shown = ""
        while "make collections" not in shown:
            shown = process.stdout.readline()
            assert shown, "ended too early"
        assert pocketbase.process is not None
        pocketbase.process.send_signal(signal.SIGSTOP)  # so that it is still in the middle
        process.send_signal(number)
        pocketbase.process.send_signal(signal.SIGCONT)
        rest, _ = process.communicate(timeout=30)
    assert "clean up" in rest
    assert "Interrupted:" in rest
    assert "Traceback" not in rest
    assert process.returncode == 130
    assert own(pocketbase) == []


def test_what_a_killed_run_left_behind_goes_with_a_later_run(
    make_pocketbase: MakePocketBase, tmp_path: Path
) -> None:
    pocketbase = make_pocketbase()
    old, young, foreign = "hapta_test_00000000000a", "hapta_test_00000000000b", "hapta_test_mine"
    for name in (old, f"{old}_users", young, foreign):
        kind = "auth" if name.endswith("_users") else "base"
        pocketbase.admin.post("/api/collections", json={"name": name, "type": kind}).raise_for_status()
    aged = f"name LIKE '{old}%' OR name = '{foreign}'"
    sql = f"UPDATE _collections SET created = '2020-01-01 00:00:00.000Z' WHERE {aged}"
    pocketbase.admin.post("/api/sql", json={"query": sql}).raise_for_status()
    hapta_test(tmp_path, "--url", pocketbase.url)
    assert own(pocketbase) == [young, foreign]
