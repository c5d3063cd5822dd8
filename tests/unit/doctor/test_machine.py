"""hapta.doctor.machine"""

import pytest

from hapta.doctor import Level
from hapta.doctor.machine import event_loop, machine, open_file_limit, parser, python, soft_open_file_limit


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 10), Level.FAIL), ((3, 11), Level.OK), ((3, 14), Level.OK), ((3, 15), Level.WARN)],
)
def test_a_python_hapta_is_not_tested_with_is_told(version: tuple[int, int], level: Level) -> None:
    assert python(version).level is level


def test_the_parser_in_python_is_a_failure_and_the_one_in_c_is_not() -> None:
    assert parser(is_c=True).level is Level.OK
    slow = parser(is_c=False)
    assert slow.level is Level.FAIL
    assert "AIOHTTP_NO_EXTENSIONS" in slow.advice


def test_a_missing_uvloop_is_a_warning() -> None:
    assert event_loop(has_uvloop=True).level is Level.OK
    assert event_loop(has_uvloop=False).level is Level.WARN


@pytest.mark.parametrize(
    ("limit", "level"),
    [
        pytest.param(1024, Level.WARN, id="the usual default"),
        pytest.param(2255, Level.WARN, id="one too few"),
        pytest.param(2256, Level.OK, id="just enough"),
        pytest.param(2**62, Level.OK, id="unlimited"),
    ],
)
def test_the_open_file_limit_is_held_against_the_connections(limit: int, level: Level) -> None:
    assert open_file_limit(limit, max_connections=1000).level is level


def test_too_low_a_limit_comes_with_the_figures_that_would_do() -> None:
    advice = open_file_limit(1024, max_connections=10_000).advice
    assert "LimitNOFILE=20256" in advice
    assert "server.max_connections to 384" in advice


def test_this_machine_is_looked_at() -> None:
    findings = list(machine((3, 11), soft_open_file_limit(), 1))
    assert [finding.name for finding in findings] == ["Python", "HTTP parser", "event loop", "open files"]
    assert findings[1].level is Level.OK  # the suite itself runs on the C parser
