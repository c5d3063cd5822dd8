"""The data directory: whose it is, and who works in it.

*Marker.* ``hapta.json`` says that Hapta made or adopted this directory, in which format, and which accounts
it has set up there. A directory that holds something but no marker is refused: it may be somebody's live
PocketBase.

*Lock.* PocketBase takes no lock on its data, and two of them on one directory answer from different memories.
So each Hapta holds a ``flock`` on the directory itself. Not on a file inside: restoring a backup replaces
every file of the directory (and the marker with them, see :meth:`DataDir.ensure_marker`), while the directory
stays. The guard process of the child inherits the lock; so it lasts until PocketBase has ended, even if Hapta
was killed. ``hapta.pid`` only tells who holds it.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hapta.embedded.files import TEMPORARY_PREFIX, operator_errors, write_atomically
from hapta.model.errors import OperatorError

FORMAT = 1
MARKER = "hapta.json"
HOLDER = "hapta.pid"
_IGNORED = frozenset({"lost+found", HOLDER})
_GUARD_ENDS_WITHIN_S = 3.0


class DataDir:
    """One data directory, looked at but not yet touched until :meth:`lock`."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            OperatorError: not a directory, a link to nowhere, unreadable, or marked by something we do not
                know.
        """
        self.path = path
        self._lock: int | None = None
        self._was_made = False
        self.entries = _entries(path)
        self.accounts: dict[str, str] = {}
        self.is_marked = MARKER in self.entries
        if self.is_marked:
            self.accounts = _read_marker(path / MARKER)

    @property
    def is_foreign(self) -> bool:
        """There is something in it, and Hapta did not put it there."""
        return bool(self.entries) and not self.is_marked

    @property
    def lock_descriptor(self) -> int:
        """The held lock, for the guard process to inherit."""
        if self._lock is None:
            raise RuntimeError("the data directory is not locked")
        return self._lock

    def lock(self) -> None:
        """Take the directory, making it if absent; all other methods that write come after this.

        When the holder was killed, its guard needs a moment to end PocketBase: then this waits.

        Raises:
            OperatorError: another Hapta works here, or the directory cannot be made.
        """
        with operator_errors("cannot be made", self.path):
            self._was_made = not self.path.exists()
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with operator_errors("cannot be opened", self.path):
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            deadline = time.monotonic() + _GUARD_ENDS_WITHIN_S
            while not _try_lock(descriptor, self.path):
                holder = self._holder()
                if _is_alive(holder) or time.monotonic() >= deadline:
                    raise OperatorError(
                        f"{self.path}: in use by another Hapta (pid {holder or 'unknown'}); "
                        "stop that one, or set upstream.data_dir to another directory"
                    )
                time.sleep(0.02)
            with operator_errors("is not writable", self.path):
                (self.path / HOLDER).write_text(f"{os.getpid()}\n")
        except BaseException:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def release(self) -> None:
        """Give the directory back, and leave none behind that was made for nothing; nothing if it is not
        held."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                (self.path / HOLDER).unlink()
                if self._was_made:
                    self.path.rmdir()  # refused unless empty
            os.close(self._lock)
            self._lock = None

    def mark(self, accounts: Mapping[str, str]) -> None:
        """Write the marker: the directory is Hapta's, and ``accounts`` (name to fingerprint) are set up in
        it."""
        self.accounts = dict(accounts)
        content = {"format": FORMAT, "accounts": self.accounts}
        with operator_errors("cannot be written", self.path / MARKER):
            write_atomically(self.path / MARKER, json.dumps(content, indent=2).encode() + b"\n", 0o600)
        self.is_marked = True

    def ensure_marker(self) -> bool:
        """Write the marker and the holder again if they are gone, as after a restore; returns whether they
        were.

        No account counts as set up then: the restored data has those of its own time.
        """
        if (self.path / MARKER).exists() and self._holder() == os.getpid():
            return False
        self.mark({})
        (self.path / HOLDER).write_text(f"{os.getpid()}\n")
        return True

    def _holder(self) -> int | None:
        try:
            return int((self.path / HOLDER).read_text())
        except (OSError, ValueError):
            return None


def _entries(path: Path) -> frozenset[str]:
    if path.is_symlink() and not path.exists():
        raise OperatorError(
            f"{path}: is a link to {os.readlink(path)}, which does not exist; remove the link"
        )
    if not path.exists():
        return frozenset()
    if not path.is_dir():
        raise OperatorError(f"{path}: is not a directory; move it away, or set upstream.data_dir")
    with operator_errors("cannot be read", path):
        names = os.listdir(path)
    return frozenset(n for n in names if n not in _IGNORED and not n.startswith(TEMPORARY_PREFIX))


def _read_marker(path: Path) -> dict[str, str]:
    if path.is_symlink() or not path.is_file():
        raise OperatorError(f"{path}: is not a plain file; remove it and start once with --adopt-data")
    try:
        with operator_errors("cannot be read", path):
            marker: Any = json.loads(path.read_bytes())
        found, accounts = marker["format"], marker.get("accounts", {})
    except (ValueError, TypeError, KeyError, AttributeError):
        raise OperatorError(f"{path}: is damaged; remove it and start once with --adopt-data") from None
    if found != FORMAT or not isinstance(accounts, dict):
        raise OperatorError(
            f"{path}: has format {found!r}, this Hapta knows {FORMAT}; use the Hapta that made it"
        )
    return {str(name): str(fingerprint) for name, fingerprint in accounts.items()}


def _try_lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise OperatorError(
            f"{path}: cannot be locked ({exc.strerror}); PocketBase's data must lie on a local disk"
        ) from exc
    return True


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
