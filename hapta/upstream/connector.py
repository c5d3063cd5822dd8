"""aiohttp's connections to PocketBase, with what they lack.

aiohttp 3.14 wakes nobody who waits for the rest of a body when PocketBase breaks its framing (a chunk size
that is no number): the reader waits for ever. Here the error reaches the body. And the circuit breaker learns
of a connection when it is made, not when the answer to its first request is there, which may take minutes.
"""

import ssl
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class _Protocol(ResponseHandler):
    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        super().set_exception(exc, *cause)
        payload = self._payload
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(aiohttp.ClientPayloadError("the connection failed before the body's end"))


class Connector(aiohttp.TCPConnector):
    """As many connections as are asked for: how many may be under way is not decided here.

    Args:
        keepalive_s: seconds an idle connection is kept.
        on_connected: called whenever a request has its connection.
        tls: whose certificates are taken; by default the system's trust store.
    """

    def __init__(
        self, keepalive_s: float, on_connected: Callable[[], None], tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(limit=0, keepalive_timeout=keepalive_s, ssl=tls or True)
        self._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=self._loop))
        self._on_connected = on_connected

    async def connect(
        self, req: "ClientRequest", traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        connection = await super().connect(req, traces, timeout)
        self._on_connected()
        return connection
