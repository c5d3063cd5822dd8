"""What of a read can be worked out from single records, without PocketBase."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hapta.cache.condition import Condition
from hapta.cache.ordering import Ordering
from hapta.cache.paging import Paging

MAX_EFFORT: Final = 50_000_000
"""Of :attr:`Local.effort` times bytes at once: some 60 ms, in which nobody else is served."""


@dataclass(frozen=True, slots=True)
class Local:
    """How an answer follows from the records it shows.

    Attributes:
        condition: a record of the collection read is in the answer if, and only if, this holds: the rule, and
            of a list the client's filter too.
        ordering: in which order a list shows them.
        scanned: fields that stand in some index: where the order leaves it open which of two records comes
            first, a change of these may turn them round.
        shown: by id of each collection that is expanded, when a record of it is shown: its viewRule.
        uniques: by id of each collection shown, fields of which no two records have the same value.
        paging: which part of a list is asked for; ``None`` for a view, or where that is better left to
            PocketBase.
        is_filtered: the client's filter leaves records out.
        effort: what it takes to ask a record, for each of its bytes: the characters of what the client wrote.
        demand: a field of ``uniques`` and the text that every record listed has in it; at most one has.
    """

    condition: Condition
    ordering: Ordering
    scanned: frozenset[str]
    shown: Mapping[str, Condition]
    uniques: Mapping[str, frozenset[str]]
    paging: Paging | None
    is_filtered: bool
    effort: int
    demand: tuple[str, str] | None

    def is_too_much(self, size: int) -> bool:
        """Whether PocketBase had better be asked than records of so many bytes."""
        return size * self.effort > MAX_EFFORT
