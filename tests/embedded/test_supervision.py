"""PocketBase is kept serving on one address, and what keeps it from serving is told."""

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from hapta.embedded import EmbeddedPocketBase, supervisor
from hapta.embedded.health import health_status
from hapta.model.errors import OperatorError
from tests.embedded.conftest import LogIn, Start
from tests.embedded.support import (
    HEALTHY,
    RecordedEvents,
    is_running,
    make_program,
    seconds_until_gone,
    until,
)


async def until_up_again(pocketbase: EmbeddedPocketBase, restarts: int, at_most_s: float) -> float:
    return await until(lambda: pocketbase.is_up and pocketbase.restarts == restarts, at_most_s)


async def test_a_killed_pocketbase_serves_again_within_two_seconds_on_the_same_address(
    start: Start, log_in: LogIn, events: RecordedEvents
) -> None:
    pocketbase = await start()
    heard: list[str] = []
    pocketbase.subscribe(
        on_up=lambda first: heard.append(f"up {first}"), on_down=lambda: heard.append("down")
    )
    address, pid = pocketbase.base_url, pocketbase.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert await until_up_again(pocketbase, 1, 2.0) < 2.0
    assert pocketbase.base_url == address
    assert pocketbase.pid != pid
    assert heard == ["down", "up False"]
    assert "SIGKILL" in str(events.named("pocketbase_ended")[0]["message"])
    await log_in(pocketbase)


async def test_a_killed_guard_takes_its_pocketbase_along_and_both_come_back(
    start: Start, events: RecordedEvents
) -> None:
    pocketbase = await start()
    pid, guard = pocketbase.pid, pocketbase.guard_pid
    assert pid is not None
    assert guard is not None
    os.kill(guard, signal.SIGKILL)
    assert await asyncio.to_thread(seconds_until_gone, pid, 1.0) < 1.0
    await until_up_again(pocketbase, 1, 2.0)
    assert f"guard process {guard} was ended" in str(events.named("pocketbase_ended")[0]["message"])


async def test_a_killed_guard_leaves_no_pocketbase_where_the_system_has_no_death_signal(
    start: Start, tmp_path: Path
) -> None:
    """As on macOS: the program takes back the signal it is to get when its parent dies."""
    source = "import ctypes\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\n" + HEALTHY + "while True: answer()\n"
    pocketbase = await start(binary=make_program(tmp_path / "pb", source))
    pid, guard = pocketbase.pid, pocketbase.guard_pid
    assert pid is not None
    assert guard is not None
    os.kill(guard, signal.SIGKILL)
    assert await asyncio.to_thread(seconds_until_gone, pid, 1.0) < 1.0
    await until_up_again(pocketbase, 1, 3.0)


async def test_a_guard_outlives_the_signals_of_a_terminal_or_a_service_manager(start: Start) -> None:
    pocketbase = await start()
    assert pocketbase.guard_pid is not None
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pocketbase.guard_pid, name)
    await asyncio.sleep(0.2)
    assert pocketbase.is_up
    assert pocketbase.restarts == 0
    assert os.getsid(pocketbase.guard_pid) == pocketbase.guard_pid
    assert pocketbase.pid is not None
    assert os.getsid(pocketbase.pid) == pocketbase.pid


async def test_a_pocketbase_that_keeps_ending_is_restarted_at_growing_intervals(
    start: Start, events: RecordedEvents, tmp_path: Path
) -> None:
    source = HEALTHY + "answer()\nprint('boom')\nsys.exit(7)\n"
    pocketbase = await start(binary=make_program(tmp_path / "pb", source))
    await until(lambda: len(events.named("pocketbase_ended")) >= 4, 5)
    await pocketbase.stop()
    ends = events.named("pocketbase_ended")
    assert [end["next_try_s"] for end in ends[:4]] == [0.0, 0.25, 0.5, 1.0]
    assert all("exit status 7" in str(end["message"]) for end in ends)
    assert pocketbase.output_tail()[-1] == "boom"
    restarts = pocketbase.restarts
    await asyncio.sleep(0.3)
    assert pocketbase.restarts == restarts


