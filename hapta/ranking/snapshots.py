"""Orders that callers page through: page 2 goes on where page 1 ended, whatever happened meanwhile.

A snapshot is an order of record ids, bound to whom it was made for: an order tells what its owner follows and
likes. Its id follows from its content, so the same order made again is the same snapshot, and an answer that
says the same has the same bytes. Once somebody has paged on in it, or rows were taken out of it, the same
order made again is another snapshot.

Places that were handed out stay. A row that is gone before its place was handed out makes room for those
behind it, so no page is short but the last, and none repeats a row; one that goes afterwards leaves a gap on
its page, should that be asked for again.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, TypeAlias

from hapta.model.clock import Clock

LIFETIME_S: Final = 3600.0
"""Since it was last asked for."""
MOST_IDS: Final = 2_000_000
"""Of all snapshots together; some 8 bytes each, the texts themselves are the table's."""
MOST_OF_ONE: Final = 16
"""Of one feed and one user, who else could have everybody's forgotten."""
_MOST_LATEST: Final = 100_000
_MOST_ALIKE: Final = 8
"""Of one order, that are looked at for one nobody has begun."""
_WEIGHT: Final = 64
"""What a snapshot without a row counts as."""

_Key: TypeAlias = tuple[str, str, str]
"""Feed, owner and id."""


class Snapshot:
    """One order.

    Attributes:
        id: tells it apart among those of its owner.
        weight: what it counted as when it was made.
    """

    def __init__(self, snapshot_id: str, ids: Sequence[str]) -> None:
        self.id = snapshot_id
        self.weight = _WEIGHT + len(ids)
        self._has_moved = False
        self._ids = list(ids)
        self._given = 0

    def __len__(self) -> int:
        return len(self._ids)

    def is_new(self, end: int) -> bool:
        """It is the order it was made as, and nobody was handed a place behind ``end``."""
        return not self._has_moved and self._given <= end

    def hand_out(self, first: int, end: int) -> "Part":
        """The places from ``first`` to ``end``, which are the asker's from now on."""
        part = Part(self, first, end, self._given)
        self._given = max(self._given, end)
        return part

    def between(self, first: int, end: int) -> list[str]:
        """What stands there now."""
        return self._ids[first:end]

    def is_free(self, end: int, free_from: int) -> bool:
        """Nobody was handed a place behind ``end``, but for those handed out before."""
        return self._given <= max(end, free_from)

    def take_out(self, gone: Iterable[str], first: int, end: int, free_from: int) -> bool:
        """Let what stands behind rows that are gone move up, where nobody was handed these places.

        Args:
            end: those behind it are looked at, too: rows that are gone may stand there.

        Returns:
            Whether anything moved.
        """
        if not self.is_free(end, free_from):
            return False
        start, missing = max(first, free_from), set(gone)
        kept = [each for each in self._ids[start:] if each not in missing]
        has_moved = len(kept) < len(self._ids) - start
        if has_moved:
            self._ids[start:] = kept
            self._has_moved = True
        return has_moved


@dataclass(frozen=True, slots=True)
class Part:
    """Places of a snapshot that somebody was handed.

    Attributes:
        first, end: from and to, the latter not included.
        free_from: places from there on nobody had before.
    """

    snapshot: Snapshot
    first: int
    end: int
    free_from: int

    @property
    def ids(self) -> list[str]:
        """The rows there now."""
        return self.snapshot.between(self.first, self.end)

    def behind(self, count: int) -> list[str]:
        """So many rows that may move up to here."""
        if self.free_from >= self.end or not self.snapshot.is_free(self.end, self.free_from):
            return []
        return self.snapshot.between(self.end, self.end + count)

    def take_out(self, gone: Iterable[str]) -> bool:
        """These rows, here or behind, are not there any more; whether others stand there now."""
        return self.snapshot.take_out(gone, self.first, self.end, self.free_from)


class Snapshots:
    """All snapshots, the ones unused for longest forgotten first.

    Args:
        clock: monotonic time.
        most_ids: of all together.
    """

    def __init__(self, clock: Clock, most_ids: int = MOST_IDS) -> None:
        self._clock = clock
        self._most_ids = most_ids
        self._kept: OrderedDict[_Key, tuple[Snapshot, float]] = OrderedDict()
        self._latest: OrderedDict[tuple[str, str], list[_Key]] = OrderedDict()
        self._weight = 0
        self._alike = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, feed: str, owner: str, asker: str, ids: Sequence[str], end: int) -> Snapshot:
        """An order that was just made.

        Args:
            feed: its name.
            owner: whom it was made for; empty for guests, who share theirs.
            asker: who comes back for the next page: the owner, or where a guest is.
            end: up to where the asker is handed it now.
        """
        digest = blake2b(digest_size=12)
        for part in (feed, owner, *ids):
            digest.update(part.encode() + b"\0")
        key = (feed, owner, digest.hexdigest())
        for _ in range(_MOST_ALIKE):
            found = self._kept.get(key)
            if found is None or found[0].is_new(end):
                break
            # who pages through the other one keeps it as it is, and this asker has places of their own
            digest.update(b"\0")
            key = (feed, owner, digest.hexdigest())
        else:
            self._alike += 1
            digest.update(str(self._alike).encode())
            key, found = (feed, owner, digest.hexdigest()), None
        snapshot = Snapshot(key[2], ids) if found is None else found[0]
        if found is None:
            self._weight += snapshot.weight
        self._kept[key] = snapshot, self._clock.monotonic()
        self._kept.move_to_end(key)
        theirs = [each for each in self._latest.pop((feed, asker), ()) if each != key]
        self._latest[feed, asker] = [*theirs, key] if asker == owner else [key]
        if asker == owner and len(theirs) >= MOST_OF_ONE:
            self._drop(self._latest[feed, asker].pop(0))
        if len(self._latest) > _MOST_LATEST:
            self._latest.popitem(last=False)
        self._make_room()
        return snapshot

    def get(self, feed: str, owner: str, snapshot_id: str) -> Snapshot | None:
        """One by its id, if it is that owner's and still kept."""
        key = (feed, owner, snapshot_id)
        found = self._kept.get(key)
        if found is None or self._clock.monotonic() - found[1] > LIFETIME_S:
            return None
        self._kept[key] = found[0], self._clock.monotonic()
        self._kept.move_to_end(key)
        return found[0]

    def latest(self, feed: str, owner: str, asker: str) -> Snapshot | None:
        """The one this asker began last, if that was as this owner."""
        known = self._latest.get((feed, asker))
        if known is None or known[-1][1] != owner:
            return None
        return self.get(*known[-1])

    def forget(self) -> None:
        """All of them: what they were made by has changed."""
        self._kept.clear()
        self._latest.clear()
        self._weight = 0

    def _make_room(self) -> None:
        oldest_s = self._clock.monotonic() - LIFETIME_S
        while len(self._kept) > 1:
            key, (_, used_at) = next(iter(self._kept.items()))
            if self._weight <= self._most_ids and used_at >= oldest_s:
                return
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._weight -= dropped[0].weight
