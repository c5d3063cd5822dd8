"""What the kernel says of processes is read right, whatever their names are."""

import os
import socket
import subprocess
import sys

import pytest

from bench.proc import listener, parse_busy_s, parse_cpu_s, parse_parent, parse_rss_bytes, rss_bytes, tree

TICKS = os.sysconf("SC_CLK_TCK")
STAT = "4242 ({name}) S 17 4242 4242 0 -1 4194304 900 0 0 0 150 50 7 8 20 0 1 0 999 1000 200 42"


@pytest.mark.parametrize("name", ["python", "a b", "a) S 99 (b", ")"], ids=repr)
def test_a_process_s_name_may_hold_spaces_and_parentheses(name: str) -> None:
    stat = STAT.format(name=name)
    assert parse_parent(stat) == 17
    assert parse_cpu_s(stat) == pytest.approx(200 / TICKS)  # user and system, not the children's


def test_resident_memory_is_told_in_bytes() -> None:
    assert parse_rss_bytes("Name:\tx\nVmHWM:\t  9999 kB\nVmRSS:\t   2048 kB\n") == 2048 * 1024


def test_a_process_that_is_ending_has_no_memory() -> None:
    assert parse_rss_bytes("Name:\tx\nState:\tZ (zombie)\n") == 0


def test_waiting_is_not_being_busy_and_stolen_time_is() -> None:
    stat = "cpu  10 20 30 4000 5000 6 7 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
    assert parse_busy_s(stat) == pytest.approx(81 / TICKS)


def test_a_tree_holds_the_children_s_children() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pids = tree(process.pid)
        assert pids[0] == process.pid
        assert len(pids) == 2
        assert rss_bytes(pids) > rss_bytes([process.pid]) > 0
        process.communicate(b"\n", timeout=10)
    assert rss_bytes(pids) == 0


def test_the_process_that_listens_on_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listener(port) == os.getpid()
    assert listener(port) is None
