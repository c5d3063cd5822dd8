"""``[cache]`` and ``[cache.collections.<name>]``."""

from pathlib import Path

import pytest

from hapta.config import CacheCollectionConfig, CacheConfig, load
from tests.unit.config.conftest import Problems


def test_a_collection_has_its_table_in_file_environment_and_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "[cache]\nmax_age_s = 60\n[cache.collections.Posts]\nmax_age_s = 5\n[cache.collections.logs]\n"
    )
    environ = {
        "HAPTA_CACHE__MAX_BYTES": "2000000",
        "HAPTA_CACHE__MAX_RESPONSE_BYTES": "1000",
        "HAPTA_CACHE__COLLECTIONS__AUDIT__TRAIL__IS_ENABLED": "no",
    }
    loaded = load(Path("config.toml"), environ, ["cache.collections.Posts.pb_hooks=none"], tmp_path)
    assert loaded.config.cache == CacheConfig(
        max_age_s=60,
        max_bytes=2_000_000,
        max_response_bytes=1000,
        collections={
            "Posts": CacheCollectionConfig(max_age_s=5, pb_hooks="none"),
            "logs": CacheCollectionConfig(),
            "audit__trail": CacheCollectionConfig(is_enabled=False),
        },
    )
    assert loaded.origins["cache.collections.Posts.max_age_s"] == "config.toml:4"
    assert loaded.origins["cache.collections.Posts.pb_hooks"] == "--set cache.collections.Posts.pb_hooks=none"
    variable = "environment HAPTA_CACHE__COLLECTIONS__AUDIT__TRAIL__IS_ENABLED"
    assert loaded.origins["cache.collections.audit__trail.is_enabled"] == variable


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        (
            "[cache.colections.posts]\nmax_age_s = 1",
            "config.toml:1: cache.colections: unknown key; did you mean collections?",
        ),
        ("[cache]\ncollections = 1", "config.toml:2: cache.collections: expected a table, got 1"),
        (
            "[cache.collections]\nposts = 1",
            "config.toml:2: cache.collections.posts: expected a table such as [cache.collections.posts], "
            "got 1",
        ),
        (
            "[cache.collections]\nmax_age_s = 1",
            "config.toml:2: cache.collections.max_age_s: is a key of a table with a name of its own, "
            "such as [cache.collections.posts]",
        ),
        (
            "[cache.collections.posts]\nmax_age = 1",
            "config.toml:2: cache.collections.posts.max_age: unknown key; did you mean max_age_s?",
        ),
        (
            '[cache.collections."a-b"]',
            "config.toml:1: cache.collections.a-b: expected a name of letters, digits and _, "
            "as collections have",
        ),
        (
            "[cache.collections.posts]\n[cache.collections.POSTS]\nis_enabled = false",
            "cache.collections.POSTS: is the same as cache.collections.posts",
        ),
        (
            '[cache]\ncustom_routes_write = ["*", "posts"]',
            'config.toml:2: cache.custom_routes_write: "*" is all collections; leave out the others',
        ),
        (
            "[cache]\nmax_bytes = 1_048_576",
            "config.toml:2: cache.max_response_bytes: 4194304 is more than cache.max_bytes, which is 1048576",
        ),
        (
            '[cache]\npb_hooks = "some"',
            'config.toml:2: cache.pb_hooks: expected one of "auto", "none", "auth", "request", got "some"',
        ),
    ],
)
def test_a_problem_is_shown_with_its_line(toml: str, line: str, problems: Problems) -> None:
    assert problems(toml) == [line]


def test_outside_of_the_file_a_key_needs_the_name_of_its_collection(problems: Problems) -> None:
    expected = "expected cache.collections.<name>.<key>, such as cache.collections.posts.is_enabled"
    assert problems(
        environ={"HAPTA_CACHE__COLLECTIONS__POSTS": "1"},
        overrides=["cache.collections=1", "cache.collections.x.y=1"],
    ) == [
        f"environment HAPTA_CACHE__COLLECTIONS__POSTS: cache.collections.posts: {expected}",
        f"--set: cache.collections: {expected}",
        "--set: cache.collections.x.y: unknown key",
    ]