async def test_a_restart_waits_for_its_port_and_then_takes_it(start: Start, events: RecordedEvents) -> None:
    pocketbase = await start()
    assert pocketbase.pid is not None
    port = int(pocketbase.base_url.rpartition(":")[2])
    taken: list[socket.socket] = []

    def take() -> None:
        if not taken:
            taken.append(socket.create_server(("127.0.0.1", port)))

    pocketbase.subscribe(on_down=take)
    os.kill(pocketbase.pid, signal.SIGKILL)
    await until(lambda: events.named("pocketbase_not_started"), 3)
    assert f"another program listens on 127.0.0.1:{port}" in str(
        events.named("pocketbase_not_started")[0]["message"]
    )
    assert not pocketbase.is_up
    taken[0].close()
    await until(lambda: pocketbase.is_up, 3)
    assert pocketbase.base_url.endswith(f":{port}")


async def test_a_subscriber_that_fails_ends_nothing(start: Start, events: RecordedEvents) -> None:
    pocketbase = await start()

    def fail() -> None:
        raise ValueError("mine")

    pocketbase.subscribe(on_down=fail)
    assert pocketbase.pid is not None
    os.kill(pocketbase.pid, signal.SIGKILL)
    await until_up_again(pocketbase, 1, 2.0)
    assert "ValueError: mine" in str(events.named("pocketbase_subscriber_failed")[0]["traceback"])


async def test_a_restored_backup_is_noticed_and_the_marker_put_back(
    start: Start, log_in: LogIn, tmp_path: Path
) -> None:
    pocketbase = await start()
    api = await log_in(pocketbase)
    marker = tmp_path / "pb_data" / "hapta.json"
    content = marker.read_bytes()
    marker.unlink()  # a backup made by another PocketBase has none
    status, _ = await api.request("POST", "/api/backups", {"name": "theirs.zip"})
    assert status == 204
    marker.write_bytes(content)
    heard: list[str] = []
    pocketbase.subscribe(
        on_up=lambda first: heard.append(f"up {first}"), on_down=lambda: heard.append("down")
    )
    pid = pocketbase.pid
    status, _ = await api.request("POST", "/api/backups/theirs.zip/restore")
    assert status == 204
    await until(lambda: heard == ["down", "up False"], 5)
    assert (pocketbase.pid, pocketbase.restarts, pocketbase.reloads) == (pid, 0, 1)
    assert marker.is_file()
    await log_in(pocketbase)
    with pytest.raises(OperatorError, match=f"in use by another Hapta .pid {os.getpid()}"):
        await start()
    await pocketbase.stop()
    again = await start()
    await log_in(again, "operator")


async def test_stopping_ends_pocketbase_gives_the_data_back_and_may_be_repeated(start: Start) -> None:
    pocketbase = await start()
    heard: list[str] = []
    pocketbase.subscribe(on_down=lambda: heard.append("down"))
    pid, guard = pocketbase.pid, pocketbase.guard_pid
    assert pid is not None
    assert guard is not None
    began = time.monotonic()
    await asyncio.gather(pocketbase.stop(), pocketbase.stop())
    await pocketbase.stop()
    assert time.monotonic() - began < 1.0
    assert not is_running(pid)
    assert not is_running(guard)
    assert not pocketbase.is_up
    assert pocketbase.pid is None
    assert heard == []
    assert (await start()).is_up


