"""Writing lines to a stream that may be slow, full or gone.

Buffers of Python are by-passed: what lies in the buffer of a broken pipe is tried again when the interpreter
ends, and turns the exit code into 120.
"""

from typing import BinaryIO


def wants_pretty(form: str, stream: BinaryIO) -> bool:
    """Is the form for people wanted?  ``auto`` means: when people look, on a terminal."""
    return form == "pretty" or (form == "auto" and stream.isatty())


class LineWriter:
    """Writes whole lines; not thread-safe."""

    def __init__(self, stream: BinaryIO) -> None:
        self._raw = getattr(stream, "raw", stream)
        self._is_torn = False

    def write(self, lines: bytes) -> bool:
        """Write ``lines``, each ending in a line feed; false when not all of it could be written.

        After half a line the next one starts on a line of its own.
        """
        rest = memoryview(b"\n" + lines if self._is_torn else lines)
        is_begun = False
        while rest:
            try:
                count = self._raw.write(rest)
            except (OSError, ValueError):  # disk full, reader gone; closed under us
                count = None
            if not count:  # None too: a non-blocking stream that takes no more
                self._is_torn = self._is_torn or is_begun
                return False
            rest, is_begun = rest[count:], True
        self._is_torn = False
        return True
