"""Which rows are alike to the listRule: a code for each slot, and what the rule says of each code.

What it says to guests and to strangers is worked out when a signature comes up first, so that asking for a
caller takes no more than looking at those signatures with their id in it.
"""

from collections import deque
from collections.abc import Mapping
from secrets import token_hex
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.features import Codes
from hapta.ranking.list_rule import ListRule

MOST: Final = 50_000
"""Signatures; with more, nothing is told."""
LONGEST: Final = 255
"""Characters of a text in a signature."""
NOT_ASKED: Final = 0
"""The code of slots without a candidate: nobody gets them."""
_UNKNOWN, _NO, _YES = -1, 0, 1

Outcomes = NDArray[np.int8]
"""By code: 1 yes, 0 no, -1 not known."""


class Signatures:
    """Those of one table's candidates.

    Attributes:
        rule: what they are about.
        version: moves with every change.
        unsigned: how many candidates have none, for want of room; then nothing is known.
    """

    def __init__(self, rule: ListRule) -> None:
        self.rule = rule
        self.version = 0
        self.unsigned = 0
        self._stranger_id = token_hex(16)  # of which no row, whoever wrote it, can have got to know
        self._codes: dict[tuple[Any, ...], int] = {}
        self._signatures: list[tuple[Any, ...] | None] = [None]
        self._rows = [0]
        self._free: deque[int] = deque()
        self._by_slot = np.zeros(1024, np.int32)
        self._unsigned_slots: set[int] = set()
        self._guests = np.zeros(256, np.int8)
        self._strangers = np.zeros(256, np.int8)
        self._holders: dict[str, set[int]] = {}
        self._at = [at for at, name in enumerate(rule.fields) if name in (rule.caller_fields or ())]

    def __len__(self) -> int:
        """How many different ones there are."""
        return len(self._codes)

    def sign(self, slot: int, row: Mapping[str, Any]) -> None:
        """A candidate as it is now."""
        if slot >= len(self._by_slot):
            wider = np.zeros(max(slot + 1, 2 * len(self._by_slot)), np.int32)
            wider[: len(self._by_slot)] = self._by_slot
            self._by_slot = wider
        signature = self.rule.signature(row)
        code = self._codes.get(signature) if _is_plain(signature) else None
        if code is not None and code == self._by_slot[slot]:
            return
        self.unsign(slot)
        self.version += 1
        if code is None:
            code = self._add(signature)
        if code is None:
            self._unsigned_slots.add(slot)
            self.unsigned += 1
            return
        self._rows[code] += 1
        self._by_slot[slot] = code

    def unsign(self, slot: int) -> None:
        """No candidate is there."""
        if slot in self._unsigned_slots:
            self._unsigned_slots.remove(slot)
            self.unsigned -= 1
            self.version += 1
            return
        code = int(self._by_slot[slot]) if slot < len(self._by_slot) else NOT_ASKED
        if code == NOT_ASKED:
            return
        self.version += 1
        self._by_slot[slot] = NOT_ASKED
        self._rows[code] -= 1
        if not self._rows[code]:
            self._remove(code)

    def of_slots(self, length: int) -> Codes:
        """The code of each slot."""
        found = self._by_slot[:length]
        return found if len(found) == length else np.pad(found, (0, length - len(found)))

    def guests(self) -> Outcomes:
        """What the rule says to guests."""
        return self._guests[: len(self._signatures)]

    def strangers(self) -> Outcomes:
        """What it says to those who stand in no row, if :attr:`ListRule.caller_fields` is known."""
        return self._strangers[: len(self._signatures)]

    def holders(self, auth_id: str) -> frozenset[int]:
        """Codes of signatures with this id in it, where it is compared with the caller's."""
        return frozenset(self._holders.get(auth_id, ()))

    def ask(self, code: int, auth_id: str) -> int:
        """What the rule says of a signature to one caller."""
        signature = self._signatures[code]
        return _NO if signature is None else _outcome(self.rule.holds(signature, auth_id))

    def codes(self) -> list[int]:
        """Those in use."""
        return list(self._codes.values())

    @property
    def nbytes(self) -> int:
        """By estimate."""
        each = 128 + 80 * len(self.rule.fields)
        arrays = self._by_slot.nbytes + self._guests.nbytes + self._strangers.nbytes
        return arrays + len(self._codes) * each

    def _add(self, signature: tuple[Any, ...]) -> int | None:
        if len(self._codes) >= MOST or not _is_plain(signature):
            return None
        if self._free:
            code = self._free.popleft()
            self._signatures[code] = signature
        else:
            code = len(self._signatures)
            self._signatures.append(signature)
            self._rows.append(0)
            if code >= len(self._guests):
                self._guests = np.concatenate([self._guests, np.zeros_like(self._guests)])
                self._strangers = np.concatenate([self._strangers, np.zeros_like(self._strangers)])
        self._codes[signature] = code
        self._guests[code] = _outcome(self.rule.holds(signature, ""))
        self._strangers[code] = _outcome(self.rule.holds(signature, self._stranger_id))
        for at in self._at:
            if isinstance(signature[at], str):
                self._holders.setdefault(signature[at], set()).add(code)
        return code

    def _remove(self, code: int) -> None:
        signature = self._signatures[code]
        assert signature is not None
        del self._codes[signature]
        self._signatures[code] = None
        self._guests[code] = self._strangers[code] = _NO
        for at in self._at:
            holders = self._holders.get(signature[at])
            if holders is not None:
                holders.discard(code)
                if not holders:
                    del self._holders[signature[at]]
        self._free.append(code)


def _is_plain(signature: tuple[Any, ...]) -> bool:
    return all(
        len(value) <= LONGEST if isinstance(value, str) else isinstance(value, int | float)
        for value in signature
    )


def _outcome(holds: bool | None) -> int:
    if holds is None:
        return _UNKNOWN
    return _YES if holds else _NO
