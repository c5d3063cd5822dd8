"""``hapta sessions``: what is asked of the running Hapta, and how its answer is shown."""

import json
from pathlib import Path

import pytest

from hapta.cli import main
from tests.unit.cli.stand_in import StandIn

ID = "aaaaaaaaaaaaaa1"
Captured = pytest.CaptureFixture[str]
ITEM = {
    "id": ID,
    "collection": "_pb_users_auth_",
    "collectionName": "users",
    "record": "user00000000001",
    "device": "Mozilla/5.0 \x1b[31m(red)",
    "address": "192.0.2.0/24",
    "created": "2026-01-02 03:04:05.678Z",
    "used": "2026-01-03 03:04:05.678Z",
    "exp": "",
}


def test_a_list_is_a_table_and_nothing_in_it_can_drive_the_terminal(
    running: StandIn, capsys: Captured
) -> None:
    running.answers["GET /sessions"] = 200, {"items": [ITEM], "totalItems": 1}
    assert main(["sessions", "list"]) == 0
    out, err = capsys.readouterr()
    head, line = out.splitlines()
    assert head.split("  ")[0] == "session"
    assert line.split()[:2] == [ID, "users/user00000000001"]
    assert "2026-01-03 03:04" in line
    assert r"\x1b[31m(red)" in line
    assert "\x1b" not in out
    assert err == "1 session.\n"


def test_a_list_says_when_it_does_not_show_all(running: StandIn, capsys: Captured) -> None:
    running.answers["GET /sessions"] = 200, {"items": [ITEM], "totalItems": 40}
    assert main(["sessions", "list", "--limit", "1"]) == 0
    assert capsys.readouterr().err == "40 sessions, 39 more are not shown (--limit).\n"
    assert running.asked == ["GET /sessions?limit=1"]


def test_nobody_logged_in_is_no_table(running: StandIn, capsys: Captured) -> None:
    running.answers["GET /sessions"] = 200, {"items": [], "totalItems": 0}
    assert main(["sessions", "list"]) == 0
    assert capsys.readouterr() == ("", "0 sessions.\n")


def test_a_session_of_a_dropped_collection_shows_its_id(running: StandIn, capsys: Captured) -> None:
    running.answers["GET /sessions"] = 200, {"items": [{**ITEM, "collectionName": ""}], "totalItems": 1}
    main(["sessions", "list"])
    assert "_pb_users_auth_/user00000000001" in capsys.readouterr().out


def test_json_is_the_answer_as_it_came(running: StandIn, capsys: Captured) -> None:
    found = {"items": [ITEM], "totalItems": 1}
    running.answers["GET /sessions"] = 200, found
    assert main(["sessions", "list", "--json", "--collection", "users", "--email", "a+b@c.org"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert running.asked == ["GET /sessions?collection=users&email=a%2Bb%40c.org&limit=500"]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        pytest.param([ID], [f"DELETE /sessions/{ID}"], id="one"),
        pytest.param([ID, ID], [f"DELETE /sessions/{ID}"] * 2, id="several"),
        pytest.param(["--record", "users/r1"], ["DELETE /sessions?collection=users&record=r1"], id="account"),
        pytest.param(
            ["--collection", "users", "--email", "a@b.org"],
            ["DELETE /sessions?collection=users&email=a%40b.org"],
            id="address",
        ),
        pytest.param(["--all", "--yes"], ["POST /sessions/end-all?confirm=yes"], id="all"),
    ],
)
def test_revoke_asks_for_just_what_was_named(
    running: StandIn, capsys: Captured, arguments: list[str], asked: list[str]
) -> None:
    for key in (f"DELETE /sessions/{ID}", "DELETE /sessions", "POST /sessions/end-all"):
        running.answers[key] = 200, {"ended": 1}
    assert main(["sessions", "revoke", *arguments]) == 0
    assert running.asked == asked
    assert capsys.readouterr().out == ("1 session" if len(asked) == 1 else "2 sessions") + " ended.\n"


def test_an_id_cannot_name_another_route(running: StandIn, capsys: Captured) -> None:
    running.answers["DELETE /sessions/..%2Fend-all"] = 404, {"message": "There is no such living session."}
    assert main(["sessions", "revoke", "../end-all"]) == 2
    assert capsys.readouterr().err == "hapta: ../end-all: There is no such living session.\n"


@pytest.mark.parametrize(("answer", "is_ended"), [("y", True), ("n", False)])
def test_ending_all_is_asked_for_with_their_number(
    running: StandIn, capsys: Captured, monkeypatch: pytest.MonkeyPatch, answer: str, is_ended: bool
) -> None:
    running.answers["GET /sessions"] = 200, {"items": [ITEM], "totalItems": 12}
    running.answers["POST /sessions/end-all"] = 200, {"ended": 12}
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    questions: list[str] = []
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda text: questions.append(text) or answer)
    assert main(["sessions", "revoke", "--all"]) == (0 if is_ended else 130)
    shown = capsys.readouterr().out
    assert "End 12 sessions, superusers' included?" in shown + "".join(questions)
    assert ("POST /sessions/end-all?confirm=yes" in running.asked) is is_ended


def test_ending_all_in_a_script_needs_a_yes(
    running: StandIn, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.answers["GET /sessions"] = 200, {"items": [ITEM], "totalItems": 12}
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main(["sessions", "revoke", "--all"]) == 2
    assert "this would end 12 sessions; say --yes" in capsys.readouterr().err
    assert running.asked == ["GET /sessions?limit=1"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["list", "--record", "r1"], "need --collection"),
        (["list", "--collection", "users", "--record", "r1", "--email", "a@b.org"], "give one of them"),
        (["list", "--limit", "0"], "Invalid value for '--limit'"),
        (["revoke"], "say which"),
        (["revoke", ID, "--all"], "say which"),
        (["revoke", "--collection", "users"], "say which"),
        (["revoke", "--email", "a@b.org"], "go together"),
        (["revoke", "--record", "users"], "expected COLLECTION/ID"),
        (["revoke", "--record", "users/"], "expected COLLECTION/ID"),
        (["nonsense"], "No such command"),
    ],
)
def test_wrong_usage_asks_nothing(
    running: StandIn, capsys: Captured, arguments: list[str], problem: str
) -> None:
    assert main(["sessions", *arguments]) == 2
    assert problem in capsys.readouterr().err
    assert running.asked == []


def test_where_no_hapta_runs_it_says_so(home: Path, capsys: Captured) -> None:
    assert main(["sessions", "list"]) == 2
    assert capsys.readouterr().err.startswith(f"hapta: {home}/hapta.sock: no Hapta runs with this state")


def test_the_state_directory_of_the_configuration_is_where_it_looks(home: Path, capsys: Captured) -> None:
    (home / "config.toml").write_text('[server]\nstate_dir = "state"\n')
    assert main(["sessions", "list"]) == 2
    assert f"{home}/state/hapta.sock" in capsys.readouterr().err
