"""What PocketBase prints: cut into lines, made harmless, the last ones kept.

Tokens never survive: PocketBase prints a superuser token in its installer link, and hooks may print any.
Control characters (colours, cursor moves) are taken out, because the lines end up in terminals and logs.
"""

import re
from collections import deque
from collections.abc import Sequence

KEPT_LINES = 200
LONGEST_LINE_BYTES = 4096

_TOKENS = re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]*){1,4}|(?<=pbinstall/)[^\s/?#]+")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def harmless(line: str) -> str:
    """``line`` without tokens, colours and control characters."""
    return _TOKENS.sub("[masked]", _CONTROL.sub("", _ANSI.sub("", line))).rstrip()


def essence(lines: Sequence[str], count: int) -> list[str]:
    """The ``count`` lines that tell why a program ended: the last ones, or of a Go panic its beginning."""
    for number, line in enumerate(lines):
        if line.startswith("panic: "):
            told = [line for line in lines[number:] if line]
            stack = next((n for n, line in enumerate(told) if line.startswith("goroutine ")), len(told))
            return told[: min(stack, count)]
    return [line for line in lines if line][-count:]


class OutputTail:
    """Turns bytes as they come into lines and keeps the last :data:`KEPT_LINES`."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._rest = b""
        self._is_skipping = False

    def feed(self, data: bytes) -> list[str]:
        """Take output; returns the lines it completed, already harmless, empty ones left out."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        if complete and self._is_skipping:
            complete, self._is_skipping = complete[1:], False
        if self._is_skipping:
            self._rest = b""
        elif len(self._rest) > LONGEST_LINE_BYTES:
            # The last word may be the first half of a token, which nothing would recognise; the rest is
            # skipped.
            complete.append(self._rest.rpartition(b" ")[0] + " …".encode())
            self._rest, self._is_skipping = b"", True
        lines = [harmless(line.decode(errors="replace"))[:LONGEST_LINE_BYTES] for line in complete]
        lines = [line for line in lines if line]
        self._lines.extend(lines)
        return lines

    def last(self, count: int = KEPT_LINES) -> list[str]:
        """The last ``count`` lines, oldest first."""
        return list(self._lines)[-count:]
