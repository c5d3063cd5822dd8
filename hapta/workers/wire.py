"""What goes between the gateway and a worker, over one pair of connected sockets.

A job is a head (its number, two lengths), its target (:data:`Target`, pickled) and its arguments (pickled
apart, because their classes may be known only once the target's module was loaded). A reply is a head (the
job's number, its kind, the worker's resident memory, a length) and a body: the result, pickled, or the texts
of a failure, not pickled. The first reply of a worker, :data:`READY`, answers no job.

Both sides are given the same bound; what is larger is noticed while it is being pickled.
"""

import io
import pickle
import struct
from typing import Any, Final

PROTOCOL: Final = 5

JOB: Final = struct.Struct("!QII")
"""Number of the job, bytes of its target, bytes of its arguments."""

REPLY: Final = struct.Struct("!QBQI")
"""Number of the job, kind of reply, resident bytes of the worker, bytes of the body."""

READY, DONE, FAILED, NOT_TRANSFERABLE = range(4)

MAX_FAILURE_BYTES: Final = 256 * 1024
"""More than the text of any failure has (see :mod:`hapta.workers.child`)."""

Target = tuple[str, str, str, str]
"""What to run: file of the plugin (empty: the module is imported as any), name of the module, dotted name of
a module within it (or empty), name of the function."""


_SEPARATOR = "\0"


class TooLarge(Exception):
    """Pickled it has more bytes than may go over the wire."""


class _Bounded(io.BytesIO):
    """Takes so many bytes and no more."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._room = limit

    def write(self, data: Any) -> int:
        self._room -= memoryview(data).nbytes
        if self._room < 0:
            raise TooLarge
        return super().write(data)


def pickled(value: object, max_bytes: int) -> bytes:
    """``value`` in pickle's form.

    Raises:
        TooLarge: it has more than ``max_bytes``; found out without making all of it.
        Exception: whatever says that it cannot be pickled: ``PicklingError``, ``TypeError``, or what its own
            ``__reduce__`` raises.
    """
    buffer = _Bounded(max_bytes)
    pickle.Pickler(buffer, PROTOCOL).dump(value)
    return buffer.getvalue()


def joined(*texts: str) -> bytes:
    """Texts of a failure as they go over the wire; what UTF-8 does not have is escaped."""
    parts = (text.replace(_SEPARATOR, "\\0") for text in texts)
    return _SEPARATOR.join(parts).encode(errors="backslashreplace")


def separated(body: bytes, count: int) -> list[str]:
    """``count`` texts, whatever came; those that did not are empty."""
    texts = body.decode(errors="replace").split(_SEPARATOR, count - 1)
    return texts + [""] * (count - len(texts))
