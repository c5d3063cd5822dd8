"""Which states of a row a read may show, from what was sent and acknowledged, and when.

A row is a sequence of *versions*: it is not there, or it is there with certain fields; a delete is a version
like any other, and an id that is used again goes on counting. Writes to one row are sent one after the other,
each carrying its number in ``rev``. All that happens in the test is put into one order by *moments*; then a
read may show, of each row, any version

- not older than the last one *known* when the read was sent: acknowledged, or shown to somebody by a read
  that was answered, and
- not newer than the last one that was sent when the read was answered.

What a version shows must be that version's fields, all of them; and a row that is missing must have a version
in that window in which it is not there, or not for this reader.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Fields: TypeAlias = Mapping[str, Any]
Version: TypeAlias = Fields | None
"""``None``: the row is not there."""
Step: TypeAlias = "tuple[Row, Version]"
"""What one write makes of one row."""
_EXAMPLES = 12


class Row:
    """One id of one collection; at first it is not there.

    Attributes:
        versions: by number.
        acknowledged_at: moment of each acknowledged version, by number.
        known_at: the same, but also of what a read has shown.
    """

    __slots__ = ("acknowledged_at", "collection", "id", "known_at", "versions")

    def __init__(self, collection: str, identifier: str) -> None:
        self.collection, self.id = collection, identifier
        self.versions: list[Version] = [None]
        self.acknowledged_at = [0]
        self.known_at = [0]

    @property
    def now(self) -> Version:
        """The newest version, whether it is acknowledged or not."""
        return self.versions[-1]

    @property
    def next_rev(self) -> int:
        return len(self.versions)

    def window(self, sent: int) -> Sequence[Version]:
        """The versions that a read sent at this moment, and answered just now, may show."""
        return self.versions[bisect_left(self.known_at, sent) - 1 :]


@dataclass(slots=True)
class Findings:
    """What is wrong with answers.

    Attributes:
        counts: by kind: ``stale`` (older than acknowledged), ``regressed`` (older than shown before),
            ``made-up``, ``wrong`` (not the fields of that version), ``missing``, ``uninvited`` (shown where
            it does not belong), ``count``, ``failed``.
        examples: the first few, in words.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{kind}: {what}")

    @property
    def is_clean(self) -> bool:
        return not self.counts

    def __str__(self) -> str:
        return "\n".join([", ".join(f"{n} {kind}" for kind, n in self.counts.items()), *self.examples])


class Ledger:
    """All rows of a test, and the order of what happened."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.findings = Findings()
        self._moment = 0

    def row(self, collection: str, identifier: str) -> Row:
        """The row, a new one if it was never spoken of."""
        return self.rows.setdefault((collection, identifier), Row(collection, identifier))

    def moment(self) -> int:
        """A new moment, later than all before."""
        self._moment += 1
        return self._moment

    def begin(self, steps: Iterable[Step]) -> None:
        """A write that will make these versions is about to be sent; none is under way to any of its rows."""
        for row, version in steps:
            assert len(row.acknowledged_at) == len(row.versions), f"two writes to {row.id} at once"
            row.versions.append(version)

    def acknowledge(self, steps: Iterable[Step]) -> None:
        """The write was answered."""
        moment = self.moment()
        for row, _ in steps:
            row.acknowledged_at.append(moment)
            self._know(row, len(row.versions) - 1, moment)

    def judge_row(self, row: Row, shown: Fields, sent: int, where: str) -> None:
        """A row as an answer shows it; fields that are no field of its versions are not looked at."""
        rev = shown["rev"]
        latest = len(row.versions) - 1
        if not isinstance(rev, int) or not 0 < rev <= latest or (version := row.versions[rev]) is None:
            self.findings.add("made-up", f"{where}: {row.id} at rev {rev}; {latest} was the last one sent")
            return
        acknowledged = bisect_left(row.acknowledged_at, sent) - 1
        known = bisect_left(row.known_at, sent) - 1
        if rev < known:
            kind = "stale" if rev < acknowledged else "regressed"
            last = "deleted" if row.versions[known] is None else f"at {known}"
            self.findings.add(
                kind, f"{where}: {row.id} at rev {rev}; {acknowledged} was acknowledged, {last} known"
            )
        wrong = {name for name, value in version.items() if name in shown and shown[name] != value}
        if wrong:
            self.findings.add("wrong", f"{where}: {row.id} at rev {rev}: {', '.join(sorted(wrong))}")
        self._know(row, rev, self.moment())

    def judge_members(
        self,
        rows: Iterable[Row],
        shown: Mapping[str, Fields],
        sent: int,
        is_member: Callable[[Row, Version], bool],
        where: str,
        beside: Callable[[Row], tuple[Row, Callable[[Version], bool]]] | None = None,
    ) -> tuple[int, int]:
        """A list that must hold exactly the rows for which ``is_member``.

        Args:
            shown: the rows of the list by id; each is judged by :meth:`judge_row` elsewhere.
            beside: a second row whose version decides as well, in the same query.

        Returns:
            How many rows it must, and may at most, hold.
        """
        least = most = 0
        for row in rows:
            window = row.window(sent)
            could_be = any(is_member(row, version) for version in window)
            must_be = could_be and all(is_member(row, version) for version in window)
            other_could = other_must = True
            if beside is not None:
                other, holds = beside(row)
                others = [holds(version) for version in other.window(sent)]
                other_could, other_must = any(others), all(others)
            least += must_be and other_must
            most += could_be and other_could
            if row.id not in shown:
                if must_be and other_must:
                    self.findings.add("missing", f"{where}: {row.id}, last rev {len(row.versions) - 1}")
                continue
            rev = shown[row.id].get("rev", 0)
            fits = rev < len(row.versions) and is_member(row, row.versions[rev])
            if not (fits and other_could):
                self.findings.add("uninvited", f"{where}: {row.id} at rev {rev}")
        return least, most

    def judge_there(
        self, row: Row, is_there: bool, sent: int, is_member: Callable[[Row, Version], bool], where: str
    ) -> None:
        """A view that was answered 200 or 404."""
        if is_there not in {is_member(row, version) for version in row.window(sent)}:
            kind = "uninvited" if is_there else "missing"
            self.findings.add(kind, f"{where}: {row.id}, last rev {len(row.versions) - 1}")

    def judge_count(self, counted: int, bounds: tuple[int, int], where: str) -> None:
        least, most = bounds
        if not least <= counted <= most:
            self.findings.add("count", f"{where}: {counted} counted, {least} to {most} are there")

    @staticmethod
    def _know(row: Row, number: int, moment: int) -> None:
        missing = number + 1 - len(row.known_at)
        if missing > 0:
            row.known_at += [moment] * missing
