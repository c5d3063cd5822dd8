"""``hapta bench --feeds``: how good and how fast ranked feeds are, in one report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hapta.workload import feed_quality, feed_speed
from hapta.workload.feed_quality import Quality, shown
from hapta.workload.feed_speed import Speed

SEEDS: Final = 5


@dataclass(frozen=True, slots=True)
class FeedsReport:
    """What was found.

    Attributes:
        seeds: of the sites that orders were judged on.
        quality: NDCG@20, by the way of ranking.
        speed: time of a ranking.
    """

    seeds: Sequence[int]
    quality: Mapping[str, Quality]
    speed: Sequence[Speed]

    def as_dict(self) -> dict[str, Any]:
        """The object of ``--json``."""
        return {
            "seeds": list(self.seeds),
            "ndcg_at_20": {name: quality.as_dict() for name, quality in self.quality.items()},
            "speed": [speed.as_dict() for speed in self.speed],
        }

    def as_text(self) -> str:
        """The tables for people."""
        return "\n".join([*self._quality_lines(), "", *self._speed_lines()])

    def _quality_lines(self) -> list[str]:
        seeds = f"{self.seeds[0]} to {self.seeds[-1]}"
        lines = [
            f"NDCG@20 of 3,000 posts for 200 users; mean and standard deviation over seeds {seeds}",
            f"  {'':<16}{'all users':>16}{'with a past':>16}{'new':>16}",
        ]
        for name, quality in self.quality.items():
            cells = (shown(values) for values in (quality.all, quality.known, quality.new))
            lines.append(f"  {name:<16}" + "".join(f"{cell:>16}" for cell in cells))
        return lines

    def _speed_lines(self) -> list[str]:
        lines = [
            "Milliseconds to rank a feed, the first 1,000 rows of it",
            f"  {'rows':>10}  {'':<16}{'':<12}{'cpu p50':>9}{'p99':>9}{'wall p50':>10}{'p99':>9}",
        ]
        lines += [
            f"  {s.rows:>10,}  {s.what:<16}{s.where:<12}"
            f"{s.cpu_p50:>9.2f}{s.cpu_p99:>9.2f}{s.wall_p50:>10.2f}{s.wall_p99:>9.2f}"
            for s in self.speed
        ]
        return lines


def run(
    seed: int, tell: Callable[[str], None], *, rows: Sequence[int] = feed_speed.ROWS, seconds: float = 2.0
) -> FeedsReport:
    """Measure both.

    Args:
        seed: the first of :data:`SEEDS`, which follow each other.
        tell: is told how far it is.
        rows: lengths of the feeds whose ranking is timed.
        seconds: for each of those figures.
    """
    seeds = range(seed, seed + SEEDS)
    speed = feed_speed.measure(seed, tell, rows=rows, seconds=seconds)
    return FeedsReport(seeds, feed_quality.measure(seeds, tell), speed)
