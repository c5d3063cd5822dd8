"""``hapta.env``: the secrets Hapta made up for itself, readable by its user alone.

The file is only ever extended: a key that has a value keeps it, whatever the operator wrote around it stays,
and a change replaces the file in one step. The directory is locked while it is read and extended, so that two
instances with different data that share a state directory cannot overwrite each other's keys.
"""

import fcntl
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dotenv.parser import parse_stream

from hapta.embedded.events import EventLog
from hapta.embedded.files import operator_errors, write_atomically
from hapta.model.errors import OperatorError

NAME = "hapta.env"
_HEADER = (
    "# Secrets of this Hapta installation, made by Hapta. Keep it, back it up, show it to nobody:\n"
    "# without Secret all sessions end, and AdminPassword opens the dashboard.\n"
)


def read_env(path: Path) -> dict[str, str]:
    """The keys and values of ``path``; empty when there is no such file. The last of equal keys counts.

    Raises:
        OperatorError: not a readable file, or a line is not ``KEY=value``.
    """
    with operator_errors("cannot be read", path):
        return _parse(path, _read(path))


def extend_env(path: Path, wanted: Mapping[str, Callable[[], str]], events: EventLog) -> dict[str, str]:
    """Give every wanted key that has no value yet a new one; returns all keys of the file afterwards.

    Args:
        path: the file; made if absent. If others than its owner may read it, that right is taken away.
        wanted: for each key, what makes up its value (no whitespace, quotes, ``#`` or ``$``).

    Raises:
        OperatorError: as :func:`read_env`, or the file cannot be written.
    """
    with operator_errors("cannot be read or written", path), _locked(path.parent):
        content = _read(path)
        values = _parse(path, content)
        added = {name: make() for name, make in wanted.items() if not values.get(name)}
        if content is not None:
            _tighten(path, events)
        if added:
            text = _HEADER if content is None else content
            if not text.endswith("\n"):
                text += "\n"
            text += "".join(f"{name}={value}\n" for name, value in added.items())
            write_atomically(path.resolve(), text.encode(), 0o600)
    return values | added


def _read(path: Path) -> str | None:
    if path.is_symlink() and not path.exists():
        raise OperatorError(
            f"{path}: is a link to {os.readlink(path)}, which does not exist; remove the link"
        )
    if not path.exists():
        return None
    if not path.is_file():
        raise OperatorError(f"{path}: is not a file; move it away")
    content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise OperatorError(f"{path}:{line}: not UTF-8 text; correct the line") from None


def _parse(path: Path, content: str | None) -> dict[str, str]:
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(content or "")):
        if binding.error or (binding.key is not None and binding.value is None):
            # The text itself is not repeated: it may be a secret.
            leading = binding.original.string
            line = binding.original.line + leading[: len(leading) - len(leading.lstrip())].count("\n")
            raise OperatorError(f"{path}:{line}: expected KEY=value; correct or remove the line")
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _tighten(path: Path, events: EventLog) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        path.chmod(mode & 0o700)
        events.warning(
            "secrets_were_readable",
            message="hapta.env could be read by other users; only its owner can now",
            path=str(path),
            mode=f"{mode:03o}",
        )


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
