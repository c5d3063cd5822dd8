"""Schema and settings changed on this machine: PocketBase says so in its data directory, inotify tells us.

PocketBase touches and removes ``DATA/.notify/collections@<instance>`` and ``settings@<instance>`` at each
change (``core/notify_watcher.go``), whichever of its processes made it. Linux only; elsewhere, and while the
directory is not there, :meth:`NotifyWatch.start` says so and the schema is confirmed as at a remote
PocketBase. The standard library has no inotify, the C library does.
"""

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

DIRECTORY: Final = ".notify"
"""Within PocketBase's data directory."""

_IN_ATTRIB, _IN_CLOSE_WRITE, _IN_MOVED_TO, _IN_CREATE, _IN_DELETE = 0x4, 0x8, 0x80, 0x100, 0x200
_IN_DELETE_SELF, _IN_MOVE_SELF, _IN_ONLYDIR = 0x400, 0x800, 0x01000000
_IN_UNMOUNT, _IN_Q_OVERFLOW, _IN_IGNORED = 0x2000, 0x4000, 0x8000
_GONE = _IN_DELETE_SELF | _IN_MOVE_SELF | _IN_UNMOUNT | _IN_IGNORED
_TOUCHED = _IN_ATTRIB | _IN_CLOSE_WRITE | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE
_WATCHED = _TOUCHED | _IN_DELETE_SELF | _IN_MOVE_SELF
_EVENT = struct.Struct("iIII")
_READ_BYTES = 64 * 1024


def is_supported() -> bool:
    """Whether this system has inotify."""
    return sys.platform == "linux"


class NotifyWatch:
    """Watches one ``.notify`` directory.

    Args:
        directory: the directory.
        on_collections: collections may have changed, or changes may have been missed; called on the loop.
        on_settings: the same of settings.
    """

    def __init__(
        self, directory: Path, on_collections: Callable[[], None], on_settings: Callable[[], None]
    ) -> None:
        self._directory = directory
        self._on_collections = on_collections
        self._on_settings = on_settings
        self._descriptor: int | None = None

    @property
    def is_watching(self) -> bool:
        """Whether a change would be noticed."""
        return self._descriptor is not None

    def start(self) -> bool:
        """Watch, if that is possible now; returns whether it does. Idempotent."""
        if self._descriptor is None and is_supported():
            self._descriptor = _open(self._directory)
            if self._descriptor is not None:
                asyncio.get_running_loop().add_reader(self._descriptor, self._on_readable)
        return self._descriptor is not None

    def stop(self) -> None:
        """Watch no longer. Idempotent."""
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _on_readable(self) -> None:
        assert self._descriptor is not None
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        collections = settings = False
        for mask, name in _events(data):
            if mask & _GONE:
                self.stop()  # another directory may stand there by now: start() again finds it
            is_doubtful = bool(mask & (_GONE | _IN_Q_OVERFLOW))
            collections |= is_doubtful or name.startswith(b"collections@")
            settings |= is_doubtful or name.startswith(b"settings@")
        if collections:
            self._on_collections()
        if settings:
            self._on_settings()


def _open(directory: Path) -> int | None:
    library = ctypes.CDLL(None, use_errno=True)
    descriptor: int = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return None
    if library.inotify_add_watch(descriptor, os.fsencode(directory), _WATCHED | _IN_ONLYDIR) < 0:
        os.close(descriptor)
        return None
    return descriptor


def _events(data: bytes) -> list[tuple[int, bytes]]:
    """Mask and name of each event (inotify(7))."""
    events, at = [], 0
    while at < len(data):
        _, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        events.append((mask, data[at : at + length].rstrip(b"\0")))
        at += length
    return events
