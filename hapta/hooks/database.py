"""PocketBase as plugins reach it, with superuser rights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hapta.hooks.change import NOTHING, Record, nothing


class DatabaseError(Exception):
    """PocketBase refused.

    Attributes:
        status: HTTP status.
        data: what is wrong with which field, as PocketBase says it.
    """

    def __init__(self, status: int, message: str, data: Mapping[str, Any] = NOTHING) -> None:
        super().__init__(f"{message} (status {status}{f', {dict(data)!r}' if data else ''})")
        self.status = status
        self.data = data


@dataclass(frozen=True, slots=True)
class BatchWrite:
    """One write of a batch.

    Attributes:
        action: ``create``, ``update``, ``delete`` or ``upsert`` (by ``fields["id"]``).
        collection: name or id.
        id: of the record to update or delete.
        fields: as the API takes them, modifiers included.
    """

    action: str
    collection: str
    id: str = ""
    fields: Mapping[str, Any] = field(default_factory=nothing)


class Database(Protocol):
    """Reads and writes rows as superuser. Writes pass the cache like anybody's, but no hook: a plugin's own
    writes do not call it back.

    All methods raise :class:`DatabaseError` where PocketBase refuses, and
    :class:`~hapta.model.errors.HaptaError` where it does not answer.
    """

    async def view(self, collection: str, record: str, *, expand: str = "") -> Record | None:
        """A record by its id; ``None`` if there is none."""
        ...

    async def list(
        self,
        collection: str,
        *,
        filter: str = "",
        params: Mapping[str, Any] = NOTHING,
        sort: str = "",
        page: int = 1,
        per_page: int = 200,
        expand: str = "",
    ) -> Sequence[Record]:
        """One page of records.

        Args:
            filter: PocketBase's language; ``{:name}`` stands for a value of ``params``, safely quoted.
            per_page: at most 1,000.
        """
        ...

    async def create(self, collection: str, fields: Mapping[str, Any]) -> Record:
        """Make a record; the answer is the record."""
        ...

    async def update(self, collection: str, record: str, fields: Mapping[str, Any]) -> Record:
        """Change a record; the answer is the record."""
        ...

    async def delete(self, collection: str, record: str) -> None:
        """Remove a record."""
        ...

    async def batch(self, writes: Sequence[BatchWrite]) -> Sequence[Record | None]:
        """All or none, in one request; the records, ``None`` for deleted ones. PocketBase's batch API must be
        on."""
        ...

    async def ensure_collection(self, collection: Mapping[str, Any]) -> None:
        """Make a collection of the plugin's own, or add the fields and indexes it lacks; what is there stays.

        Args:
            collection: as PocketBase's API takes it; its name must begin with ``hapta_``.
        """
        ...
