"""The program of a worker: takes a job, runs it, replies, and again until the gateway is gone.

It imports little, so it is up in some thirty milliseconds and stays near the size of Python itself; what a
job needs is imported with the first one that does. Four things keep it from outliving or disturbing Hapta:

* End of file on its socket means that the gateway is gone or done with it.
* Linux kills it when the gateway ends while a job runs (``PR_SET_PDEATHSIG``, prctl(2)); elsewhere it ends
  after that job.
* It was started in a session of its own and takes no notice of signals meant for the whole service: the
  gateway decides when it ends.
* Its standard output is the gateway's standard error: what a job prints never gets between access lines.
"""

import contextlib
import os
import pickle
import signal
import sys
import traceback
from typing import Any, NamedTuple

from hapta.workers.wire import (
    DONE,
    FAILED,
    JOB,
    NOT_TRANSFERABLE,
    READY,
    REPLY,
    Target,
    TooLarge,
    joined,
    pickled,
)

_PR_SET_PDEATHSIG = 1
_NAME_CHARS, _MESSAGE_CHARS, _TRACE_CHARS = 200, 4000, 16_000
"""What is kept of a failure: the beginning of its texts, the end of its trace."""


class _Reply(NamedTuple):
    kind: int
    body: bytes


class _Line:
    """The socket to the gateway; everything waits."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, count: int) -> bytearray | None:
        """So many bytes, or nothing when the gateway is gone."""
        data = bytearray(count)
        view = memoryview(data)
        while view:
            got = os.readv(self._descriptor, [view])
            if not got:
                return None
            view = view[got:]
        return data

    def write(self, head: bytes, body: bytes) -> None:
        """Raises ``OSError`` when the gateway is gone."""
        parts = [memoryview(head), memoryview(body)]
        while parts:
            sent = os.writev(self._descriptor, parts)
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][sent:]


class _Jobs:
    """Finds functions and runs them."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._library: Any = None

    def run(self, target: bytearray, arguments: bytearray) -> _Reply:
        """Never raises, whatever the job does."""
        try:
            function = self._find(pickle.loads(target))
        except BaseException as exc:  # SystemExit too: a job does not end its worker
            return _failure(exc)
        try:
            values = pickle.loads(arguments)
        except BaseException as exc:
            return _not_transferable(f"the arguments could not be unpickled: {_text(exc)}")
        try:
            result = function(*values)
        except BaseException as exc:
            return _failure(exc)
        try:
            return _Reply(DONE, pickled(result, self._max_bytes))
        except TooLarge:
            return _not_transferable(f"the result has more than {self._max_bytes} bytes")
        except BaseException as exc:
            return _not_transferable(f"the result cannot be pickled: {_text(exc)}")

    def _find(self, target: Target) -> Any:
        if self._library is None:
            from hapta.workers.plugin_code import library

            self._library = library()
        return self._library.find(target)


def _failure(exc: BaseException) -> _Reply:
    kind = type(exc)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    own_frame = exc.__traceback__
    told = exc.with_traceback(own_frame.tb_next if own_frame else None)
    trace = "".join(traceback.format_exception(told))[-_TRACE_CHARS:]
    return _Reply(FAILED, joined(name[:_NAME_CHARS], _text(exc), trace))


def _not_transferable(text: str) -> _Reply:
    return _Reply(NOT_TRANSFERABLE, joined(text))


def _text(exc: BaseException) -> str:
    try:
        return str(exc)[:_MESSAGE_CHARS]
    except Exception:  # an exception that cannot even be told
        return ""


class _Memory:
    """How much of its own is resident, without what it shares with others (files, the gateway's columns); the
    most there ever was of both where the system tells no more."""

    def __init__(self) -> None:
        self._statm: int | None = None
        with contextlib.suppress(OSError):
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def resident_bytes(self) -> int:
        if self._statm is not None:
            _, resident, shared = os.pread(self._statm, 100, 0).split()[:3]
            return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _die_with(parent: int) -> None:
    if sys.platform.startswith("linux"):
        with contextlib.suppress(ImportError, OSError, AttributeError):  # a Python built without it
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # gone in between: the signal will never come
        os._exit(1)


def main(descriptor: int, parent: int, max_bytes: int, nice: int) -> None:
    """Run jobs until the gateway is gone.

    Args:
        descriptor: the socket.
        parent: the gateway's process.
        max_bytes: the largest result.
        nice: how far to stand back.
    """
    os.set_inheritable(descriptor, False)  # else what a job starts keeps the line open when this one ends
    # Handlers, not SIG_IGN: what a job starts must not inherit that the signals are ignored.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: None)
    _die_with(parent)
    os.nice(nice)
    sys.stdout = sys.stderr
    line, jobs, memory = _Line(descriptor), _Jobs(max_bytes), _Memory()
    with contextlib.suppress(OSError):
        line.write(REPLY.pack(0, READY, memory.resident_bytes(), 0), b"")
        while head := line.read(JOB.size):
            number, target_bytes, argument_bytes = JOB.unpack(head)
            target, arguments = line.read(target_bytes), line.read(argument_bytes)
            if target is None or arguments is None:
                break
            reply = jobs.run(target, arguments)
            del target, arguments
            told = REPLY.pack(number, reply.kind, memory.resident_bytes(), len(reply.body))
            line.write(told, reply.body)
            del reply
