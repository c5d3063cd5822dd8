"""The socket file: one living Hapta each state directory, readable for its owner alone.

Between looking whether somebody answers at the file and taking its place, another Hapta must not do the same;
so both happen under a lock on the directory, held for that moment only. The file is listened at from the
moment it is there: whoever connects before :meth:`ControlSocket.serve` waits for an answer.
"""

import asyncio
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aiohttp import web

from hapta.model.errors import OperatorError

NAME = "hapta.sock"
_MASK = 0o177
_PROBE_S = 1.0
_SHUTDOWN_S = 1.0
_BACKLOG = 16


class ControlSocket:
    """The socket of one Hapta, from :meth:`claim` to :meth:`stop`.

    Args:
        state_dir: ``server.state_dir``.

    Attributes:
        path: the file.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / NAME
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self._inode = 0

    def claim(self) -> None:
        """Take the place, from a Hapta that is no more if need be.

        Raises:
            OperatorError: another Hapta runs with this state directory, or the file cannot be made.
        """
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _locked(self.path.parent):
                self._make_room()
                _bind(listening, self.path)
                self._inode = self.path.lstat().st_ino
            listening.listen(_BACKLOG)
            listening.setblocking(False)
        except OSError as exc:
            listening.close()
            raise OperatorError(_refusal(exc, self.path)) from exc
        except BaseException:
            listening.close()
            raise
        self._socket = listening

    def _make_room(self) -> None:
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise OperatorError(f"{self.path}: stands where Hapta's control socket belongs; move it away")
        if _is_answered(self.path):
            raise OperatorError(
                f"{self.path}: another Hapta runs with this state directory; stop it, or give this one a "
                "server.state_dir of its own"
            )
        self.path.unlink()

    async def serve(self, application: web.Application) -> None:
        """Answer."""
        assert self._socket is not None
        self._runner = web.AppRunner(
            application, handle_signals=False, access_log=None, shutdown_timeout=_SHUTDOWN_S
        )
        await self._runner.setup()
        assert self._runner.server is not None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._runner.server, sock=self._socket)

    async def stop(self) -> None:
        """Answer no more, and remove the file; does nothing when not claimed."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._socket is not None:
            self._socket.close()
            with suppress(OSError):
                if self.path.lstat().st_ino == self._inode:
                    self.path.unlink()
        self._server = self._runner = self._socket = None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OperatorError(
                f"{folder}: another Hapta just starts here, or this is its data directory; start one after "
                "the other, or give each a server.state_dir of its own"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _bind(listening: socket.socket, path: Path) -> None:
    """The file is its owner's alone from its first moment, not only after a chmod."""
    before = os.umask(_MASK)
    try:
        listening.bind(os.fspath(path))
    finally:
        os.umask(before)


def _is_answered(path: Path) -> bool:
    """Whether a living process listens there; one that is too busy to answer lives, too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (TimeoutError, BlockingIOError):
            return True
    return True


def _refusal(exc: OSError, path: Path) -> str:
    if isinstance(exc, FileNotFoundError | NotADirectoryError):
        return f"{path.parent}: server.state_dir is not a directory; make it, or correct the key"
    if exc.errno is None:  # Python's own words for what does not fit into sockaddr_un.sun_path
        return (
            f"{path}: the path of the control socket is {len(os.fsencode(path))} bytes long, and the system "
            "takes little more than 100; set server.state_dir to a folder with a shorter path"
        )
    return (
        f"{path}: the control socket cannot be made there ({exc.strerror}); set server.state_dir to a "
        "folder on a local disk that this user may write to"
    )
