"""``hapta bench`` as a command: its exit codes, its output, and that it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest


def _start(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "hapta", "bench", *arguments],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _processes_of(tmp_path: Path) -> Sequence[str]:
    """Command lines that name the directory of this run, or have it as their working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            directory = os.readlink(process / "cwd")
        except OSError:
            continue  # it has just ended
        if str(tmp_path) in command or directory.startswith(str(tmp_path)):
            found.append(command)
    return found


def test_through_hapta_one_object_on_standard_output_and_the_rest_on_standard_error(tmp_path: Path) -> None:
    process = _start(tmp_path, "--requests", "60", "--json")
    output, errors = process.communicate(timeout=50)
    assert process.returncode == 0, errors
    found = json.loads(output)
    assert (found["profile"], found["requests"], found["stale"], found["leaks"]) == ("S", 60, 0, 0)
    assert found["upstream_requests"] >= 20, "cold, and some of them logins and writes"
    assert "Hapta at http://127.0.0.1:" in found["target"]
    assert "logging in 20 users" in errors
    assert list(tmp_path.iterdir()) == []
    assert _processes_of(tmp_path) == []


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_with_130_and_leaves_no_process_and_no_file(
    tmp_path: Path, word: signal.Signals
) -> None:
    process = _start(tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if "sending" in line:
            break
    time.sleep(0.3)
    assert len(_processes_of(tmp_path)) >= 2
    process.send_signal(word)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
    assert _processes_of(tmp_path) == []


def test_foreign_nodes_without_a_fixed_port_and_credentials_are_refused(tmp_path: Path) -> None:
    process = _start(tmp_path, "--target-url", "http://127.0.0.1:1")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--shim-port" in errors


def test_a_hapta_that_does_not_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    process = _start(tmp_path, "--set", "server.no_such_key=1")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "no_such_key" in errors
    assert list(tmp_path.iterdir()) == []
