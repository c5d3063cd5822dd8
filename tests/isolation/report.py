"""What a run came to: figures, and each difference with all that is needed to understand it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.isolation.asks import Ask
from tests.isolation.changes import Change
from tests.isolation.wire import Reply

_COUNTS = ("triples", "reads", "hits", "moved", "late", "filled", "revalidated", "worlds", "asks", "apart")


@dataclass(frozen=True)
class Difference:
    """An answer through Hapta that is not PocketBase's own."""

    seed: int
    world: int
    caller: str
    ask: Ask
    rules: str
    direct: Reply
    through: Reply
    changes: Sequence[Change]
    lasting: bool

    def __str__(self) -> str:
        lines = [
            f"world {self.world} of seed {self.seed}, as {self.caller}: {self.ask}",
            f"  again: python -m tests.isolation --seed {self.seed} --world {self.world}",
            f"  rules: {self.rules}",
            f"  direct  {self.direct.status} {self.direct.body[:1500]!r}",
            f"  through {self.through.status} {self.through.body[:1500]!r}",
            f"  Cache-Status: {self.through.headers.get('cache-status')}; lasting: {self.lasting}",
            *(f"  after {change.text[:400]}" for change in self.changes),
        ]
        return "\n".join(lines)


@dataclass
class Figures:
    """What a run came to.

    Attributes:
        triples: distinct (world, ask, caller).
        reads: answers of Hapta that were compared.
        hits: of these, answered from the store.
        moved: PocketBase's own answer was another one a moment later.
        late: right after a change behind Hapta's back, right soon after.
        statuses: of PocketBase's answers.
        filled: reads whose list had rows, or whose record was there.
        revalidated: reads answered with 304.
        asks: distinct asks, with the world they belong to.
        apart: of these, answered differently to callers who are no superusers.
    """

    triples: int = 0
    reads: int = 0
    hits: int = 0
    moved: int = 0
    late: int = 0
    filled: int = 0
    revalidated: int = 0
    worlds: int = 0
    asks: int = 0
    apart: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        """Take in those of another world."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.statuses += other.statuses
        self.fates += other.fates
        self.differences += other.differences

    def __str__(self) -> str:
        share = self.hits / max(self.reads, 1)
        return (
            f"{self.worlds} worlds, {self.triples} triples, {self.reads} reads, hits {share:.0%}, "
            f"with rows {self.filled / max(self.reads, 1):.0%}, {self.apart} of {self.asks} asks answered "
            f"apart, {self.revalidated} times 304, moved {self.moved}, late {self.late}, "
            f"statuses {dict(self.statuses.most_common())}, {len(self.differences)} differences"
        )
