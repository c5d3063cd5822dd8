"""Files that are whole or not there: written beside their place, flushed to the disk, then renamed into it.

Every name used on the way starts with :data:`TEMPORARY_PREFIX`, so that what a crash leaves behind is known
as ours.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hapta.model.errors import OperatorError

TEMPORARY_PREFIX = ".hapta-partial-"


@contextmanager
def operator_errors(doing: str, path: Path) -> Iterator[None]:
    """Translate what the operating system refuses into one line for the operator."""
    try:
        yield
    except OSError as exc:
        raise OperatorError(f"{path}: {doing}: {exc.strerror or exc}") from exc


def require_writable(directory: Path, what: str) -> None:
    """Refuse a directory in which no file can be made, before anything is written anywhere."""
    effective = os.access in os.supports_effective_ids
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=effective):
        raise OperatorError(f"{directory}: {what} is not writable; give this user the right to write there")


def write_atomically(path: Path, content: bytes, mode: int) -> None:
    """Replace ``path`` by ``content`` in one step; a reader sees the old or the new file, a crash leaves one
    of both."""
    partial = path.parent / f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(6)}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # the umask took bits away; none may be added either
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        raise
    _flush_directory(path.parent)


def _flush_directory(directory: Path) -> None:
    """Make a rename in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
