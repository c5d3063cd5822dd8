"""PocketBase never outlives Hapta, however Hapta ends, and the data can be used again at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.embedded.support import HEALTHY, is_running, make_program, make_ready, seconds_until_gone

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Running:
    """A started stand-in for Hapta."""

    process: "subprocess.Popen[bytes]"
    pid: int
    guard_pid: int
    url: str


RunStandIn = Callable[..., Running]


@pytest.fixture
def run_stand_in(tmp_path: Path) -> Iterator[RunStandIn]:
    """Start the stand-in on ``tmp_path`` and wait until its PocketBase serves."""
    with ExitStack() as closing:

        def run(*arguments: str) -> Running:
            command = [
                sys.executable,
                "-W",
                "error",
                "-m",
                "tests.embedded.stand_in",
                str(tmp_path),
                *arguments,
            ]
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            closing.enter_context(process)
            closing.callback(process.kill)
            assert process.stdout is not None
            pid, guard_pid, url = process.stdout.readline().split()
            assert httpx.get(f"{url.decode()}/api/health").status_code == 200
            return Running(process, int(pid), int(guard_pid), url.decode())

        yield run


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_when_hapta_is_killed_pocketbase_is_gone_within_a_second_and_hapta_starts_again_at_once(
    run_stand_in: RunStandIn, loop: str
) -> None:
    first = run_stand_in(loop)
    first.process.kill()
    second = run_stand_in(loop)  # while the guard may still be ending the first one's PocketBase
    assert not is_running(first.pid)
    second.process.kill()
    assert seconds_until_gone(second.pid, 1.0) < 1.0
    assert seconds_until_gone(second.guard_pid, 1.0) < 1.0


def test_a_pocketbase_busy_with_a_request_is_gone_within_a_second_too(
    run_stand_in: RunStandIn, tmp_path: Path
) -> None:
    (tmp_path / "pb_hooks").mkdir()
    route = 'routerAdd("GET", "/slow", (e) => { sleep(20000); return e.string(200, "x") })'
    (tmp_path / "pb_hooks" / "slow.pb.js").write_text(route)
    hapta = run_stand_in("asyncio")
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{hapta.url}/slow", timeout=0.3)
    hapta.process.kill()
    assert seconds_until_gone(hapta.pid, 1.0) < 1.0


def test_a_new_hapta_waits_until_the_pocketbase_of_a_killed_one_has_ended(
    run_stand_in: RunStandIn, tmp_path: Path
) -> None:
    source = HEALTHY + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: answer()\n"
    make_program(tmp_path / "pb", source)
    hapta = run_stand_in("asyncio")
    hapta.process.kill()
    hapta.process.wait()
    assert is_running(hapta.pid)
    prepared = make_ready(tmp_path)
    assert not is_running(hapta.pid)
    prepared.release()


def test_another_child_of_hapta_that_inherited_the_pipe_does_not_keep_pocketbase_alive(
    run_stand_in: RunStandIn,
) -> None:
    hapta = run_stand_in("asyncio", "with-fork")
    hapta.process.kill()
    assert seconds_until_gone(hapta.pid, 1.0) < 1.0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's signal on a parent's death")
def test_when_hapta_and_the_guard_are_both_killed_pocketbase_goes_with_them(run_stand_in: RunStandIn) -> None:
    hapta = run_stand_in("asyncio")
    os.kill(hapta.process.pid, signal.SIGSTOP)  # so that it cannot be the one who ends PocketBase
    os.kill(hapta.guard_pid, signal.SIGKILL)
    hapta.process.kill()
    assert seconds_until_gone(hapta.pid, 1.0) < 1.0


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_ordinary_end_leaves_no_process_and_no_lock(
    run_stand_in: RunStandIn, tmp_path: Path, loop: str
) -> None:
    hapta = run_stand_in(loop)
    hapta.process.communicate(b"\n", timeout=10)
    assert hapta.process.returncode == 0
    assert not is_running(hapta.pid)
    assert not is_running(hapta.guard_pid)
    make_ready(tmp_path).release()


def test_ctrl_c_in_the_terminal_does_not_reach_pocketbase(run_stand_in: RunStandIn) -> None:
    hapta = run_stand_in("asyncio")
    group = os.getpgid(hapta.process.pid)
    assert group not in {os.getpgid(hapta.pid), os.getpgid(hapta.guard_pid)}


def test_a_second_instance_is_told_the_pid_of_the_first(run_stand_in: RunStandIn, tmp_path: Path) -> None:
    hapta = run_stand_in("asyncio")
    command = [sys.executable, "-m", "tests.embedded.stand_in", str(tmp_path), "asyncio"]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=20, check=False)
    assert second.returncode == 1
    assert f"in use by another Hapta (pid {hapta.process.pid})" in second.stderr.decode()
    assert httpx.get(f"{hapta.url}/api/health").status_code == 200
