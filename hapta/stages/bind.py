"""Binds a client's event stream to the session that subscribed it."""

from collections.abc import Callable

import orjson

from hapta.identity.raw import owner_of
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass
from hapta.stages.batch import collect
from hapta.stages.streams import OpenStreams


def bind_streams(streams: OpenStreams, has_ended: Callable[[str], bool]) -> Stage:
    """After a subscription PocketBase accepted, remembers whose stream it is.

    Args:
        streams: the open streams.
        has_ended: whether a session ended while PocketBase was asked.
    """

    async def bind(exchange: Exchange, forward: Handler) -> Answer:
        answer = await forward(exchange)
        if exchange.operation.kind is not OperationClass.REALTIME_SUBSCRIBE or answer.status >= 300:
            return answer
        identity = exchange.identity
        if identity is not None and exchange.body is not None:
            client_id = _client_id(await collect(exchange.body.chunks()))
            if client_id is not None:
                owner = owner_of(identity)
                streams.bind(client_id, owner)
                if has_ended(owner):
                    streams.end(owner)
        return answer

    return bind


def _client_id(body: bytes) -> str | None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    client_id = document.get("clientId") if isinstance(document, dict) else None
    return client_id if isinstance(client_id, str) else None
