"""Medians with their spread, and how they are shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some values, the least and the greatest of them."""

    middle: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of at least one value."""
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1])

    def shown(self, digits: int = 0) -> str:
        """``middle (least-greatest)``, thousands apart."""
        middle, least, greatest = (f"{v:,.{digits}f}" for v in (self.middle, self.least, self.greatest))
        return f"{middle} ({least}–{greatest})"


def ratios(of: Sequence[float], to: Sequence[float]) -> Spread:
    """``of`` divided by ``to``, value by value: both stand in the order of the rounds."""
    return Spread.of(a / b for a, b in zip(of, to, strict=True))


def differences(of: Sequence[float], without: Sequence[float]) -> Spread:
    """``of`` less ``without``, value by value."""
    return Spread.of(a - b for a, b in zip(of, without, strict=True))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column on the left, figures on the right."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
