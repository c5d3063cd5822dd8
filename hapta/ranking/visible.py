"""Which rows a caller may see, as far as the listRule and the rows themselves leave no doubt.

What is said here only keeps rows out of an order in which they would only leave gaps: those of a page are
asked for as the caller anyway. But an order tells how many rows there are, so where one row is in doubt
nothing is said, and PocketBase is asked.
"""

from collections import OrderedDict
from enum import Enum, auto
from typing import Final, TypeAlias

import numpy as np

from hapta.model.schema import Schema
from hapta.ranking.features import Flags
from hapta.ranking.signatures import Outcomes, Signatures
from hapta.ranking.table import FeatureTable


class Everything(Enum):
    """All candidates."""

    EVERYTHING = auto()


EVERYTHING: Final = Everything.EVERYTHING
Seen: TypeAlias = Flags | Everything | None

MOST_ASKED: Final = 500
"""Signatures that are asked for one caller: some two milliseconds."""
MOST_COMPARED: Final = 2_000
"""Comparisons for one caller, all signatures together."""
_REMEMBERED_BYTES: Final = 32 * 1024 * 1024


class Visible:
    """The listRule over a table.

    Args:
        table: the candidates.
        schema: whose rule it is; where the table was made for another rule, nothing is said.
    """

    def __init__(self, table: FeatureTable, schema: Schema) -> None:
        self._table = table
        collection = table.spec.collection
        now = schema.by_id.get(collection.id)
        is_same = now is not None and (now.rules["listRule"], now.fields, now.type) == (
            collection.rules["listRule"],
            collection.fields,
            collection.type,
        )
        self._is_open = is_same and collection.rules.get("listRule") == ""
        self._signatures: Signatures | None = table.signatures if is_same else None
        self._stamp = (-1, -1)
        self._known: OrderedDict[str, Seen] = OrderedDict()
        self._bytes = 0

    def of(self, auth_id: str) -> Seen:
        """What a caller may see; not for superusers, whom no rule concerns.

        Args:
            auth_id: empty for a guest.

        Returns:
            A column that is good until the next change of the table, or ``None`` if it is not known.
        """
        if self._is_open:
            return EVERYTHING
        signatures = self._signatures
        if signatures is None or signatures.unsigned:
            return None
        stamp = (signatures.version, self._table.length)
        if stamp != self._stamp:
            self._known.clear()
            self._bytes, self._stamp = 0, stamp
        if auth_id in self._known:
            self._known.move_to_end(auth_id)
            return self._known[auth_id]
        found = self._seen(signatures, _outcomes(signatures, auth_id))
        self._remember(auth_id, found)
        return found

    def _seen(self, signatures: Signatures, outcomes: Outcomes | None) -> Seen:
        if outcomes is None or (outcomes < 0).any():
            return None
        if np.count_nonzero(outcomes) == len(signatures):
            return EVERYTHING
        seen: Flags = outcomes.astype(np.bool_)[signatures.of_slots(self._table.length)]
        seen.flags.writeable = False
        return seen

    def _remember(self, auth_id: str, found: Seen) -> None:
        self._known[auth_id] = found
        self._bytes += _weight(found)
        while self._bytes > _REMEMBERED_BYTES and len(self._known) > 1:
            self._bytes -= _weight(self._known.popitem(last=False)[1])


def _weight(found: Seen) -> int:
    return 256 + (found.nbytes if isinstance(found, np.ndarray) else 0)


def _outcomes(signatures: Signatures, auth_id: str) -> Outcomes | None:
    """By code, what the rule says to a caller; ``None`` if working it out would keep everybody waiting."""
    if not auth_id:
        return signatures.guests()
    is_told_apart = signatures.rule.caller_fields is not None
    asked = list(signatures.holders(auth_id)) if is_told_apart else signatures.codes()
    if len(asked) > MOST_ASKED or len(asked) * signatures.rule.comparisons > MOST_COMPARED:
        return None
    outcomes = signatures.strangers().copy()
    for code in asked:
        outcomes[code] = signatures.ask(code, auth_id)
    return outcomes
