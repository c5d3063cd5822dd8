"""Own writes that move rows of ranked feeds: whoever has just written gets a feed that knows of it."""

from typing import Any, Protocol

import orjson

from hapta.model.clock import Clock
from hapta.model.concerns import only_for
from hapta.model.errors import HaptaError
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass, classify_sub_request
from hapta.stages.fetch import gather

_MOST_BYTES = 1024 * 1024
"""Of an answer that is looked into."""


class Tables(Protocol):
    """Waits for what is told here."""

    def reads(self, collection: str) -> str | None:
        """The id of a collection that some feed reads, by its name or id; ``None`` for any other."""
        ...

    def wrote(self, collection_id: str, record_id: str, started_at: float) -> None:
        """An own write, sent at this monotonic instant, was answered."""


def tell_ranked_writes(tables: Tables, clock: Clock) -> Stage:
    """Tells of writes that PocketBase carried out."""

    @only_for(OperationClass.RECORD_WRITE)
    async def tell(exchange: Exchange, forward: Handler) -> Answer:
        operation, started_at = exchange.operation, clock.monotonic()
        is_batch = operation.action == "batch"
        collection_id = None if is_batch else tables.reads(operation.collection or "")
        if not is_batch and collection_id is None:
            return await forward(exchange)
        answer = await forward(exchange)
        if answer.status >= 300:
            return answer
        if is_batch:
            written = [(each.get("collectionId"), each["id"]) for each in await _shown(answer)]
            for collection, record_id in (*written, *_named(exchange)):
                if (found := tables.reads(str(collection))) is not None:
                    tables.wrote(found, record_id, started_at)
        elif collection_id is not None:
            ids = [operation.record] if operation.record else [each["id"] for each in await _shown(answer)]
            for record_id in ids:
                tables.wrote(collection_id, record_id, started_at)
        return answer

    return tell


def _named(exchange: Exchange) -> list[tuple[str, str]]:
    """Collection and id of the records that a batch has changed or deleted by their URLs: of the latter its
    answer shows nothing. What was in it is known from the stage that follows writes."""
    if exchange.batch is None or isinstance(exchange.batch, HaptaError):
        return []
    found = []
    for request in exchange.batch:
        write = classify_sub_request(str(request.get("method", "")), str(request.get("url", "")))
        if write is not None and write.record is not None:
            found.append((write.collection, write.record))
    return found


async def _shown(answer: Answer) -> list[dict[str, Any]]:
    """The records in the answer to a write, as far as it shows their ids."""
    await gather(answer, _MOST_BYTES)
    if not isinstance(answer.body, bytes):
        return []
    try:
        parsed = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return []
    found = (
        [each.get("body") if isinstance(each, dict) else None for each in parsed]
        if isinstance(parsed, list)
        else [parsed]
    )
    return [each for each in found if isinstance(each, dict) and isinstance(each.get("id"), str)]
