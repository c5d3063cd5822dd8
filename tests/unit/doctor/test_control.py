"""hapta.doctor.control"""

import socket
from pathlib import Path

import pytest

from hapta.app.control import NAME
from hapta.doctor import Level
from hapta.doctor.control import control, findings

STATUS = {
    "version": "1.2.3",
    "url": "http://127.0.0.1:8080",
    "uptime_s": 7200.4,
    "feed": {"connected": True, "live": True, "epoch": 3},
    "sessions_remembered": 12,
    "open_streams": 5,
}


def test_nothing_is_said_where_no_hapta_runs(tmp_path: Path) -> None:
    assert list(control(tmp_path, "http://127.0.0.1:8080", is_running=False)) == []


def test_the_file_of_a_killed_hapta_is_no_finding(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / NAME))
    assert list(control(tmp_path, "http://127.0.0.1:8080", is_running=False)) == []


def test_a_running_hapta_without_its_socket_has_another_state_directory(tmp_path: Path) -> None:
    (finding,) = control(tmp_path, "http://127.0.0.1:8080", is_running=True)
    assert finding.level is Level.WARN
    assert finding.found.startswith("Hapta runs at http://127.0.0.1:8080, but ")


@pytest.mark.parametrize(
    ("feed", "level", "found"),
    [
        pytest.param({}, Level.OK, "connected, events come when asked for, epoch 3", id="live"),
        pytest.param({"live": False}, Level.WARN, "an event that Hapta asked for did not come", id="deaf"),
        pytest.param({"connected": False, "live": False}, Level.WARN, "cannot follow", id="lost"),
    ],
)
def test_the_change_feed_is_well_as_long_as_events_come(
    feed: dict[str, bool], level: Level, found: str
) -> None:
    socket_finding, feed_finding = findings({**STATUS, "feed": {**STATUS["feed"], **feed}})
    assert socket_finding.found == (
        "Hapta 1.2.3 at http://127.0.0.1:8080, up for 120 min, 12 sessions in memory, 5 event streams open"
    )
    assert feed_finding.level is level
    assert found in feed_finding.found
