"""The guard: PocketBase's parent, a process of its own that ends PocketBase when Hapta ends, however that
happens.

Run as a script (``python -I -S guard.py HAPTA_PID COMMAND…``): it imports nothing but the standard library,
so it is up in some ten milliseconds and stays small. Three ropes, any one of which is enough:

* Its standard input is a pipe that only Hapta holds open: end of file means Hapta is gone, kill -9 included.
* Its parent changes when Hapta is gone; looked at four times a second, in case some other child of Hapta
  inherited the pipe.
* Linux kills PocketBase when the guard itself is killed (``PR_SET_PDEATHSIG``, prctl(2); kept across the
  ``execve`` with which PocketBase restarts itself). Elsewhere Hapta does that, as it holds the pid.

Words to Hapta, one a line on standard output: ``pid N``, ``failed REASON``, ``exit STATUS`` (negative: a
signal), then end. Words from Hapta, one byte each on standard input: ``T`` (SIGTERM), ``K`` (SIGKILL to all
that PocketBase started). PocketBase writes to the guard's standard error: nothing is copied in between.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable

_LOOK_EVERY_S = 0.25
_GRACE_S = 0.5
"""From Hapta's end to SIGKILL; PocketBase needs 0.03 s when idle."""
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> Callable[[], None] | None:
    """What the child runs between fork and exec; nothing where the system has no such call."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):  # a Python built without it
        return None
    guard = os.getpid()

    def set_death_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guard:  # killed in between: the signal will never come
            os._exit(1)

    return set_death_signal


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more: end of file on the other pipe says so, too
        os.write(1, f"{text}\n".encode())


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    """Only before the child is reaped: until then its pid, which names the group, belongs to nobody else."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _wait(child: "subprocess.Popen[bytes]", woken: int, hapta: int) -> None:
    """Pass on what Hapta says until the child has ended, or Hapta has."""
    while child.poll() is None:
        readable, _, _ = select.select([0, woken], [], [], _LOOK_EVERY_S)
        if woken in readable:
            os.read(woken, 512)
        if 0 in readable:
            words = os.read(0, 16)
            if not words:
                return
            if b"K" in words and child.poll() is None:
                _kill_group(child)
            elif b"T" in words:
                child.terminate()
        if os.getppid() != hapta:
            return


def _end(child: "subprocess.Popen[bytes]") -> int:
    """Make sure that the child has ended; returns its status."""
    if child.poll() is None:
        child.terminate()
        try:
            return child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            _kill_group(child)
    return child.wait()


def main() -> int:
    """Start the command, watch it and Hapta, and end it with the first of both."""
    hapta, command = int(sys.argv[1]), sys.argv[2:]
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    # Handlers, not SIG_IGN: the guard must outlive a signal sent to the whole service or terminal, until
    # Hapta has finished its requests, while the child must not inherit that the signals are ignored.
    for name in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda *_: None)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # safe: this process has one thread
        )
    except (OSError, subprocess.SubprocessError) as exc:
        _say(f"failed {getattr(exc, 'strerror', None) or exc}")
        return 1
    _say(f"pid {child.pid}")
    _wait(child, woken, hapta)
    _say(f"exit {_end(child)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
