"""``hapta sessions`` and the control socket with a real Hapta and a real PocketBase."""

import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeHapta
from tests.control.command import run_command
from tests.support.hapta import Hapta
from tests.support.pocketbase import PASSWORD
from tests.support.process import tail, wait_until

ME = "/api/hapta/sessions"


@pytest.fixture
def served(make_hapta: MakeHapta) -> Hapta:
    return make_hapta()


def sessions(hapta: Hapta, *arguments: str, code: int = 0) -> str:
    """``hapta sessions …`` where ``hapta`` runs; what it wrote."""
    return run_command(hapta, "sessions", *arguments, code=code)


def listed(hapta: Hapta, *arguments: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(sessions(hapta, "list", "--json", *arguments))["items"]
    return items


def login(hapta: Hapta, name: str, device: str = "test") -> str:
    answer = httpx.post(
        f"{hapta.url}/api/collections/users/auth-with-password",
        json={"identity": f"{name}@example.com", "password": PASSWORD},
        headers={"User-Agent": device},
    )
    return str(answer.raise_for_status().json()["token"])


def status(hapta: Hapta, token: str) -> int:
    return httpx.get(hapta.url + ME, headers={"Authorization": token}).status_code


def own_id(hapta: Hapta, token: str) -> str:
    answer = httpx.get(hapta.url + ME, headers={"Authorization": token}).raise_for_status()
    return next(str(item["id"]) for item in answer.json()["items"] if item["current"])


def test_sessions_are_listed_by_account_and_show_no_secret(served: Hapta) -> None:
    token = login(served, "ada", device="Ada's telephone")
    mine = own_id(served, token)
    by_address = listed(served, "--collection", "users", "--email", "ada@example.com")
    assert mine in {item["id"] for item in by_address}
    record = by_address[0]["record"]
    assert by_address == listed(served, "--collection", "users", "--record", record)
    shown = next(item for item in by_address if item["id"] == mine)
    assert (shown["collectionName"], shown["device"]) == ("users", "Ada's telephone")
    assert shown.keys() == {
        "id", "collection", "collectionName", "record", "device", "address", "created", "used", "exp",
    }  # fmt: skip
    assert mine in sessions(served, "list")


def test_a_revoked_session_is_out_at_once_and_its_stream_is_cut(served: Hapta) -> None:
    # row ``cut-streams``
    token, other = login(served, "ben"), login(served, "ben")
    with httpx.stream("GET", f"{served.url}/api/realtime", timeout=10) as stream:
        lines = stream.iter_lines()
        client_id = next(line for line in lines if line.startswith("id:")).removeprefix("id:")
        answer = httpx.post(
            f"{served.url}/api/realtime",
            json={"clientId": client_id, "subscriptions": ["posts/*"]},
            headers={"Authorization": token},
        )
        assert answer.status_code == 204
        began = time.monotonic()
        assert sessions(served, "revoke", own_id(served, token)) == "1 session ended.\n"
        assert status(served, token) == 401
        assert status(served, other) == 200
        rest = list(lines)
    assert time.monotonic() - began < 5
    assert "retry: 1000" in rest


def test_all_sessions_of_an_account_are_revoked_and_no_other(served: Hapta) -> None:
    tokens, other = [login(served, "cleo") for _ in range(3)], login(served, "dan")
    count = len(listed(served, "--collection", "users", "--email", "cleo@example.com"))
    shown = sessions(served, "revoke", "--collection", "users", "--email", "cleo@example.com")
    assert shown == f"{count} sessions ended.\n"
    assert [status(served, token) for token in tokens] == [401] * 3
    assert status(served, other) == 200
    record = listed(served, "--collection", "users", "--email", "dan@example.com")[0]["record"]
    sessions(served, "revoke", "--record", f"users/{record}")
    assert status(served, other) == 401


def test_everybody_is_revoked_once_it_is_confirmed(
    make_pocketbase: Callable[[], Any], make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=make_pocketbase().url)
    tokens = [login(hapta, name) for name in ("ada", "ben")]
    assert "this would end 2 sessions" in sessions(hapta, "revoke", "--all", code=2)
    assert [status(hapta, token) for token in tokens] == [200, 200]
    assert sessions(hapta, "revoke", "--all", "--yes") == "2 sessions ended.\n"
    assert [status(hapta, token) for token in tokens] == [401, 401]
    assert listed(hapta) == []
    assert status(hapta, login(hapta, "ada")) == 200


def test_what_is_revoked_stays_revoked_after_a_restart(served: Hapta) -> None:
    token, other = login(served, "ada"), login(served, "ada")
    sessions(served, "revoke", own_id(served, token))
    served.kill()
    served.start()
    assert status(served, token) == 401
    assert status(served, other) == 200


def test_what_does_not_exist_is_told(served: Hapta) -> None:
    assert "no such living session" in sessions(served, "revoke", "aaaaaaaaaaaaaaa", code=2)
    wanted = ("revoke", "--collection", "users", "--email", "nobody@example.com")
    assert "Nobody in users has that e-mail address" in sessions(served, *wanted, code=2)
    assert "no auth collection posts" in sessions(served, "list", "--collection", "posts", code=2)


def test_the_socket_is_there_while_hapta_runs_and_for_its_owner_alone(make_hapta: MakeHapta) -> None:
    hapta = make_hapta()
    file = hapta.home / "hapta.sock"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    hapta.stop()
    assert not file.exists()
    assert "no Hapta runs with this state directory" in sessions(hapta, "list", code=2)


def test_after_a_kill_the_next_start_takes_the_place(make_hapta: MakeHapta) -> None:
    hapta = make_hapta()
    hapta.kill()
    assert (hapta.home / "hapta.sock").exists()
    hapta.start()
    assert sessions(hapta, "list")


def test_a_second_hapta_with_the_same_state_directory_does_not_start(make_hapta: MakeHapta) -> None:
    hapta = make_hapta()
    second = make_hapta(started=False, server__state_dir=str(hapta.home))
    second.launch()
    process = second.process
    assert process is not None
    wait_until(lambda: process.poll() is not None, "the second one ended", timeout_s=15)
    second.process = None
    assert process.returncode == 2
    assert "another Hapta runs with this state directory" in tail(second.log_path)
    assert sessions(hapta, "list")


def test_a_state_directory_with_a_long_path_is_told_before_anything_starts(
    make_hapta: MakeHapta, tmp_path: Path
) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    hapta = make_hapta(started=False, upstream=None, server__state_dir=str(folder))
    hapta.launch()
    process = hapta.process
    assert process is not None
    wait_until(lambda: process.poll() is not None, "it ended", timeout_s=15)
    hapta.process = None
    assert process.returncode == 2
    assert "set server.state_dir to a folder with a shorter path" in tail(hapta.log_path)
