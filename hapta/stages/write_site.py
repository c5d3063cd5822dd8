"""What the guards of writes need to know of the world around a request, and how a guarded body is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qsl

import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from hapta.hooks.change import Caller, Load, Record
from hapta.hooks.registry import Registry
from hapta.hooks.watchers import Watchers
from hapta.hooks.writes import WriteGuards
from hapta.model.exchange import Answer, Exchange, RequestBody
from hapta.model.schema import Collection, Schema
from hapta.records.encode import Encoded
from hapta.stages.asked_records import Superuser, record_loader

_MOST_SHOWN_BYTES: Final = 256 * 1024
"""Of an answer that watchers are shown."""


class SchemaSource(Protocol):
    """Which collections there are."""

    @property
    def snapshot(self) -> Schema: ...

    async def confirmed(self, max_age_s: float | None = None) -> Schema: ...


@dataclass(frozen=True, slots=True)
class WriteSite:
    """
    Attributes:
        registry: the hooks of now.
        guards: runs those of one write.
        watchers: told of what was written.
        schema: collections.
        superuser: reads records for hooks.
    """

    registry: Callable[[], Registry]
    guards: WriteGuards
    watchers: Watchers
    schema: SchemaSource
    superuser: Superuser

    async def collection(self, name: str) -> Collection | None:
        """The collection a write names, under a schema that is confirmed; ``None``: PocketBase has none.

        Raises:
            SchemaUnconfirmed: PocketBase does not say.
        """
        found = (await self.schema.confirmed()).resolve(name)
        if found is None:  # it may have been made a moment ago, and somebody guards it
            found = (await self.schema.confirmed(0.0)).resolve(name)
        return None if found is None or found.is_view else found

    def old(self, collection: Collection, record: str) -> Load:
        """Reads a record as it is now."""
        return record_loader(self.superuser, collection.id, record)

    def caller(self, exchange: Exchange) -> Caller | None:
        """Who asks, as hooks see it."""
        identity = exchange.identity
        if identity is None:
            return None
        of = self.schema.snapshot.by_id.get(identity.collection)
        return Caller(
            identity.collection if of is None else of.name,
            identity.record,
            identity.is_superuser,
            record_loader(self.superuser, identity.collection, identity.record),
        )


def content_type_of(exchange: Exchange) -> str | None:
    """The media type of the body; ``None`` where several are named."""
    types = exchange.headers.getall("Content-Type", [])
    return None if len(types) > 1 else types[0] if types else ""


def send_instead(exchange: Exchange, body: Encoded) -> None:
    """From here on the request has this body."""
    headers: CIMultiDict[str] = CIMultiDict(exchange.headers)
    headers["Content-Type"] = body.content_type
    exchange.headers = CIMultiDictProxy(headers)
    exchange.body = cast("RequestBody", body)
    exchange.batch = None


def whole_record(shown: Any, query: str) -> Record | None:
    """A record in an answer; ``None`` where it is none, or not all of one.

    Args:
        query: of the request's target, which may have asked for some ``fields``.
    """
    if not isinstance(shown, dict) or "id" not in shown:
        return None
    return None if any(name == "fields" for name, _ in parse_qsl(query)) else shown


def json_in(answer: Answer) -> Any:
    """What an answer says; ``None`` where that cannot be seen at once."""
    if not isinstance(answer.body, bytes) or len(answer.body) > _MOST_SHOWN_BYTES:
        return None
    if any(name.lower() == b"content-encoding" for name, _ in answer.headers):
        return None
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
