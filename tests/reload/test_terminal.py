"""A terminal that is closed sends SIGHUP, too, and means something else by it."""

import os
import pty
import signal
import subprocess

from tests.reload.conftest import MakeSite
from tests.support.process import wait_until


def test_who_closes_the_terminal_ends_hapta_and_a_signal_before_that_does_not(make_site: MakeSite) -> None:
    site = make_site(started=False)
    parent, child = pty.openpty()
    site.hapta.process = process = subprocess.Popen(
        ["setsid", "--ctty", *site.hapta.command],  # a session's leader, whose terminal this is
        cwd=site.hapta.home,
        env=site.hapta.environment,
        stdin=child,
        stdout=child,
        stderr=child,
    )
    os.close(child)
    said = b""
    try:
        while b"Ctrl-C stops" not in said:
            said += os.read(parent, 65536)
        assert site.hapta.is_ready()
        os.kill(process.pid, signal.SIGHUP)
        while b"the configuration was read again" not in said:
            said += os.read(parent, 65536)
        assert site.hapta.is_ready()
    finally:
        os.close(parent)
    wait_until(lambda: process.poll() is not None, "it ends with its terminal", 15)
    assert process.returncode == 0
    site.hapta.process = None  # it wrote to its terminal, and no log
