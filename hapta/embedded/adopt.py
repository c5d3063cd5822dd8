"""The backup made before Hapta takes over a data directory that is not its own.

Databases are copied with SQLite's backup API (https://www.sqlite.org/backup.html), so the copy is one
consistent state without its write-ahead log; everything else is copied as it is. The backup appears under its
final name only when it is whole, and never in the place of another.
"""

import contextlib
import os
import secrets
import shutil
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

from hapta.embedded.data_dir import HOLDER
from hapta.embedded.files import TEMPORARY_PREFIX, operator_errors
from hapta.model.errors import OperatorError

_LOG_SUFFIXES = ("-wal", "-shm", "-journal")


def require_unused(data_dir: Path) -> None:
    """Refuse a data directory whose database another process has open.

    In write-ahead mode every open connection holds a shared lock, so asking for the exclusive one finds them
    all (https://www.sqlite.org/wal.html, section 2.2).
    """
    database = data_dir / "data.db"
    if not database.is_file():
        return
    with contextlib.closing(sqlite3.connect(database, timeout=0.5, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            raise OperatorError(
                f"{database}: another process has it open; stop the PocketBase that runs on {data_dir} first"
            ) from None
        except sqlite3.DatabaseError as exc:
            raise OperatorError(f"{database}: {exc}; this is not PocketBase's data") from None


def back_up(data_dir: Path, at: float) -> Path:
    """Copy ``data_dir`` to ``<data_dir>.backup-<UTC time>`` beside it.

    Args:
        at: the time that names the backup, in Unix seconds.

    Returns:
        Where the backup is.

    Raises:
        OperatorError: it cannot be made whole; nothing is left of it then.
    """
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    partial = data_dir.parent / f"{TEMPORARY_PREFIX}{data_dir.name}-{secrets.token_hex(6)}"
    with operator_errors("the backup before adopting it cannot be made", data_dir):
        partial.mkdir(mode=0o700)
        try:
            _copy_tree(data_dir, partial)
            return _rename_unused(partial, f"{data_dir.name}.backup-{stamp}")
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def _copy_tree(source: Path, target: Path) -> None:
    databases = {path.name for path in source.glob("*.db") if path.is_file()}
    skipped = {HOLDER} | {name + suffix for name in databases for suffix in _LOG_SUFFIXES}
    for entry in sorted(source.iterdir()):
        copy = target / entry.name
        if entry.name in skipped:
            continue
        if entry.name in databases:
            _copy_database(entry, copy)
        elif entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, copy, symlinks=True, ignore=_unusual_files)
        elif entry.is_symlink() or entry.is_file():
            shutil.copy2(entry, copy, follow_symlinks=False)
    shutil.copystat(source, target)


def _copy_database(source: Path, target: Path) -> None:
    try:
        with (
            contextlib.closing(sqlite3.connect(source)) as original,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
    except sqlite3.DatabaseError as exc:
        raise OperatorError(f"{source}: cannot be backed up: {exc}; repair it or move it away") from None
    shutil.copystat(source, target)


def _unusual_files(directory: str, names: list[str]) -> set[str]:
    """Sockets, pipes and devices: reading them would never end."""
    usual = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    modes = {name: os.lstat(os.path.join(directory, name)).st_mode for name in names}
    return {name for name, mode in modes.items() if not any(test(mode) for test in usual)}


def _rename_unused(partial: Path, name: str) -> Path:
    for attempt in range(100):
        target = partial.with_name(name if attempt == 0 else f"{name}-{attempt + 1}")
        if not os.path.lexists(target):
            # Renaming onto an empty directory made in between would replace only that; onto any other it
            # fails.
            return partial.rename(target)
    raise OperatorError(f"{partial.parent}: too many backups named {name}; move some away")
