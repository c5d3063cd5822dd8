"""What a hit was told from, so that the same can be told again."""

from dataclasses import dataclass

from hapta.cache.plan import PartKind, Plan
from hapta.cache.status import Hit
from hapta.cache.store import Key
from hapta.cache.stored import Stored
from hapta.identity.auth_records import AuthFields

_SAME_FOR_ALL = frozenset(
    {PartKind.GUEST, PartKind.ANY_AUTH, PartKind.AUTH_COLLECTION, PartKind.METHOD, PartKind.QUERY}
)
"""Parts of a key that are the same for all guests, or all records of one collection, who send one target."""


@dataclass(frozen=True, slots=True)
class Basis:
    """A response from the store, told as it is.

    Attributes:
        slot: where it is stored.
        stored: it.
        told: the form in which it was told: itself, or its gzip variant.
        plan: of the read.
        version: of the plans it was made under.
        fields: of the caller's record, where values of it stand in the key.
    """

    slot: Key
    stored: Stored
    told: Stored
    plan: Plan
    version: int
    how: Hit
    fields: AuthFields | None

    @property
    def is_for_all(self) -> bool:
        """Whether everybody of the caller's auth collection, or every guest, gets it for this target; what a
        client sends in headers that say something about the form of an answer being equal."""
        return all(part.kind in _SAME_FOR_ALL for part in self.plan.parts)
