"""For whom rows are shaped: what plugins may ask of whoever gets an answer.

Only what a hook has declared is looked up. A field of the caller's record is as it is now; where that is not
known, nothing is shaped and nothing is sent.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hapta.hooks.change import Viewer
from hapta.hooks.registry import Hook
from hapta.hooks.reject import HookFailed
from hapta.identity.auth_records import AuthFields, AuthRecords
from hapta.model.identity import SUPERUSERS_ID, Identity
from hapta.model.schema import Schema

_OF_IDENTITY: Final = frozenset({"id", "collectionId", "collectionName"})
_NO_FIELDS: Mapping[str, object] = {}


class CannotShape(HookFailed):
    """Rows cannot be shaped, so nothing of them is sent.

    Attributes:
        why: for the log.
    """

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who gets an answer.

    Attributes:
        collection: id of the auth collection; empty for a guest.
        record: id of the auth record.
        fields: values of the record that stand in the key of what will be stored: these are the ones that
            count, whatever they are by now.
    """

    collection: str = ""
    record: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, identity: Identity | None, fields: Mapping[str, object] = _NO_FIELDS) -> "Who":
        """Of an identity; ``None`` is a guest."""
        return GUEST if identity is None else cls(identity.collection, identity.record, fields)

    @property
    def is_superuser(self) -> bool:
        """Nothing is hidden from them."""
        return self.collection == SUPERUSERS_ID


GUEST: Final = Who()


class Freshness(Protocol):
    """Whether changes of records are heard of."""

    @property
    def is_live(self) -> bool: ...

    async def confirm(self) -> None: ...

    def touch(self) -> None:
        """Something is answered on the strength of it."""


class Viewers:
    """Makes what hooks get.

    Args:
        auth_records: values of the caller's record.
        freshness: where nothing is heard of changes, the record is asked for each time.
        schema: of now.
    """

    def __init__(self, auth_records: AuthRecords, freshness: Freshness, schema: Callable[[], Schema]) -> None:
        self._auth_records = auth_records
        self._freshness = freshness
        self._schema = schema

    async def views(self, who: Who, hooks: Iterable[Hook]) -> list[tuple[Hook, Viewer]]:
        """Each hook with what it may know of somebody.

        Raises:
            CannotShape: a value cannot be told.
        """
        hooks = tuple(hooks)
        wanted = frozenset(name for hook in hooks for name in hook.depends_on)
        known = await self._values(who, wanted)
        return [(hook, Viewer({name: known[name] for name in hook.depends_on})) for hook in hooks]

    async def _values(self, who: Who, wanted: frozenset[str]) -> dict[str, Any]:
        if not wanted:
            return {}
        if not who.collection:
            return {name: False if name == "auth" else None for name in wanted}
        collection = self._schema().by_id.get(who.collection)
        if collection is None:
            raise CannotShape("the caller's auth collection is not known")
        known: dict[str, Any] = {
            "auth": True,
            "auth.id": who.record,
            "auth.collectionId": who.collection,
            "auth.collectionName": collection.name,
        }
        missing = [name.partition(".")[2] for name in wanted if name not in known]
        declared = {str(each["name"]) for each in collection.fields}
        record: AuthFields | None = None
        for name in missing:
            if name in who.fields:
                known[f"auth.{name}"] = who.fields[name]
            elif name not in declared:
                known[f"auth.{name}"] = None
            else:
                record = record or await self._record(who)
                if name not in record.values:
                    raise CannotShape(f"auth.{name} is no single short value that PocketBase tells")
                known[f"auth.{name}"] = record.values[name]
        return known

    async def _record(self, who: Who) -> AuthFields:
        self._freshness.touch()
        if not self._freshness.is_live:
            await self._freshness.confirm()
        ask: Callable[[str, str], Awaitable[AuthFields | None]] = self._auth_records.fields
        if not self._freshness.is_live:
            ask = self._auth_records.read_again
        record = await ask(who.collection, who.record)
        if record is None or not record.is_current:
            raise CannotShape("the caller's record is not known or changes")
        return record
