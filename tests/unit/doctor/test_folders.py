"""hapta.doctor.folders"""

import os
from pathlib import Path

import pytest

from hapta.config import load
from hapta.doctor import Level
from hapta.doctor.folders import folders, private, room, writable

KEY = "server.state_dir"
as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def test_a_folder_one_can_write_into_is_well(tmp_path: Path) -> None:
    assert writable(KEY, tmp_path, may_be_made=False).level is Level.OK


def test_a_missing_folder_is_a_failure_unless_it_can_be_made(tmp_path: Path) -> None:
    missing = tmp_path / "a" / "b"
    assert writable(KEY, missing, may_be_made=False).level is Level.FAIL
    to_be_made = writable(KEY, missing, may_be_made=True)
    assert to_be_made.level is Level.OK
    assert "to be made" in to_be_made.found


def test_a_file_in_the_place_of_a_folder_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    assert "is not a folder" in writable(KEY, file, may_be_made=False).found
    assert writable(KEY, file / "b", may_be_made=True).level is Level.FAIL


@as_root
def test_a_folder_one_cannot_write_into_is_a_failure(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "not writable" in writable(KEY, tmp_path, may_be_made=False).found
    assert writable(KEY, tmp_path / "a", may_be_made=True).level is Level.FAIL
    tmp_path.chmod(0o700)


def test_too_little_room_for_request_bodies_is_a_warning(tmp_path: Path) -> None:
    assert room(tmp_path, 1).level is Level.OK
    assert room(tmp_path, 2**62).level is Level.WARN


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, Level.OK), (0o400, Level.OK), (0o640, Level.FAIL), (0o604, Level.FAIL)]
)
def test_a_file_of_secrets_is_for_its_owner_only(tmp_path: Path, mode: int, level: Level) -> None:
    file = tmp_path / "hapta.env"
    file.touch()
    file.chmod(mode)
    (finding,) = private(file)
    assert finding.level is level
    assert (f"chmod 600 {file}" == finding.advice) is (level is Level.FAIL)


def test_nothing_is_said_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert list(private(tmp_path / "hapta.env")) == []


def test_the_data_folder_matters_only_to_an_embedded_pocketbase(tmp_path: Path) -> None:
    remote = {"DatabaseURL": "http://10.0.0.5:8090"}
    names = [
        [finding.name for finding in folders(load(None, environ, [], tmp_path))] for environ in ({}, remote)
    ]
    assert names == [
        ["server.state_dir", "upstream.data_dir", "server.spool_dir", "spool room"],
        ["server.state_dir", "server.spool_dir", "spool room"],
    ]


def test_room_is_not_looked_for_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    loaded = load(None, {}, ["server.spool_dir=none"], tmp_path)
    assert [finding.name for finding in folders(loaded)][-1] == "server.spool_dir"
