"""Who asks."""

from dataclasses import dataclass, field

SUPERUSERS = "_superusers"
SUPERUSERS_ID = "pbc_3142635823"
"""Fixed in PocketBase: ``pbc_`` and the CRC-32 of the collection's type and name."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An auth record whose PocketBase token was proved to live.

    Attributes:
        collection: id of the auth collection.
        record: id of the auth record.
        upstream_token: goes to PocketBase in place of what the client sent; never anywhere else.
        session: id of the Hapta session, ``None`` for an adopted PocketBase token.
        generation: of the presented token; 0 for an adopted one.
        key: collection and record in one text.
        is_superuser: the record is a superuser's.
    """

    collection: str
    record: str
    upstream_token: str = field(repr=False)
    session: str | None
    generation: int = 0
    key: str = field(init=False, repr=False, compare=False)
    is_superuser: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.collection}/{self.record}")
        object.__setattr__(self, "is_superuser", self.collection == SUPERUSERS_ID)

    def owns(self, collection: str, record: str) -> bool:
        """Whether the identity is that auth record."""
        return (self.collection, self.record) == (collection, record)
