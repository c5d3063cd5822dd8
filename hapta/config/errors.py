"""What is wrong with a configuration, in the reader's terms: where, which key, what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hapta.model.errors import OperatorError


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One broken rule.

    Attributes:
        keys: the dotted keys or secret names it is about, the one to change first.
        problem: what is wrong and what would be right.
    """

    keys: tuple[str, ...]
    problem: str

    def line(self, origins: Mapping[str, str]) -> str:
        """The line for the reader; it starts with where the first key that somebody set was set."""
        key = self.keys[0]
        where = next((origins[key] for key in self.keys if key in origins), None)
        if where is None:
            return f"{key}: {self.problem}"
        if where == f"environment {key}":  # a secret: its variable is its key
            return f"{where}: {self.problem}"
        return f"{where}: {key}: {self.problem}"


class ConfigErrors(OperatorError):
    """Everything that is wrong, one problem a line.

    Attributes:
        problems: the lines.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
