"""``hapta cache``: what is asked of the running Hapta, and how its answer is shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from hapta.cli import main
from tests.unit.cli.stand_in import StandIn

Captured = pytest.CaptureFixture[str]
PATH = "/api/collections/posts/records"
STORED = {"state": "fresh", "is_outdated": False, "age_s": 60.2, "ttl_s": 239.8, "status": 200, "bytes": 5120}
PLAN: dict[str, Any] = {
    "target": PATH,
    "as": "users/u1",
    "is_enabled": True,
    "is_storable": True,
    "canonical": PATH,
    "shared_by": ["own answers for each user: listRule of posts reads @request.auth.id"],
    "unusable_after": ["any change in posts: it is listed", "whatever empties the cache"],
    "lifetime_s": 300.0,
    "ends_at_midnight": False,
    "pb_hooks": {"posts": "auth"},
    "pb_hooks_auto": "there are hooks: a.pb.js",
    "now": STORED,
}
ROW: dict[str, Any] = {
    "hits": 1500,
    "how": {"shared": 1200, "patched": 300},
    "misses": {"uri-miss": 3, "stale": 2},
    "bypasses": {"feed": 1},
    "invalidations": 4,
    "responses": 7,
    "bytes": 12_345,
    "evicted": 8,
    "not_admitted": 9,
    "hit_ratio": 0.996,
}
STATS: dict[str, Any] = {
    "is_enabled": True,
    "is_live": True,
    "pb_hooks": "auth",
    "pb_hooks_auto": "",
    "budget_bytes": 67_108_864,
    "used_bytes": 6_710_886,
    "doubts": 0,
    "totals": ROW,
    "collections": {"posts": ROW},
    "unreadable_rules": [],
    "unreadable_views": {},
}


def explained(running: StandIn, capsys: Captured, **changes: object) -> str:
    running.answers["GET /cache/explain"] = 200, {**PLAN, **changes}
    assert main(["cache", "explain", PATH, "--as", "users/u1"]) == 0
    return capsys.readouterr().out


def counted(running: StandIn, capsys: Captured, **changes: object) -> list[str]:
    running.answers["GET /cache/stats"] = 200, {**STATS, **changes}
    assert main(["cache", "stats"]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_plan_is_told_in_sentences_under_what_they_are_about(running: StandIn, capsys: Captured) -> None:
    assert explained(running, capsys).splitlines() == [
        f"GET {PATH}",
        "  as              users/u1",
        "  for whom        own answers for each user: listRule of posts reads @request.auth.id",
        "  unusable after  any change in posts: it is listed",
        "                  whatever empties the cache",
        "  fresh for       300 s",
        "  pb_hooks        posts: auth",
        '                  ("auto" means: there are hooks: a.pb.js)',
        "  now             stored and fresh for another 240 s (200, 5,120 bytes, 60 s old)",
    ]
    assert running.asked == ["GET /cache/explain?url=%2Fapi%2Fcollections%2Fposts%2Frecords&as=users%2Fu1"]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        pytest.param({"state": "off"}, "cache.is_enabled is false", id="off"),
        pytest.param({"state": "absent"}, "the next read of it fetches and stores it", id="absent"),
        pytest.param(
            {"state": "not now", "reason": "feed", "detail": "", "because": "nothing is heard"},
            "nothing can be stored or served: nothing is heard [feed]", id="not now",
        ),
        pytest.param({**STORED, "state": "unsettled"}, "not served while a write is open", id="open write"),
        pytest.param({**STORED, "state": "stale"}, "not served any more: it is too old", id="too old"),
        pytest.param(
            {**STORED, "state": "stale", "is_outdated": True}, "it depends on has changed", id="changed"
        ),
    ],
)  # fmt: skip
def test_what_is_stored_now_is_told(
    running: StandIn, capsys: Captured, now: dict[str, Any], words: str
) -> None:
    assert words in explained(running, capsys, now=now)


def test_what_ends_at_midnight_says_so(running: StandIn, capsys: Captured) -> None:
    assert "300 s, or until midnight UTC" in explained(running, capsys, ends_at_midnight=True)


def test_what_is_never_stored_says_why_and_nothing_in_it_can_drive_the_terminal(
    running: StandIn, capsys: Captured
) -> None:
    refusal = {"is_storable": False, "reason": "rule", "detail": "posts \x1b[31m", "because": "refused"}
    shown = explained(running, capsys, **refusal)
    assert r"never stored    refused (posts \x1b[31m) [rule]" in shown
    assert "\x1b" not in shown
    assert "for whom" not in shown


def test_figures_are_a_table_with_sums_and_reasons(running: StandIn, capsys: Captured) -> None:
    head, posts, total, _, hits, misses, bypasses, used = counted(running, capsys)
    assert head.split()[:5] == ["collection", "hits", "ratio", "misses", "bypasses"]
    assert posts.split() == ["posts", "1,500", "99.6%", "5", "1", "4", "7", "12,345", "8", "9"]
    assert total.split()[0] == "(all)"
    assert hits == "hits: patched 300, shared 1,200"
    assert misses == "misses: stale 2, uri-miss 3"
    assert bypasses == "bypasses: feed 1"
    assert used == "6,710,886 of 67,108,864 bytes used (10%)"


def test_figures_end_with_what_is_wrong(running: StandIn, capsys: Captured) -> None:
    lines = counted(
        running,
        capsys,
        is_enabled=False,
        doubts=2,
        unreadable_rules=["listRule of x, position 3: what?"],
        unreadable_views={"stats": "its tables are not known"},
    )
    assert lines[-4:] == [
        "The cache is off: cache.is_enabled is false.",
        "2 tags in doubt: the answer to a write was lost.",
        "Not read: listRule of x, position 3: what?",
        "Not stored: view stats: its tables are not known",
    ]


def test_no_reads_are_no_ratio(running: StandIn, capsys: Captured) -> None:
    none = {**ROW, "hit_ratio": None, "how": {}, "misses": {}, "bypasses": {}}
    _, total, _, _ = counted(running, capsys, totals=none, collections={})
    assert total.split()[:3] == ["(all)", "1,500", "-"]


@pytest.mark.parametrize("word", ["explain", "stats"])
def test_json_is_the_answer_as_it_came(running: StandIn, capsys: Captured, word: str) -> None:
    found = PLAN if word == "explain" else STATS
    running.answers[f"GET /cache/{word}"] = 200, found
    assert main(["cache", word, "--json", *([PATH] if word == "explain" else [])]) == 0
    assert json.loads(capsys.readouterr().out) == found


@pytest.mark.parametrize(
    ("arguments", "asked", "dropped", "shown"),
    [
        pytest.param(["posts"], "POST /cache/purge?collection=posts", 1, "1 response dropped.\n", id="one"),
        pytest.param(
            ["--all"], "POST /cache/purge?all=yes", 1234, "1,234 responses dropped.\n", id="everything"
        ),
    ],
)
def test_purge_asks_for_just_what_was_named(
    running: StandIn, capsys: Captured, arguments: list[str], asked: str, dropped: int, shown: str
) -> None:
    running.answers["POST /cache/purge"] = 200, {"dropped": dropped}
    assert main(["cache", "purge", *arguments]) == 0
    assert running.asked == [asked]
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("arguments", [[], ["posts", "--all"]])
def test_purge_must_be_told_what(home: Path, capsys: Captured, arguments: list[str]) -> None:
    assert main(["cache", "purge", *arguments]) == 2
    assert "say which" in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_a_refusal_is_one_line(running: StandIn, capsys: Captured) -> None:
    running.answers["GET /cache/explain"] = 404, {"message": "There is no auth collection x."}
    assert main(["cache", "explain", PATH, "--as", "x/y"]) == 2
    assert capsys.readouterr().err == "hapta: There is no auth collection x.\n"
