"""Numbers about authors: kept once for each, written into the columns of rows when these are looked at."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from hapta.ranking.features import NONE, Floats
from hapta.ranking.features import Codes as CodeArray
from hapta.ranking.places import Codes
from hapta.ranking.spec import FieldSignal

_FEW: Final = 4
"""Authors whose rows are looked for one by one; of more all rows are gone through at once."""


class AuthorValues:
    """A signal about authors, by their codes; the column shows it once it was written."""

    def __init__(self) -> None:
        self._values: Floats = np.zeros(256, np.float32)
        self._moved: set[int] = set()

    def of(self, code: int) -> float:
        """The author's number."""
        return float(self._values[code]) if NONE < code < len(self._values) - 1 else 0.0

    def set(self, code: int, value: float) -> bool:
        """Whether it was another one before."""
        if self.of(code) == np.float32(value):
            return False
        while code >= len(self._values) - 1:  # the last place stays 0: NONE leads there
            self._values = np.concatenate([self._values, np.zeros_like(self._values)])
        self._values[code] = value
        self._moved.add(code)
        return True

    def add(self, code: int, more: int) -> None:
        """So many more."""
        self.set(code, self.of(code) + more)

    def write(self, column: Floats, authors: CodeArray, length: int) -> None:
        """Into the column, for all rows of the authors that have another value."""
        if len(self._moved) <= _FEW:
            for code in self._moved:
                column[:length][authors[:length] == code] = self._values[code]
        else:
            while len(self._values) <= int(authors[:length].max(initial=NONE)) + 1:
                self._values = np.concatenate([self._values, np.zeros_like(self._values)])
            np.take(self._values, authors[:length], out=column[:length], mode="wrap")
        self._moved.clear()


class AuthorField:
    """A number that rows of authors tell."""

    def __init__(self, signal: FieldSignal, people: Codes, values: AuthorValues) -> None:
        self._signal = signal
        self._people = people
        self._values = values

    def put(self, record_id: str, row: Mapping[str, Any]) -> bool:
        """An author's row as it is now; whether the number moved."""
        return self._values.set(self._people.find(record_id), self._signal.read(row))

    def drop(self, record_id: str) -> bool:
        """An author's row is gone; whether there was a number."""
        code = self._people.get(record_id)
        return code != NONE and self._values.set(code, 0.0)
