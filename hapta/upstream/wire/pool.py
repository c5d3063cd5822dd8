"""Connections to one server: those that wait for a request, and new ones where none does.

How many may be under way is not decided here. The one that was used last is used next, so those that are too
many grow old and are closed.
"""

import asyncio
import socket
from typing import Final, TypeAlias

from aiohappyeyeballs import AddrInfoType, start_connection

from hapta.model.errors import UpstreamRefused
from hapta.upstream.wire.connection import WireConnection
from hapta.upstream.wire.head import LineBook

_NEXT_ADDRESS_S: Final = 0.25
"""A host with several addresses: so long before the next one is tried as well (RFC 8305 §8)."""
_RESOLVED_S: Final = 10.0
_Resolved: TypeAlias = tuple[float, list[AddrInfoType]]


class WirePool:
    """Connections.

    Args:
        host: name or address.
        port: TCP.
        connect_timeout_s: seconds to get a new one, the name's look-up included.
        keepalive_s: seconds an idle one is kept.
    """

    def __init__(self, host: str, port: int, *, connect_timeout_s: float, keepalive_s: float) -> None:
        self._host = host
        self._port = port
        self._connect_timeout_s = connect_timeout_s
        self._keepalive_s = keepalive_s
        self._book = LineBook()
        self._open: set[WireConnection] = set()
        self._idle: dict[WireConnection, float] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._resolved: _Resolved = (0.0, [])
        self._is_closed = False
        self._all_ended: asyncio.Future[None] | None = None

    def take(self) -> WireConnection | None:
        """An idle connection nothing has happened on; ``None`` where there is none."""
        idle = self._idle
        while idle:
            connection, until = idle.popitem()
            if until > connection.loop.time() and connection.is_quiet():
                return connection
            connection.close()
        return None

    async def connect(self) -> WireConnection:
        """A new connection.

        Raises:
            UpstreamRefused: there is none to be had, or Hapta is stopping.
        """
        if self._is_closed:
            raise UpstreamRefused
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                addresses = await self._addresses(loop)
                raw = await start_connection(
                    addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1, loop=loop
                )
        except OSError as exc:  # a TimeoutError is one too
            self._resolved = (0.0, [])
            raise UpstreamRefused from exc
        connection = WireConnection(loop, raw, self._book, on_free=self._free, on_lost=self._lost)
        self._open.add(connection)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.create_connection(lambda: connection, sock=raw)
        except BaseException as exc:
            self._lost(connection)
            raw.close()
            if isinstance(exc, OSError):
                raise UpstreamRefused from exc
            raise
        if self._is_closed:
            connection.close()
            raise UpstreamRefused
        return connection

    async def _addresses(self, loop: asyncio.AbstractEventLoop) -> list[AddrInfoType]:
        until, addresses = self._resolved
        if loop.time() >= until:
            addresses = [*await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)]
            self._resolved = (loop.time() + _RESOLVED_S, addresses)
        return addresses

    def _free(self, connection: WireConnection) -> None:
        loop = connection.loop
        self._idle[connection] = loop.time() + self._keepalive_s
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._keepalive_s, self._sweep)

    def _lost(self, connection: WireConnection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)
        if self._all_ended is not None and not self._open and not self._all_ended.done():
            self._all_ended.set_result(None)

    def _sweep(self) -> None:
        """Close what is too old; look again when the next one will be."""
        self._sweeper = None
        for connection, until in tuple(self._idle.items()):
            loop = connection.loop
            if until > loop.time():
                self._sweeper = loop.call_at(until, self._sweep)
                return
            del self._idle[connection]
            connection.close()

    async def close(self) -> None:
        """Close all of them."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in tuple(self._open):
            connection.close()
        if self._open:
            self._all_ended = asyncio.get_running_loop().create_future()
            await self._all_ended
