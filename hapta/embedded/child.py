"""One run of PocketBase under its guard, seen from Hapta: started, watched through three pipes, ended.

The guard is started with :class:`subprocess.Popen` and its pipes are attached to the loop by hand, not with
asyncio's subprocess support: that one (in some versions) reports an end only when every holder of the output
pipe is gone, and a program started by a hook may hold it for ever. It also works alike on every loop.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from hapta.model.exits import exit_phrase

_GUARD = Path(__file__).with_name("guard.py")
_LAST_WORDS_WITHIN_S = 0.2
_DEAD_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class ChildExit:
    """How a run ended.

    Attributes:
        status: exit status, negative for a signal; ``None`` when nobody could tell (the guard was killed).
        reason: one phrase for people.
    """

    status: int | None
    reason: str


class _Pipe(asyncio.Protocol):
    """Hands over what arrives, and says when no more will."""

    def __init__(self, on_data: Callable[[bytes], None]) -> None:
        self._on_data = on_data
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._on_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class Child:
    """A running guard and its PocketBase; made by :func:`start_child`."""

    def __init__(self, guard: "subprocess.Popen[bytes]") -> None:
        self._guard = guard
        self._words = b""
        self._failure: str | None = None
        self._status: int | None = None
        self._transports: list[asyncio.BaseTransport] = []
        self._ended: ChildExit | None = None
        self._ending = asyncio.Lock()
        self._reports: _Pipe
        self._output: _Pipe
        self._on_output: Callable[[bytes], None]
        self.pid: int | None = None
        """PocketBase's pid, once the guard has told it."""

    @property
    def guard_pid(self) -> int:
        return self._guard.pid

    async def attach(self, on_output: Callable[[bytes], None]) -> None:
        """Listen to both pipes; to be called once."""
        self._reports = await self._connect(self._guard.stdout, self._on_report)
        self._output = await self._connect(self._guard.stderr, on_output)
        self._on_output = on_output

    async def _connect(self, pipe: object, on_data: Callable[[bytes], None]) -> _Pipe:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_read_pipe(lambda: _Pipe(on_data), cast("BinaryIO", pipe))
        self._transports.append(transport)
        return protocol

    def _on_report(self, data: bytes) -> None:
        *words, self._words = (self._words + data).split(b"\n")
        for word in words:
            name, _, value = word.decode(errors="replace").partition(" ")
            if name == "pid":
                self.pid = int(value)
            elif name == "exit":
                self._status = int(value)
            elif name == "failed":
                self._failure = value

    async def wait(self) -> ChildExit:
        """Wait until PocketBase has ended, by whatever cause; may be called (and cancelled) any number of
        times.

        Nothing of the run is left afterwards: processes reaped, pipes closed.
        """
        await asyncio.shield(self._reports.ended)
        async with self._ending:
            if self._ended is None:
                self._ended = await self._finish()
        return self._ended

    async def _finish(self) -> ChildExit:
        while self._guard.poll() is None:  # noqa: ASYNC110 - it has closed its pipe: a matter of a moment
            await asyncio.sleep(0.002)
        is_told = self._status is not None or self._failure is not None
        if not is_told and self.pid is not None:
            # The guard was killed. Its child dies with it on Linux; elsewhere, and if not, this is the one to
            # do it, at once: two PocketBases on one data directory must not be. The pid is still its own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):  # TimeoutError: a program started by a hook holds the pipe
            patience_s = _LAST_WORDS_WITHIN_S if is_told else _DEAD_WITHIN_S
            await asyncio.wait_for(asyncio.shield(self._output.ended), patience_s)
        self._on_output(b"\n")  # a last line without end is a line
        self._close()
        if self._failure is not None:
            return ChildExit(None, f"could not be started: {self._failure}")
        if self._status is None:
            return ChildExit(None, f"its guard process {self._guard.pid} was ended from outside")
        return ChildExit(self._status, exit_phrase(self._status))

    def terminate(self) -> None:
        """Ask PocketBase to end; it finishes the requests under way for up to a second."""
        self._tell(b"T")

    def kill(self) -> None:
        """End PocketBase and what it started, now."""
        self._tell(b"K")

    def abandon(self) -> None:
        """Let go of the guard, which then ends PocketBase by itself."""
        self._close()

    def _tell(self, word: bytes) -> None:
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._guard.stdin.fileno(), word)

    def _close(self) -> None:
        for transport in self._transports:
            transport.close()
        if self._guard.stdin is not None:
            self._guard.stdin.close()


async def start_child(
    command: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    lock_descriptor: int,
    on_output: Callable[[bytes], None],
) -> Child:
    """Start ``command`` under a guard.

    Args:
        lock_descriptor: inherited by the guard, so that the lock lasts as long as the command.
        on_output: takes what the command prints; called on the loop, must not wait.
    """
    child = Child(_start_guard(command, cwd, environ, lock_descriptor))
    try:
        await child.attach(on_output)
    except BaseException:
        child.abandon()
        raise
    return child


def _start_guard(
    command: Sequence[str], cwd: Path, environ: Mapping[str, str], lock_descriptor: int
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(_GUARD), str(os.getpid()), *command],
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=(lock_descriptor,),
        start_new_session=True,  # Ctrl-C in the terminal reaches Hapta alone
    )
