"""Folders Hapta writes into, and files nobody else may read."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hapta.config import Loaded
from hapta.doctor.finding import Finding, fail, ok, warn

_GIB = 1 << 30


def folders(loaded: Loaded) -> Iterator[Finding]:
    """Everything on disk."""
    config = loaded.config
    yield writable("server.state_dir", loaded.path(config.server.state_dir), may_be_made=False)
    if loaded.secrets.database_url is None:
        yield writable("upstream.data_dir", loaded.path(config.upstream.data_dir), may_be_made=True)
    spool = loaded.path(config.server.spool_dir) if config.server.spool_dir else Path(tempfile.gettempdir())
    found = writable("server.spool_dir", spool, may_be_made=False)
    yield found
    if not found.advice:
        yield room(spool, config.server.spool_bytes)
    yield from private(loaded.path(config.server.state_dir) / "hapta.env")
    yield from private(loaded.base_dir / ".env")


def writable(key: str, folder: Path, *, may_be_made: bool) -> Finding:
    """Can files be made in ``folder``, or can it be made itself?"""
    place = folder
    while may_be_made and not place.exists() and place != place.parent:
        place = place.parent
    if not place.exists():
        return fail(key, f"{folder} does not exist", f"make the folder, or correct {key}")
    if not place.is_dir():
        return fail(key, f"{place} is not a folder", f"move it away, or correct {key}")
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return fail(
            key, f"{place} is not writable for this user", f"give it the right to write there, or set {key}"
        )
    return ok(key, str(folder) if place == folder else f"{folder}, to be made at the first start")


def room(spool: Path, spool_bytes: int) -> Finding:
    """Is there room for all request bodies that may be held at once?"""
    free = shutil.disk_usage(spool).free
    if free >= spool_bytes:
        return ok("spool room", f"{free / _GIB:.1f} GiB free in {spool}")
    return warn(
        "spool room",
        f"{free / _GIB:.1f} GiB free in {spool}, but server.spool_bytes is {spool_bytes / _GIB:.1f} GiB",
        "free space there, set server.spool_dir to a larger disk, or lower server.spool_bytes",
    )


def private(file: Path) -> Iterator[Finding]:
    """Can only its owner read a file of secrets?  Nothing is said of a file that is not there."""
    if not file.is_file():
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        yield fail(file.name, f"{file} can be read by others (mode {mode:04o})", f"chmod 600 {file}")
    else:
        yield ok(file.name, f"only its owner can read it (mode {mode:04o})")
