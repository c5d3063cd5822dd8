"""``hapta feeds``: what is asked of the running Hapta, and how its answer is shown."""

from hapta.cli import main
from tests.unit.cli.stand_in import StandIn
from tests.unit.cli.test_cache import Captured

HOME = {
    "name": "home",
    "collection": "posts",
    "preset": "for_you",
    "is_plugin": False,
    "state": "rebuilding",
    "problems": [],
    "rows": 12_345,
    "rows_read": 4000,
    "bytes": 1_234_567,
    "changed_at": 1_700_000_000.0,
    "changes": 4,
}


def test_a_table_on_its_way_shows_how_far_it_is(running: StandIn, capsys: Captured) -> None:
    running.answers["GET /feeds"] = 200, {"items": [HOME]}
    assert main(["feeds", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "feed  collection  scored by  state                     rows      bytes  last change",
        "home  posts       for_you    rebuilding, 4,000 read  12,345  1,234,567  2023-11-14 22:13:20",
    ]


def test_nothing_a_row_is_named_can_reach_the_terminal(running: StandIn, capsys: Captured) -> None:
    parts = {
        "signals.a\x1b[31m": 0.5,
        "base": None,
        "score": 2.0,
        "age_s": 7200.0,
        "pinned": 1.0,
        "seen": 0.0,
    }
    running.answers["GET /feeds/explain"] = (
        200,
        {
            "feed": "home",
            "as": "users/u1",
            "preset": "for_you",
            "is_plugin": False,
            "total": 3,
            "is_exact": False,
            "visible": "unknown",
            "items": [{"id": "p\x1b]0;x", "parts": parts}],
        },
    )
    assert main(["feeds", "explain", "home", "--as", "users/u1", "--limit", "3"]) == 0
    assert running.asked == ["GET /feeds/explain?feed=home&limit=3&as=users%2Fu1"]
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert shown.splitlines()[:3] == [
        "home for users/u1: 3 candidates, scored by for_you",
        "Which rows this caller may see only PocketBase can tell: here are those of everybody.",
        "Changes may be missing: the table is being built anew.",
    ]
    assert "score 2, 2.0 h old, pinned\n" in shown
    assert "0.5, base -" in shown
