"""Which line of a TOML text a dotted key stands on.

``tomllib`` keeps no line numbers. This scan is given only text that ``tomllib`` has already accepted, so it
looks for nothing but table headers and ``key =`` at the start of a line, and keeps track of the two things
that can make a line look like one of these without being one: strings over several lines and brackets left
open.
"""

import re

_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.)?""")
_TOKEN = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|[\[\]{}#]')
_OPENING, _CLOSING = "[{", "]}"


class Lines:
    """The lines of one text, by dotted key."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        self._scan(text)

    def of(self, key: str) -> int:
        """The line of ``key``, counted from 1; a key not seen falls back to its table's line, and that to the
        first."""
        while key not in self._lines and "." in key:
            key = key.rpartition(".")[0]
        return self._lines.get(key, 1)

    def _scan(self, text: str) -> None:
        table: list[str] = []
        delimiter, depth = "", 0  # the string left open ('""' + '"' or its like), the brackets left open
        for number, line in enumerate(text.split("\n"), start=1):
            rest = line
            if not delimiter and not depth:
                stripped = line.strip()
                if stripped.startswith("["):
                    table, _ = _dotted(stripped.lstrip("["))
                    self._note(table, number)
                    continue
                path, rest = _dotted(stripped)
                if path:
                    self._note(table + path, number)
            delimiter, depth = _open_after(rest, delimiter, depth)

    def _note(self, path: list[str], number: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(".".join(path[:length]), number)


def _dotted(text: str) -> tuple[list[str], str]:
    """The dotted key at the start of ``text``, and what follows it; no key in an empty line or a comment."""
    path: list[str] = []
    position = 0
    while match := _KEY_PART.match(text, position):
        path.append(next(part for part in match.groups()[:3] if part is not None))
        position = match.end()
        if not match[4]:
            break
    return path, text[position:]


def _open_after(line: str, delimiter: str, depth: int) -> tuple[str, int]:
    """What is still open at the end of ``line``."""
    position = 0
    while True:
        if delimiter:
            end = _closing(line, delimiter, position)
            if end < 0:
                return delimiter, depth
            delimiter, position = "", end
        match = _TOKEN.search(line, position)
        if match is None or match[0] == "#":
            return "", depth
        position = match.end()
        if match[0] in ('"""', "'''"):
            delimiter = match[0]
        elif match[0] in _OPENING:
            depth += 1
        elif match[0] in _CLOSING:
            depth -= 1


def _closing(line: str, delimiter: str, position: int) -> int:
    """Where the string ends in ``line``, or -1; up to two quotes may stand right before the closing three."""
    while (found := line.find(delimiter, position)) >= 0:
        if delimiter == '"""' and _is_escaped(line, found):
            position = found + 1
            continue
        end = found + 3
        while end < len(line) and line[end] == delimiter[0] and end < found + 5:
            end += 1
        return end
    return -1


def _is_escaped(line: str, position: int) -> bool:
    backslashes = len(line[:position]) - len(line[:position].rstrip("\\"))
    return backslashes % 2 == 1
