"""A table on its way: pages of rows going in, and what is told of rows meanwhile.

A row that was told of since the build began is not taken from a page any more: the page may have been read
before. So the two may come in any order.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hapta.app.ranked.rows import Fields, Row
from hapta.model.clock import Clock
from hapta.model.schema import Schema
from hapta.ranking.spec import FeedSpec
from hapta.ranking.table import FeatureTable

_SLICE_S: Final = 0.003
"""So long at most rows are put in before others have their turn."""
_LOOK_EVERY: Final = 16
_OF_FIELDS: Final = ("id", "name", "type", "maxSelect", "collectionId")
"""What of a field makes a difference to the values read."""
_OF_TABLES: Final = (
    *("collection", "filter", "created", "author", "pinned", "topics"),
    *("follows", "hides", "engaged", "signals", "spam_domains"),
)
"""Keys of ``[feeds.<name>]`` that a table is made by; the others say how it is ranked."""

Shape = Mapping[str, object]


class Build:
    """One feed's table until it is complete.

    Args:
        spec: what is built.
        table: an empty one.
        shape: as of :func:`shape`.
        why: it is built, a word for the log and the metrics.

    Attributes:
        missing: ids of collections that are not read yet.
        rows: taken so far, of all collections.
        is_void: it will be used for nothing.
    """

    def __init__(self, spec: FeedSpec, table: FeatureTable, shape: Shape, *, why: str, clock: Clock) -> None:
        self.spec = spec
        self.table = table
        self.shape = shape
        self.why = why
        self.missing = set(spec.reads)
        self.rows = 0
        self.began = clock.monotonic()
        self.is_void = False
        self._told: defaultdict[str, set[str]] = defaultdict(set)
        self._clock = clock

    def told(self, collection_id: str, record_id: str, row: Row | None) -> None:
        """What a row is now; ``None``: it is gone."""
        self._told[collection_id].add(record_id)
        apply(self.table, collection_id, record_id, row)

    async def take(self, collection_id: str, rows: Sequence[Row]) -> None:
        """A page of rows as they were since the build began."""
        told = self._told[collection_id]
        await asyncio.sleep(0)  # to parse the page took long enough
        until = self._clock.monotonic() + _SLICE_S
        for number, row in enumerate(rows, 1):
            if self.is_void:
                return
            if row["id"] not in told:
                self.table.put(collection_id, row)
                self.rows += 1
            if number % _LOOK_EVERY == 0 and self._clock.monotonic() > until:
                await asyncio.sleep(0)
                until = self._clock.monotonic() + _SLICE_S

    def abandon(self) -> None:
        """It is of no use any more."""
        if not self.is_void:
            self.is_void = True
            self.table.release()


def apply(table: FeatureTable, collection_id: str, record_id: str, row: Row | None) -> None:
    """Put a row, or drop what is gone."""
    if row is None:
        table.drop(collection_id, record_id)
    else:
        table.put(collection_id, row)


def shape(spec: FeedSpec, schema: Schema) -> Shape:
    """All that makes a difference to a feed's table; as long as this stays the same, so may the table.

    A collection that was dropped and made anew under its old id has lost its rows, of which nobody tells.
    """
    own, config = spec.collection, spec.config
    made_of = [getattr(config, name) for name in _OF_TABLES]
    found: dict[str, object] = {"": (made_of, own.type, own.rules["listRule"], own.fields)}
    for collection_id, names in spec.reads.items():
        found[collection_id] = _read_of(collection_id, names, schema)
    return found


def reads_alike(made_for: Shape, spec: FeedSpec, schema: Schema) -> bool:
    """Whether rows still tell all that a table of this shape asks them for."""
    return all(
        made_for[collection_id] == _read_of(collection_id, names, schema)
        for collection_id, names in spec.reads.items()
    )


def _read_of(collection_id: str, names: Fields, schema: Schema) -> object:
    collection = schema.by_id.get(collection_id)
    if collection is None:
        return None
    fields = [_told_apart(field) for field in collection.fields if field["name"] in names]
    return collection.name, collection.raw.get("created"), sorted(names), fields


def _told_apart(field: Mapping[str, Any]) -> Sequence[object]:
    return [field.get(key) for key in _OF_FIELDS]
