"""One worker as the gateway sees it: a process, a socket to it, and the job it is at.

That it ended is told by end of file on the socket. So that this always comes, its end as a process is watched
as well (where the system has pidfd_open(2)): then what a job started and left behind, which may hold the
other end of the socket, is killed with its whole process group. The process is reaped last of all: until then
its number names nobody else, so no stranger can be killed.
"""

import asyncio
import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from hapta.model.exits import exit_phrase
from hapta.workers.wire import JOB, MAX_FAILURE_BYTES, PROTOCOL, READY, REPLY, Target

EXIT_WITHIN_S: Final = 1.0
"""Seconds a worker that is not needed any more has to end by itself."""

_LAST_WORDS_WITHIN_S = 0.2
_START = (
    "import sys; sys.path[:] = sys.argv[5:]; from hapta.workers.child import main; "
    "main(*map(int, sys.argv[1:5]))"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker said.

    Attributes:
        kind: one of those of :mod:`hapta.workers.wire`.
        rss_bytes: its resident memory then.
    """

    kind: int
    rss_bytes: int
    body: bytes


class Worker(asyncio.Protocol):
    """A process that runs one job at a time; made by :func:`start_worker`.

    Attributes:
        ready_at: the loop's time when it said that it takes jobs.
        dismissed_for: why it was ended from here; empty: it was not.
        jobs_done: how many it replied to.
        at: name of the function it is at, empty between jobs.
    """

    def __init__(self, max_bytes: int, on_reply: "Callable[[Worker, Reply], None]") -> None:
        self._max_bytes = max(max_bytes, MAX_FAILURE_BYTES)
        self._on_reply = on_reply
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes]
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._job = 0
        self._line_closed: asyncio.Future[None] = self._loop.create_future()
        self._exited: asyncio.Future[None] = self._loop.create_future()
        self._pidfd: int | None = None
        self._is_deaf = False
        self.ready_at: float | None = None
        self._is_ending = False
        self.dismissed_for = ""
        self.jobs_done = 0
        self.at = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_ending(self) -> bool:
        """It takes no more jobs."""
        return self._is_ending or self._transport.is_closing()

    def attend(self, process: "subprocess.Popen[bytes]") -> None:
        """This is its process; to be called once."""
        self._process = process
        with contextlib.suppress(AttributeError, OSError):  # not Linux; one without this call
            self._pidfd = os.pidfd_open(process.pid)
            self._loop.add_reader(self._pidfd, self._on_exit)

    def abandon(self) -> None:
        """Let go of the socket: there is no process, or nothing more comes from it."""
        self._transport.abort()

    def give(self, number: int, target: Target, arguments: bytes) -> None:
        """Give it a job; the one before must be done."""
        name = pickle.dumps(target, PROTOCOL)
        self._job, self.at = number, ".".join(filter(None, target[1:]))
        self._transport.write(JOB.pack(number, len(name), len(arguments)) + name)
        self._transport.write(arguments)

    def retire(self, reason: str) -> None:
        """Let it end by itself."""
        self._is_ending = self._is_deaf = True
        self.dismissed_for = reason
        self._transport.close()

    def kill(self, reason: str = "") -> None:
        """End it and what it started, now."""
        self._is_ending = self._is_deaf = True
        self.dismissed_for = reason
        self._kill_group()

    async def wait(self) -> str:
        """Wait until it has ended, and reap it; to be awaited once, to the end.

        Returns:
            How it ended, a phrase for people.
        """
        await self._line_closed
        with contextlib.suppress(TimeoutError):  # TimeoutError: it does not end, or nobody tells
            await asyncio.wait_for(asyncio.shield(self._exited), EXIT_WITHIN_S)
        self._kill_group()
        while self._process.poll() is None:  # noqa: ASYNC110 - it was killed: a matter of a moment
            await asyncio.sleep(0.002)
        self._unwatch()
        return exit_phrase(self._process.returncode)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._received += data
        while len(self._received) >= REPLY.size:
            number, kind, rss_bytes, length = REPLY.unpack_from(self._received)
            if number != self._job or (kind == READY) is not (number == 0) or length > self._max_bytes:
                self.kill()  # a job wrote to the line: nothing that comes from there can be trusted any more
                return
            if len(self._received) < REPLY.size + length:
                return
            body = bytes(memoryview(self._received)[REPLY.size : REPLY.size + length])
            del self._received[: REPLY.size + length]
            self.jobs_done += number > 0
            self._job, self.at = -1, ""
            self._on_reply(self, Reply(kind, rss_bytes, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ending = True
        self._line_closed.set_result(None)

    def _on_exit(self) -> None:
        self._is_ending = True
        self._unwatch()
        self._exited.set_result(None)
        self._kill_group()
        self._loop.call_later(_LAST_WORDS_WITHIN_S, self.abandon)

    def _unwatch(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _kill_group(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


async def start_worker(
    max_bytes: int, nice: int, environ: Mapping[str, str], on_reply: Callable[[Worker, Reply], Any]
) -> Worker:
    """Start a process; it says :data:`~hapta.workers.wire.READY` when it takes jobs.

    Args:
        max_bytes: the largest result it may send.
        nice: how far it stands back for others.
        environ: its environment.
        on_reply: takes what it says; called on the loop, must not wait.

    Raises:
        OSError: no more processes or open files.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        worker = Worker(max_bytes, on_reply)
        try:
            ours.setblocking(False)
            await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=ours)
        except BaseException:
            ours.close()
            raise
        try:
            worker.attend(_start(theirs.fileno(), max_bytes, nice, environ))
        except BaseException:
            worker.abandon()
            raise
    return worker


def _start(
    descriptor: int, max_bytes: int, nice: int, environ: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    numbers = map(str, (descriptor, os.getpid(), max_bytes, nice))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _START, *numbers, *sys.path],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=2,  # what jobs print must not get between access lines
        pass_fds=(descriptor,),
        start_new_session=True,  # Ctrl-C in the terminal reaches Hapta alone
    )
