"""Binds a client's event stream to the session that subscribed it, and one of an app's own route to the
session that opened it."""

from collections.abc import Callable
from urllib.parse import parse_qsl

import orjson

from hapta.identity.raw import owner_of
from hapta.model.errors import BadRequest
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass
from hapta.records.body import collect
from hapta.records.multipart import MAX_TEXT_BYTES
from hapta.records.names import member_name
from hapta.stages.streams import EventStream, OpenStreams

_CLIENT_ID = "clientid"
_PAYLOAD = "@jsonPayload"


class UnreadableSubscription(BadRequest):
    """Neither JSON nor a plain form."""

    message = "Failed to read the submitted data."


def bind_streams(streams: OpenStreams, has_ended: Callable[[str], bool]) -> Stage:
    """After a subscription PocketBase accepted, remembers whose stream it is.

    Args:
        streams: the open streams.
        has_ended: whether a session ended while PocketBase was asked.
    """

    async def bind(exchange: Exchange, forward: Handler) -> Answer:
        identity, kind = exchange.identity, exchange.operation.kind
        if kind is OperationClass.UNKNOWN and identity is not None:
            answer = await forward(exchange)
            if isinstance(answer.body, EventStream):
                owner = owner_of(identity)
                streams.bind_stream(answer.body, owner)
                if has_ended(owner):
                    streams.end(owner)
            return answer
        if kind is not OperationClass.REALTIME_SUBSCRIBE or identity is None or exchange.body is None:
            return await forward(exchange)
        body = await collect(exchange.body.chunks(), MAX_TEXT_BYTES)
        client_ids = _client_ids(body, exchange.headers.get("Content-Type", ""), exchange.target.query)
        # before PocketBase knows: its first event for that identity may come before its answer
        take_back = [streams.identify(client_id, identity) for client_id in client_ids]
        try:
            answer = await forward(exchange)
        except BaseException:
            for undo in take_back:
                undo(False)
            raise
        if answer.status >= 300:
            for undo in take_back:
                undo(True)
        else:
            owner = owner_of(identity)
            for client_id in client_ids:
                streams.bind(client_id, owner)
            if has_ended(owner):
                streams.end(owner)
        return answer

    return bind


def _client_ids(body: bytes, content_type: str, query: str) -> list[str]:
    """Every client id PocketBase could take out of a subscription.

    Of members whose names are the same to Go (:mod:`hapta.records.names`) one counts. It counts the URL's
    query among a form's values, and PocketBase reads a form's value named ``@jsonPayload`` as JSON.

    Raises:
        UnreadableSubscription: it cannot be told, so a stream could go on after its session.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _in_json(body)
    if kind != "application/x-www-form-urlencoded":
        raise UnreadableSubscription
    found: list[str] = []
    for name, value in [*parse_qsl(body.decode("latin-1")), *parse_qsl(query)]:
        if name == _PAYLOAD:
            found += _in_json(value.encode("utf-8", "surrogateescape"))
        elif member_name(name) == _CLIENT_ID:
            found.append(value)
    return found


def _in_json(text: bytes) -> list[str]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise UnreadableSubscription
    return [
        value
        for name, value in document.items()
        if member_name(name) == _CLIENT_ID and isinstance(value, str)
    ]
