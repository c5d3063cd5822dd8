"""hapta.doctor.feeds"""

from typing import Any

import pytest

from hapta.doctor import Level
from hapta.doctor.feeds import ranked_feeds

READY: dict[str, Any] = {
    "name": "home",
    "collection": "posts",
    "preset": "for_you",
    "is_plugin": False,
    "state": "ready",
    "visibility": "rows",
    "problems": [],
    "rows": 1200,
    "rows_read": 0,
    "bytes": 250_000,
}


def test_without_feeds_nothing_is_said() -> None:
    assert list(ranked_feeds([])) == []


def test_a_feed_that_answers_is_well() -> None:
    (home,) = ranked_feeds([READY])
    assert (home.name, home.level) == ("feed home", Level.OK)
    assert home.found == "1,200 rows in 250,000 bytes, scored by for_you"
    (own,) = ranked_feeds([{**READY, "is_plugin": True}])
    assert own.found.endswith("scored by a plugin")


@pytest.mark.parametrize(
    ("state", "found"),
    [
        pytest.param("loading", "it answers 503 until its table is loaded: 77 rows read", id="loading"),
        pytest.param("rebuilding", "a table in which changes may be missing", id="not exact"),
    ],
)
def test_a_feed_on_its_way_is_told_with_how_far_it_is(state: str, found: str) -> None:
    (finding,) = ranked_feeds([{**READY, "state": state, "rows_read": 77}])
    assert finding.level is Level.WARN
    assert found in finding.found
    assert "77 rows read so far" in finding.found


def test_each_problem_of_a_feed_that_does_not_fit_is_told() -> None:
    problems = ["config.toml:7: feeds.home.author: a", "config.toml:9: feeds.home.pinned: b"]
    found = list(ranked_feeds([{**READY, "state": "unusable", "problems": problems, "visibility": ""}]))
    assert [finding.level for finding in found] == [Level.WARN, Level.WARN]
    assert [finding.found.partition("fit it: ")[2] for finding in found] == problems


def test_a_rule_that_rows_do_not_tell_is_told_with_what_it_costs() -> None:
    _, asked = ranked_feeds([{**READY, "visibility": "pocketbase"}])
    assert asked.level is Level.WARN
    assert "PocketBase is asked which rows of posts its caller may see" in asked.found
