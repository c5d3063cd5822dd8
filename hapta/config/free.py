"""Tables whose keys are not Hapta's: ``[plugins.<name>]`` and ``[validate.<collection>]``.

Their values are plain TOML, kept as they stand; what they mean is for whoever reads the table to check. Here
only what would do harm anywhere is refused: numbers that are none, keys nobody could be shown, tables without
a bottom. A text from the environment or the command line is read as a TOML value, else it is a text.
"""

import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from hapta.config.fields import EXAMPLES, FREE, IS_ENABLED, WrongValue, from_text, from_value, shown

_MOST_NESTED: Final = 16
_NAMES = {
    "plugins": (
        re.compile(r"[a-z][a-z0-9_]{0,63}"),
        "a to z, 0 to 9 and _ that begins with a letter, at most 64 characters",
    ),
    "feeds": (
        re.compile(r"[a-z][a-z0-9_-]{0,63}"),
        "a to z, 0 to 9, _ and - that begins with a letter, at most 64 characters",
    ),
    "validate": (re.compile(r"[A-Za-z0-9_]{1,255}"), "letters, digits and _, as collections have"),
}
_EXAMPLE_KEYS = {"plugins": "max_links", "validate": "title", "feeds": "collection"}


class _WrongWithin(WrongValue):
    """Within a table or a list of tables.

    Attributes:
        key: what is wrong, dotted.
    """

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


class FreeTables:
    """Collects free tables.

    Args:
        problems: gets a line for each that is found.
        origins: gets the source of each table and each key, those within tables of tables included.

    Attributes:
        tables: for each of :data:`~hapta.config.fields.FREE` its tables by name.
    """

    def __init__(self, problems: list[str], origins: dict[str, str]) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {outer: {} for outer in FREE}
        self._problems = problems
        self._origins = origins

    def take(self, outer: str, content: Mapping[str, Any], where: Callable[[str], str]) -> None:
        """Take what a file has.

        Args:
            outer: one of :data:`~hapta.config.fields.FREE`.
            where: the source of a dotted key.
        """
        for name, table in content.items():
            key = f"{outer}.{name}"
            if not isinstance(table, dict):
                problem = f"expected a table such as [{EXAMPLES[outer]}], got {shown(table)}"
                self._problems.append(f"{where(key)}: {printable(key)}: {problem}")
            elif self._may_be(outer, name, where(key)):
                kept = self._table(outer, name, where(key))
                for inner, value in table.items():
                    self._put(kept, (outer, name, inner), value, where, is_text=False)

    def take_text(self, outer: str, name: str, path: Sequence[str], where: str, text: str) -> None:
        """Take one value from a text; ``path`` leads to it within the table, through tables of tables."""
        key = ".".join((outer, name, *path))
        if not name or not all(path):
            problem = f"expected {outer}.<name>.<key>, such as {_example_key(outer)}"
            self._problems.append(f"{where}: {printable(key.rstrip('.'))}: {problem}")
            return
        if not self._may_be(outer, name, where):
            return
        kept = self._table(outer, name, where)
        for number, part in enumerate(path[:-1], start=1):
            inner = kept.setdefault(part, {})
            if not isinstance(inner, dict):
                outside = ".".join((outer, name, *path[:number]))
                problem = f"{printable(outside)} is {shown(inner)}, not a table"
                self._problems.append(f"{where}: {printable(key)}: {problem}")
                return
            kept = inner
        self._put(kept, (outer, name, *path), text, lambda _: where, is_text=True)

    def _may_be(self, outer: str, name: str, where: str) -> bool:
        grammar, words = _NAMES[outer]
        if grammar.fullmatch(name):
            return True
        self._problems.append(f"{where}: {printable(f'{outer}.{name}')}: expected a name of {words}")
        return False

    def _table(self, outer: str, name: str, where: str) -> dict[str, Any]:
        self._origins.setdefault(f"{outer}.{name}", where)
        return self.tables[outer].setdefault(name, {})

    def _put(
        self,
        table: dict[str, Any],
        path: tuple[str, ...],
        value: Any,
        where: Callable[[str], str],
        *,
        is_text: bool,
    ) -> None:
        key = ".".join(path)
        try:
            if path[0] == "plugins" and path[2:] == (IS_ENABLED.name,):
                kept = (from_text if is_text else from_value)(IS_ENABLED, value)
            else:
                kept = _read(value) if is_text else value
            _check(path, kept)
        except WrongValue as exc:
            at = exc.key if isinstance(exc, _WrongWithin) else key
            self._problems.append(f"{where(at)}: {printable(at)}: {exc}")
            return
        for known in [known for known in self._origins if known.startswith(f"{key}.")]:
            del self._origins[known]  # of the table that stood there
        table[path[-1]] = kept
        for inner, _ in _tables_and_leaves(path, kept):
            self._origins[inner] = where(inner)


def leaves(path: tuple[str, ...], value: object) -> Iterator[tuple[str, object]]:
    """Dotted key and value of each thing in a table that is no table; of an empty table itself."""
    return (
        (key, found)
        for key, found in _tables_and_leaves(path, value)
        if not isinstance(found, dict) or not found
    )


def _tables_and_leaves(path: tuple[str, ...], value: object) -> Iterator[tuple[str, object]]:
    yield ".".join(path), value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _tables_and_leaves((*path, name), inner)


def _read(text: str) -> Any:
    """The TOML value a text is, else the text."""
    try:
        text.encode()
        parsed = tomllib.loads(f"value = {text}")
        if parsed.keys() == {"value"}:  # else it went on after the value, on another line
            return parsed["value"]
    except (ValueError, RecursionError):  # no TOML, digits by the thousand, brackets by the thousand
        pass
    if not text.isprintable():
        raise WrongValue(f"expected a text without control characters, got {shown(text)}")
    return text


def _check(path: tuple[str, ...], value: object) -> None:
    """Raise :class:`WrongValue` for what nobody could use; without recursion: dotted keys nest for free."""
    waiting: list[tuple[int, tuple[str, ...], object]] = [(0, path, value)]
    names = list(path)
    while waiting:
        depth, at, found = waiting.pop()
        if depth > _MOST_NESTED:
            raise WrongValue(f"nested more than {_MOST_NESTED} deep")
        if isinstance(found, float) and not math.isfinite(found):
            raise _WrongWithin(".".join(at), f"expected a number, got {shown(found)}")
        if isinstance(found, dict):
            names += found
            waiting += [(depth + 1, (*at, name), inner) for name, inner in found.items()]
        elif isinstance(found, list):
            waiting += [(depth + 1, at, inner) for inner in found]
    for name in names:
        if not name or not name.isprintable():
            raise WrongValue(f"{shown(name)} is no name for a key")


def _example_key(outer: str) -> str:
    return f"{EXAMPLES[outer]}.{_EXAMPLE_KEYS[outer]}"


def printable(text: str) -> str:
    """A text for a message of one line."""
    return text if text.isprintable() else ascii(text)
