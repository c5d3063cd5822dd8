"""The JSON inside a batch request, whichever way it is wrapped.

A batch is JSON, or a form (URL-encoded or multipart, with the files beside) whose values named
``@jsonPayload`` are JSON; Go counts the URL's query among a form's values (PocketBase ``apis/batch.go``,
``tools/router/event.go`` BindBody, ``net/http`` ``Request.Form``). Go is generous with the names of a
struct's members (:mod:`hapta.records.names`). What is not understood here without doubt is refused in the
words PocketBase has for a batch it cannot read: two readers of one batch must never see two batches.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import orjson

from hapta.model.errors import HaptaError
from hapta.model.exchange import Exchange, RequestBody
from hapta.records import multipart
from hapta.records.batch import MAX_REQUESTS
from hapta.records.body import collect, kind_of
from hapta.records.errors import UnreadableBatch, UnreadableBody
from hapta.records.forms import MAX_FIELDS, PAYLOAD
from hapta.records.names import member_name


async def batch_requests(exchange: Exchange) -> Sequence[Mapping[str, Any]]:
    """The requests in a batch, their members' names folded; of their bodies the ``id`` alone.

    Read once, for all stages that ask.

    Raises:
        UnreadableBatch, BodyTooLarge: as :func:`batch_payloads`.
    """
    if exchange.batch is None:
        try:
            exchange.batch = await _read(exchange)
        except HaptaError as error:
            exchange.batch = error
    if isinstance(exchange.batch, HaptaError):
        raise exchange.batch
    return exchange.batch


async def _read(exchange: Exchange) -> Sequence[Mapping[str, Any]]:
    content_type = exchange.headers.get("Content-Type", "")
    found: list[Mapping[str, Any]] = []
    for payload in await batch_payloads(exchange.body, content_type, exchange.target.query):
        for request in sub_requests(payload):
            if len(found) >= MAX_REQUESTS:
                raise UnreadableBatch
            found.append(_without_values(request))
    return found


def _without_values(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stages ask for; a whole document may weigh twenty times what its text does."""
    kept: dict[str, Any] = {
        name: request[name] for name in ("method", "url") if isinstance(request.get(name), str)
    }
    body = request.get("body")
    if isinstance(body, Mapping):
        asked_for = body.get("id")
        is_large = isinstance(asked_for, list | dict)
        kept["body"] = {"id": True if is_large else asked_for}
    return kept


async def batch_payloads(body: RequestBody | None, content_type: str, query: str) -> Sequence[Any]:
    """All JSON documents of a batch.

    Args:
        body: the body, held whole: it is read here and once more for PocketBase.
        content_type: as the client sent it.
        query: of the request target, escapes kept.

    Raises:
        UnreadableBatch: what PocketBase refuses too, and what it might read otherwise.
        BodyTooLarge: too much JSON.
    """
    if body is None or body.length == 0:
        return []
    try:
        texts = await _texts(body, content_type)
    except UnreadableBody as exc:
        raise UnreadableBatch from exc
    if not content_type.startswith("application/json"):
        texts += _form_values(query)
    return [_parse(text) for text in texts]


async def _texts(body: RequestBody, content_type: str) -> list[bytes]:
    kind = kind_of(content_type)
    if kind == "multipart":
        parts = await multipart.read_parts(body, multipart.boundary_of(content_type))
        return [part.text for part in parts if part.name == PAYLOAD]
    text = await collect(body.chunks(), multipart.MAX_TEXT_BYTES)
    return [text] if kind == "json" else _form_values(text.decode("latin-1"))


def sub_requests(payload: Any) -> Iterator[dict[str, Any]]:
    """The requests in one document of a batch, their members' names folded.

    Raises:
        UnreadableBatch: a name comes twice, written in two ways.
    """
    requests = _folded(payload).get("requests")
    for request in requests if isinstance(requests, list) else ():
        yield _folded(request)


def _folded(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    folded = {member_name(name): member for name, member in value.items()}
    if len(folded) != len(value):
        raise UnreadableBatch
    return folded


def _form_values(form: str) -> list[bytes]:
    try:
        pairs = parse_qsl(form, keep_blank_values=True, encoding="latin-1", max_num_fields=MAX_FIELDS)
    except ValueError as exc:
        raise UnreadableBatch from exc
    return [value.encode("latin-1") for name, value in pairs if name == PAYLOAD]


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise UnreadableBatch from exc
