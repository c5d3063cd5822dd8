"""What is wrong with a configuration, in the reader's terms: where, which key, what."""

from collections.abc import Iterable
from dataclasses import dataclass

from hapta.model.errors import OperatorError


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One broken rule.

    Attributes:
        keys: the dotted keys it is about, the one to change first.
        problem: what is wrong and what would be right.
    """

    keys: tuple[str, ...]
    problem: str


class ConfigErrors(OperatorError):
    """Everything that is wrong, one problem a line.

    Attributes:
        problems: the lines.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