async def test_a_pocketbase_that_does_not_end_is_killed_with_what_it_started(
    start: Start, events: RecordedEvents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_TERMINATE_WITHIN_S", 0.3)
    source = HEALTHY + (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = os.fork()\n"
        "if other == 0: time.sleep(60)\n"
        "print('started', other, flush=True)\n"
        "while True: answer()\n"
    )
    pocketbase = await start(binary=make_program(tmp_path / "pb", source))
    pid = pocketbase.pid
    assert pid is not None
    other = next(int(line.split()[1]) for line in pocketbase.output_tail() if line.startswith("started"))
    began = time.monotonic()
    await pocketbase.stop()
    assert time.monotonic() - began < 1.5
    assert not is_running(pid)
    assert await asyncio.to_thread(seconds_until_gone, other, 1.0) < 1.0
    assert len(events.named("pocketbase_killed")) == 1


async def test_a_program_of_a_hook_that_holds_the_output_does_not_hold_up_the_restart(
    start: Start, tmp_path: Path
) -> None:
    source = HEALTHY + (
        "if os.fork() == 0:\n    server.close()\n    time.sleep(5)\n    sys.exit()\nwhile True: answer()\n"
    )
    pocketbase = await start(binary=make_program(tmp_path / "pb", source))
    assert pocketbase.pid is not None
    os.kill(pocketbase.pid, signal.SIGKILL)
    await until_up_again(pocketbase, 1, 2.0)


async def test_starting_that_is_cancelled_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    source = HEALTHY + f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await start(binary=make_program(tmp_path / "pb", source))
    assert not is_running(int((tmp_path / "pid").read_text()))
    assert (await start()).is_up


def _bad_migration(base_dir: Path) -> dict[str, object]:
    (base_dir / "pb_migrations").mkdir()
    (base_dir / "pb_migrations" / "1_bad.js").write_text(
        "migrate((app) => { throw new Error('no such field') })"
    )
    return {}


def _bad_hook(base_dir: Path) -> dict[str, object]:
    (base_dir / "pb_hooks").mkdir()
    (base_dir / "pb_hooks" / "a.pb.js").write_text("this is no program")
    return {}


def _ends_at_once(base_dir: Path) -> dict[str, object]:
    source = "import sys\nif sys.argv[1] == 'serve':\n  sys.stderr.write('out of luck')\n  sys.exit(9)\n"
    return {"binary": make_program(base_dir / "pb", source)}


def _not_a_program(base_dir: Path) -> dict[str, object]:
    (base_dir / "pb").write_bytes(b"\x7fELF of another machine")
    (base_dir / "pb").chmod(0o755)
    return {"binary": "./pb"}


def _never_healthy(base_dir: Path) -> dict[str, object]:
    source = HEALTHY + "while True: answer(403)\n"
    return {"binary": make_program(base_dir / "pb", source), "timeout_s": 0.5}


@pytest.mark.parametrize(
    ("arrange", "problem"),
    [
        pytest.param(_bad_migration, r"exit status 1; it printed:(.|\n)*no such field", id="a bad migration"),
        pytest.param(_bad_hook, r"exit status 2; it printed:(.|\n)*panic: .*SyntaxError", id="a bad hook"),
        pytest.param(_ends_at_once, "exit status 9; it printed:\n  out of luck", id="a program that ends"),
        pytest.param(_not_a_program, "/pb: cannot be started: Exec format error", id="not a program"),
        pytest.param(
            _never_healthy, r"did not answer 200 within 0.5 s \(last answer: 403\)", id="never healthy"
        ),
    ],
)
async def test_a_first_start_that_fails_is_told_with_what_was_printed(
    start: Start, tmp_path: Path, arrange: object, problem: str
) -> None:
    assert callable(arrange)
    with pytest.raises(OperatorError, match=problem):
        await start(**arrange(tmp_path))
    assert not (tmp_path / "pb_data" / "hapta.pid").exists()


async def test_a_binary_that_cannot_be_started_any_more_is_told(start: Start, tmp_path: Path) -> None:
    program = make_program(tmp_path / "pb", HEALTHY + "while True: answer()\n")
    pocketbase = await start(binary=program)
    await pocketbase.stop()
    (tmp_path / "pb").write_text("#!/nowhere/python\n")
    with pytest.raises(OperatorError, match="could not be started: No such file or directory"):
        await start(binary=program)


async def test_health_is_none_where_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert await health_status(silent.getsockname()[1], timeout_s=0.1) is None
        port = silent.getsockname()[1]
    assert await health_status(port) is None
