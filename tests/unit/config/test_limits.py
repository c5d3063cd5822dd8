"""``[limits.<name>]``: tables with names the operator chooses, explained as well as all others."""

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from hapta.config import LimitConfig, load
from hapta.config.fields import NAMED
from hapta.model.operation import OperationClass
from tests.unit.config.conftest import Problems


def test_every_source_can_set_a_key_of_a_named_table(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[limits.api]\nrate = "100/minute"\nclass = "file"\nmethods = ["GET"]\n'
    )
    environ = {"HAPTA_LIMITS__API__BURST": "5", "HAPTA_LIMITS__W__RATE": "1/hour"}
    loaded = load(Path("config.toml"), environ, ["limits.api.methods=GET,POST"], tmp_path)
    assert loaded.config.limits == {
        "api": LimitConfig(rate="100/minute", class_="file", burst=5, methods=("GET", "POST")),
        "w": LimitConfig(rate="1/hour"),
    }
    assert loaded.origins == {
        "limits.api.rate": "config.toml:2",
        "limits.api.class": "config.toml:3",
        "limits.api.burst": "environment HAPTA_LIMITS__API__BURST",
        "limits.api.methods": "--set limits.api.methods=GET,POST",
        "limits.w.rate": "environment HAPTA_LIMITS__W__RATE",
    }


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("[limits.a]\n", "config.toml:1: limits.a: rate is missing; expected a text that is not empty"),
        (
            '[limits.a]\nrat = "1/second"\nrate = "1/second"',
            "config.toml:2: limits.a.rat: unknown key; did you mean rate?",
        ),
        ('[limit.a]\nrate = "1/second"', "config.toml:1: limit: unknown table; did you mean limits?"),
        (
            '[limits]\nrate = "1/second"',
            "config.toml:2: limits.rate: is a key of a table with a name of its own, such as [limits.api]",
        ),
        ("[limits]\na = 1", "config.toml:2: limits.a: expected a table such as [limits.api], got 1"),
        ("limits = 1", "config.toml:1: limits: expected a table, got 1"),
        ("[[limits]]", "config.toml:1: limits: expected a table, got [{}]"),
        (
            "[limits.default]",
            "config.toml:1: limits.default: is the name of a limit Hapta brings; choose another",
        ),
        (
            "[limits.login]",
            "config.toml:1: limits.login: is the name of a limit Hapta brings; choose another",
        ),
        (
            '[limits."a.b"]',
            "config.toml:1: limits.a.b: expected a name of a to z, 0 to 9, _ and -, at most 32 characters",
        ),
        ("[limits.a]\nrate = 3", "config.toml:2: limits.a.rate: expected a text that is not empty, got 3"),
        (
            '[limits.a]\nrate = "fast"',
            'config.toml:2: limits.a.rate: expected a rate such as "100/minute" or "5 per 10 seconds", '
            'got "fast"',
        ),
        (
            '[limits.a]\nrate = "5/second;9/hour"',
            'config.toml:2: limits.a.rate: expected one rate, got "5/second;9/hour"; make a table for each',
        ),
        (
            '[limits.a]\nrate = "0/minute"',
            "config.toml:2: limits.a.rate: expected a rate of 1 to 1000000 in at least a second, "
            'got "0/minute"',
        ),
        (
            '[limits.a]\nrate = "5/hour"\nburst = 6',
            "config.toml:3: limits.a.burst: 6 is more than the 5 of the rate",
        ),
        (
            '[limits.a]\nrate = "5/hour"\nburst = 2\ncost = 2.5',
            "config.toml:4: limits.a.cost: 2.5 is more than the 2 that may come at once",
        ),
        (
            '[limits.a]\nrate = "5/hour"\npath_prefix = "api"',
            'config.toml:3: limits.a.path_prefix: expected a path that begins with /, got "api"',
        ),
        (
            '[limits.a]\nrate = "5/hour"\nmethods = ["get"]',
            'config.toml:3: limits.a.methods: expected methods in capitals, such as "POST", got "get"',
        ),
        (
            "[login]\nlock_s = 1000",
            "config.toml:2: login.lock_s: 1000 is more than login.max_lock_s, which is 900",
        ),
    ],
)
def test_a_problem_is_shown_with_its_line(toml: str, line: str, problems: Problems) -> None:
    assert problems(toml) == [line]


def test_a_class_is_one_of_those_requests_have() -> None:
    annotation = NAMED["limits"]["class"].annotation
    assert set(get_args(annotation)) == {"", *OperationClass}


def test_outside_of_the_file_a_key_needs_the_name_of_its_table(problems: Problems) -> None:
    expected = "expected limits.<name>.<key>, such as limits.api.rate"
    assert problems(environ={"HAPTA_LIMITS__API": "1"}, overrides=["limits.rate=1"]) == [
        f"environment HAPTA_LIMITS__API: limits.api: {expected}",
        f"--set limits.rate=1: limits.rate: {expected}",
    ]


def test_every_key_but_the_rate_has_a_default() -> None:
    required = [field.name for field in NAMED["limits"].values() if field.is_required]
    assert required == ["rate"]
    assert msgspec.convert({"rate": "1/second"}, LimitConfig) == LimitConfig(rate="1/second")
