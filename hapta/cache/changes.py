"""What an own write did to one row, kept for a while, so that stored answers may be brought up to date.

A generation that moved says *that* something changed. Where the answer to an own write told what became of
its row, a :class:`Change` stands beside the move and says *what*: a stored answer whose fence was broken by
such moves alone can be made right without asking PocketBase (:mod:`hapta.cache.patch`).

A change is made only where nothing is left to guess: one row, no hooks, no ``fields``, no other write to it
meanwhile, own or foreign. Rows that went with it (a cascade within the collection) or that nobody can name
are moved without one.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, TypeAlias

from hapta.cache.canonical import Fields
from hapta.cache.tags import Tag
from hapta.model.clock import Clock
from hapta.model.schema import Collection

Values: TypeAlias = Mapping[str, object]
"""Members of a row, decoded."""

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_ROW_BYTES: Final = 64 * 1024
"""Of one row that is kept; larger ones are asked for again."""
_CHANGE_BYTES = 1_200
"""Memory of one change without its row: itself, its fields' places, and where tags remember it."""
_ROWS = frozenset({"any", "record", "where", "anywhere", "births"})
"""Kinds of tags whose move is told in full by one row's change."""
_OF_SIGN_IN = frozenset({"email", "emailVisibility", "password", "tokenKey", "verified"})
"""Of an auth row: they change one another."""


class Change:
    """One row, created, updated or deleted by an own write.

    Attributes:
        collection: its collection's id.
        record: its id.
        action: ``create``, ``update`` or ``delete``.
        touched: fields that may have another value than before; ``None``: any of them.
        row: what everybody is shown of it now; ``None`` after a delete.
        before: what it was before a delete, where that is known.
        began_at: :attr:`hapta.cache.generations.Generations.moves` before the write was announced.
        is_void: it was forgotten, or is not known yet; whatever needs it has to be fetched.
    """

    __slots__ = (
        "action",
        "before",
        "began_at",
        "collection",
        "is_void",
        "number",
        "record",
        "row",
        "touched",
        "weight",
    )

    def __init__(self, collection: str, record: str, action: str) -> None:
        self.collection = collection
        self.record = record
        self.action = action
        self.touched: frozenset[str] | None = None
        self.row: Fields | None = None
        self.before: Values | None = None
        self.began_at = -1
        self.number = 0
        self.is_void = True
        self.weight = 0

    def tell(
        self,
        *,
        began_at: int,
        touched: frozenset[str] | None = None,
        row: Fields | None = None,
        before: Values | None = None,
    ) -> None:
        """What it was; once."""
        self.began_at = began_at
        self.touched, self.row, self.before = touched, row, before
        self.weight = _CHANGE_BYTES + sum(len(name) + len(raw) for name, raw in (row or {}).items())
        self.is_void = self.weight > MAX_ROW_BYTES

    def forget(self) -> None:
        """Nobody can be told any more."""
        self.is_void, self.row, self.before = True, None, None

    def explains(self, tag: Tag) -> bool:
        """Whether this row is all that the move of a tag was about."""
        return tag[0] in _ROWS and tag[1] == self.collection

    def leaves(self, fields: frozenset[str]) -> bool:
        """Whether none of these fields can have another value than before."""
        return self.touched is not None and not self.touched & fields


class Journal:
    """The latest changes, in a budget of bytes; the oldest are forgotten first.

    Args:
        clock: monotonic time.
        max_bytes: of all of them.

    Attributes:
        told_at: monotonic seconds when the last one was told: the schema it was read under is that old.
    """

    def __init__(self, clock: Clock, max_bytes: int = MAX_BYTES) -> None:
        self.told_at = float("-inf")
        self._clock = clock
        self._max_bytes = max_bytes
        self._changes: deque[Change] = deque()
        self._weight = 0
        self._written = 0

    def __len__(self) -> int:
        return len(self._changes)

    @property
    def weight(self) -> int:
        """Bytes, about; never above the budget."""
        return self._weight

    def add(self, change: Change) -> None:
        """Number it, after all that were added before; it has been told."""
        self._written += 1
        self.told_at = self._clock.monotonic()
        change.number = self._written
        self._changes.append(change)
        self._weight += change.weight
        while self._weight > self._max_bytes:
            oldest = self._changes.popleft()
            self._weight -= oldest.weight
            oldest.forget()


def touched_fields(collection: Collection, members: Mapping[str, object] | None) -> frozenset[str] | None:
    """Fields of a row that an update may have given another value.

    A member ``likes+`` or ``+likes`` changes ``likes``, and PocketBase may know more such forms: whatever has
    the name of a field in it counts. By itself PocketBase sets dates (``core/field_autodate.go``), and what
    belongs to a sign-in changes together. An id never changes.

    Args:
        members: of the update's body; ``None`` where they are not known.
    """
    if members is None:
        return None
    asked = [name.casefold() for name in members]
    found = set()
    for field in collection.fields:
        name = str(field["name"])
        is_set = field.get("type") == "autodate" and field.get("onUpdate", True)
        if is_set or any(name.casefold() in each for each in asked):
            found.add(name)
    found.discard("id")
    if collection.type == "auth" and found & _OF_SIGN_IN:
        found |= _OF_SIGN_IN
    return frozenset(found)
