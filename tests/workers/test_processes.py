"""What a worker is as a process: it never outlives Hapta, and has nothing of Hapta that it does not need."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hapta.config import SECRET_FIELDS
from hapta.workers.pool import WorkerPool
from tests.support.process import wait_until
from tests.workers import jobs
from tests.workers.conftest import MakePool, is_alive


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_hapta_whatever_they_are_at(loop: str, number: int) -> None:
    command = [sys.executable, "-m", "tests.workers.gateway", loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as gateway:
        assert gateway.stdout is not None
        pids = [int(pid) for pid in gateway.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(is_alive, pids))
        gateway.send_signal(number)
        gateway.wait(timeout=5)
        wait_until(lambda: not any(map(is_alive, pids)), "the workers have ended", timeout_s=2)


async def test_signals_to_the_whole_service_do_not_end_a_worker(pool: WorkerPool) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        assert await pool.run(jobs.signal_itself, number) == "alive"
    assert pool.restarts == {}


async def test_what_a_job_starts_heeds_signals_as_usual(pool: WorkerPool) -> None:
    assert await pool.run(jobs.ended_by_signal_of_a_child, signal.SIGTERM) == -signal.SIGTERM


async def test_a_worker_is_apart_from_hapta_s_terminal_and_stands_back(make_pool: MakePool) -> None:
    about = await make_pool(nice=7).run(jobs.what_is_it)
    assert about["session"] == about["pid"] != os.getsid(0)
    assert about["nice"] == min(19, os.nice(0) + 7)


async def test_a_worker_has_no_open_file_or_socket_of_hapta(make_pool: MakePool, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, (tmp_path / "log").open("w") as log:
        os.set_inheritable(log.fileno(), True)
        listening.set_inheritable(True)
        about = await make_pool(count=2).run(jobs.what_is_it)
    files = about["files"]
    own = [target for target in files.values() if target.startswith("/proc/") and "statm" in target]
    sockets = [target for target in files.values() if target.startswith("socket:")]
    assert files.pop("0") == "/dev/null"
    assert files.pop("1") == files.pop("2") == os.readlink("/proc/self/fd/2")
    assert len(own) == len(sockets) == 1
    others = set(files.values()) - {*own, *sockets}
    assert all(target.endswith("/fd") for target in others)  # the one with which it looked


async def test_a_port_is_free_again_when_hapta_closes_it_while_workers_live(make_pool: MakePool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        port = listening.getsockname()[1]
        pool = make_pool()
        assert await pool.run(jobs.can_connect, port)
    assert not await pool.run(jobs.can_connect, port)


async def test_what_a_job_prints_goes_to_standard_error(
    make_pool: MakePool, capfd: pytest.CaptureFixture[str]
) -> None:
    pool = make_pool(count=1)
    await pool.run(jobs.say, "hello")
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "hello\nhello raw\n"


async def test_a_job_that_reads_its_input_finds_none(pool: WorkerPool) -> None:
    assert await pool.run(jobs.read_input) == b""


async def test_a_worker_sees_none_of_hapta_s_secrets(make_pool: MakePool) -> None:
    secrets = dict.fromkeys(SECRET_FIELDS, "hunter22")
    seen = await make_pool(environ={**os.environ, **secrets, "MINE": "yes"}).run(jobs.environment)
    assert "hunter22" not in seen.values()
    assert seen["MINE"] == "yes"


async def test_a_worker_loads_nothing_of_the_gateway(make_pool: MakePool) -> None:
    about = await make_pool().run(jobs.what_is_it)
    hapta = [name for name in about["modules"] if name.startswith("hapta")]
    assert hapta == [
        "hapta",
        "hapta.workers",
        "hapta.workers.child",
        "hapta.workers.plugin_code",
        "hapta.workers.wire",
    ]
    assert not {"asyncio", "aiohttp", "msgspec", "multiprocessing"} & set(about["modules"])


async def test_the_loop_goes_on_while_heavy_jobs_run(pool: WorkerPool) -> None:
    """Not how fast, which depends on the machine: that a second of work is not a second of silence."""
    loop = asyncio.get_running_loop()
    work = [asyncio.ensure_future(pool.run(jobs.burn, 1.0)) for _ in range(2)]
    gaps, last = [], loop.time()
    while not all(one.done() for one in work):
        await asyncio.sleep(0.002)
        gaps.append(loop.time() - last)
        last = loop.time()
    assert len(gaps) > 20
    assert max(gaps) < 0.5
