"""Tables whose keys are not Hapta's: what is kept of them, where it came from, what is refused."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from hapta.config import Loaded, load
from hapta.config.free import leaves
from tests.unit.config.conftest import Problems

TOML = """\
[plugins.link_limit]
is_enabled = true
max_links = 3
words = ["a", "b"]

[validate.posts]
title = { min = 3, max = 200 }
since = 2024-01-01

[validate.posts.body]
max = 10
update_fields = { "*" = "" }

[validate.Users_2]
"""


def loaded(folder: Path, toml: str = "", overrides: tuple[str, ...] = (), **environ: str) -> Loaded:
    (folder / "config.toml").write_text(toml)
    return load(Path("config.toml"), environ, overrides, folder)


def test_the_values_of_a_file_are_kept_as_they_stand(tmp_path: Path) -> None:
    config = loaded(tmp_path, TOML).config
    assert config.plugins == {"link_limit": {"is_enabled": True, "max_links": 3, "words": ["a", "b"]}}
    assert config.validate == {
        "posts": {
            "title": {"min": 3, "max": 200},
            "since": datetime.date(2024, 1, 1),
            "body": {"max": 10, "update_fields": {"*": ""}},
        },
        "Users_2": {},
    }


def test_each_key_and_each_table_has_its_line(tmp_path: Path) -> None:
    assert loaded(tmp_path, TOML).origins == {
        "plugins.link_limit": "config.toml:1",
        "plugins.link_limit.is_enabled": "config.toml:2",
        "plugins.link_limit.max_links": "config.toml:3",
        "plugins.link_limit.words": "config.toml:4",
        "validate.posts": "config.toml:6",
        "validate.posts.title": "config.toml:7",
        "validate.posts.title.min": "config.toml:7",
        "validate.posts.title.max": "config.toml:7",
        "validate.posts.since": "config.toml:8",
        "validate.posts.body": "config.toml:10",
        "validate.posts.body.max": "config.toml:11",
        "validate.posts.body.update_fields": "config.toml:12",
        "validate.posts.body.update_fields.*": "config.toml:12",
        "validate.Users_2": "config.toml:14",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        (" 5 ", 5),
        ("0.5", 0.5),
        ("true", True),
        ("yes", "yes"),
        ('"5"', "5"),
        ("a b", "a b"),
        ("", ""),
        ("https://example.org/#a", "https://example.org/#a"),
        ('["a", "b"]', ["a", "b"]),
        ("{ min = 3 }", {"min": 3}),
        ("[1", "[1"),
        ("[" * 5000, "[" * 5000),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_text_is_a_toml_value_if_it_can_be_else_a_text(text: str, value: Any, tmp_path: Path) -> None:
    from_environment = loaded(tmp_path, HAPTA_PLUGINS__LINK_LIMIT__MAX_LINKS=text)
    assert from_environment.config.plugins == {"link_limit": {"max_links": value}}
    key = "plugins.link_limit.max_links"
    assert from_environment.origins[key] == "environment HAPTA_PLUGINS__LINK_LIMIT__MAX_LINKS"
    from_flag = loaded(tmp_path, "", (f"{key}={text}",))
    assert from_flag.config.plugins == from_environment.config.plugins
    assert from_flag.origins[key] == f"--set {key}", "the value is not repeated"


def test_later_sources_win_key_by_key(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        TOML,
        ("validate.posts.title.min=5", "validate.posts.new.deep.key=x"),
        HAPTA_PLUGINS__LINK_LIMIT__MAX_LINKS="9",
        HAPTA_VALIDATE__POSTS__BODY="{ min = 1 }",
    )
    assert found.config.plugins["link_limit"] == {"is_enabled": True, "max_links": 9, "words": ["a", "b"]}
    posts = found.config.validate["posts"]
    assert posts["title"] == {"min": 5, "max": 200}
    assert posts["body"] == {"min": 1}
    assert posts["new"] == {"deep": {"key": "x"}}
    assert found.origins["validate.posts.title.min"] == "--set validate.posts.title.min"
    assert found.origins["validate.posts.title.max"] == "config.toml:7"
    assert found.origins["validate.posts.body.min"] == "environment HAPTA_VALIDATE__POSTS__BODY"
    assert "validate.posts.body.max" not in found.origins, "it went with the table it stood in"


def test_a_name_may_hold_the_divider_of_variables(tmp_path: Path) -> None:
    found = loaded(tmp_path, HAPTA_VALIDATE__MY__POSTS__TITLE="x", HAPTA_PLUGINS__A__B__IS_ENABLED="no")
    assert found.config.validate == {"my__posts": {"title": "x"}}
    assert found.config.plugins == {"a__b": {"is_enabled": False}}


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("plugins = 3", "config.toml:1: plugins: expected a table, got 3"),
        (
            "plugins.max_links = 3",
            "config.toml:1: plugins.max_links: expected a table such as [plugins.link_limit], got 3",
        ),
        (
            "\n[plugins.Link]",
            "config.toml:2: plugins.Link: expected a name of a to z, 0 to 9 and _ "
            "that begins with a letter, at most 64 characters",
        ),
        (
            "[validate.'a b']",
            "config.toml:1: validate.a b: expected a name of letters, digits and _, as collections have",
        ),
        (
            "[validate.'a\u200b']",
            "config.toml:1: 'validate.a\\u200b': expected a name of letters, digits and _, "
            "as collections have",
        ),
        (
            "[plugins.a]\nis_enabled = 1",
            "config.toml:2: plugins.a.is_enabled: expected true or false, got 1",
        ),
        ("[plugins.a]\nx = nan", "config.toml:2: plugins.a.x: expected a number, got nan"),
        ("[plugins.a]\nx = [{y = [inf]}]", "config.toml:2: plugins.a.x.y: expected a number, got inf"),
        ("[plugins.a.b]\nx = 1\ny = inf", "config.toml:3: plugins.a.b.y: expected a number, got inf"),
        ('[plugins.a]\n"" = 1', 'config.toml:2: plugins.a.: "" is no name for a key'),
        (
            '[plugins.a]\nx = {"a\\n" = 1}',
            'config.toml:2: plugins.a.x: "a\\n" is no name for a key',
        ),
        (f"[plugins.a]\n{'.'.join('x' * 5000)} = 1", "config.toml:2: plugins.a.x: nested more than 16 deep"),
        (
            "[validate.posts]\n[validate.Posts]",
            "config.toml:2: validate.Posts: is the same as validate.posts",
        ),
        ("[plugin.a]", "config.toml:1: plugin: unknown table; did you mean plugins?"),
    ],
)
def test_what_nobody_could_use_is_refused_on_its_line(toml: str, line: str, problems: Problems) -> None:
    assert problems(toml) == [line]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "plugins.a=1",
            "--set plugins.a: plugins.a: expected plugins.<name>.<key>, such as plugins.link_limit.max_links",
        ),
        (
            "validate.a..b=1",
            "--set validate.a..b: validate.a..b: "
            "expected validate.<name>.<key>, such as validate.posts.title",
        ),
        (
            "plugins.a.x.y=1",
            '--set plugins.a.x.y: plugins.a.x.y: plugins.a.x is "text", not a table',
        ),
        ("plugins.a.is_enabled=maybe", '--set plugins.a.is_enabled: plugins.a.is_enabled: '
         'expected true or false, got "maybe"'),
        ("plugins.a.x=\ud800", '--set plugins.a.x: plugins.a.x: expected a text without control characters, '
         'got "\\ud800"'),
    ],
)  # fmt: skip
def test_what_nobody_could_use_is_refused_on_the_command_line(
    override: str, line: str, problems: Problems
) -> None:
    assert problems('[plugins.a]\nx = "text"', overrides=[override]) == [line]


def test_a_text_of_several_lines_sets_no_other_key(problems: Problems) -> None:
    (line,) = problems(overrides=["plugins.a.x=1\ny = 2"])
    assert line.endswith('expected a text without control characters, got "1\\ny = 2"')


def test_leaves_are_all_that_is_no_table() -> None:
    table = {"a": 1, "b": {"c": [2], "d": {}}, "e": {"f": {"g": None}}}
    assert list(leaves(("t",), table)) == [("t.a", 1), ("t.b.c", [2]), ("t.b.d", {}), ("t.e.f.g", None)]
    assert list(leaves(("t", "n"), {})) == [("t.n", {})]
