"""hapta.doctor.caching"""

from typing import Any

import pytest

from hapta.doctor import Level
from hapta.doctor.caching import caching

STATS: dict[str, Any] = {
    "is_enabled": True,
    "pb_hooks": "none",
    "pb_hooks_auto": "there are no hooks in pb_hooks",
    "budget_bytes": 1000,
    "used_bytes": 250,
    "doubts": 0,
    "totals": {"hit_ratio": 0.95},
    "unreadable_rules": [],
    "unreadable_views": {},
}


def test_a_cache_that_shares_is_well() -> None:
    cache, hooks = caching(STATS)
    assert (cache.level, hooks.level) == (Level.OK, Level.OK)
    assert cache.found == "95% of the reads of records were hits, 250 of 1,000 bytes used"
    assert "there are no hooks in pb_hooks" in hooks.found


def test_a_cache_that_is_off_says_nothing_else() -> None:
    (finding,) = caching({**STATS, "is_enabled": False})
    assert (finding.level, finding.found) == (Level.WARN, "it is off: every read goes to PocketBase")


def test_a_start_without_reads_is_no_fault() -> None:
    assert next(iter(caching({**STATS, "totals": {"hit_ratio": None}}))).found.startswith("nobody has read")


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        pytest.param("auth", "each user has stored answers of their own: it is elsewhere", id="auth"),
        pytest.param("request", "nothing is stored: it is elsewhere", id="request"),
    ],
)
def test_hooks_that_keep_users_from_sharing_are_told_with_what_none_would_gain(mode: str, found: str) -> None:
    _, hooks = caching({**STATS, "pb_hooks": mode, "pb_hooks_auto": "it is elsewhere"})
    assert (hooks.level, hooks.found) == (Level.WARN, found)
    assert 'cache.pb_hooks = "none" lets users share' in hooks.advice


def test_a_mode_that_was_configured_is_said_to_be() -> None:
    _, hooks = caching({**STATS, "pb_hooks": "auth", "pb_hooks_auto": ""})
    assert hooks.found == "each user has stored answers of their own by cache.pb_hooks"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({"doubts": 2}, "2 tags are in doubt", id="doubt"),
        pytest.param({"unreadable_rules": ["listRule of x"]}, "cannot be read: listRule of x", id="rule"),
        pytest.param(
            {"unreadable_views": {"v": "a clock"}}, "of the view v are not stored: a clock", id="view"
        ),
    ],
)
def test_what_is_not_stored_or_in_doubt_is_told(changes: dict[str, Any], found: str) -> None:
    *_, last = caching({**STATS, **changes})
    assert last.level is Level.WARN
    assert found in last.found
