"""The listening socket and its connections, from the first accept to the last goodbye."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

from aiohttp.web_server import Server

from hapta.model.clock import Clock
from hapta.model.errors import OperatorError
from hapta.server.front import Front
from hapta.server.handshakes import TlsAcceptor
from hapta.server.protocol import Connection, Reception

BACKLOG = 4096
_POLL_S = 0.02
_GOODBYES_S = 1.0
"""What is written has so long to leave, and TLS to say goodbye."""


class Listener:
    """Accepts connections and, at the end, lets them finish.

    Args:
        reception: what the connections share.
        front: answers requests.
        clock: for the grace period.
    """

    def __init__(self, reception: Reception, front: Front, clock: Clock) -> None:
        self._reception = reception
        self._front = front
        self._clock = clock
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | TlsAcceptor | None = None
        self._manager: Server | None = None
        self.port = 0

    def bind(self, host: str, port: int) -> None:
        """Take the address, so that nobody else does; connections wait in the kernel until :meth:`start`.

        Raises:
            OperatorError: the address cannot be used.
        """
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _, _, _, address = infos[0]
            self._socket = socket.create_server(
                address[:2],
                family=family,
                backlog=BACKLOG,
                dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
            )
        except socket.gaierror as exc:
            raise OperatorError(
                f"cannot listen on {host}:{port}: no such host name; set server.host"
            ) from exc
        except OSError as exc:
            raise OperatorError(_why(exc, host, port)) from exc
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        """Accept connections on the bound address.

        Args:
            context: encrypts them; ``None``: they are not encrypted.
        """
        assert self._socket is not None, "bind() comes first"
        loop = asyncio.get_running_loop()
        # what RequestHandler needs of a response is what Front returns
        manager = Server(self._front, loop=loop)
        self._manager = manager
        reception = self._reception

        def make() -> Connection:
            return Connection(manager, reception, loop=loop)

        if context is not None:
            self._server = TlsAcceptor(self._socket, context, reception, make)
            return
        self._server = await loop.create_server(make, sock=self._socket, backlog=BACKLOG)

    def encrypt_with(self, context: ssl.SSLContext) -> None:
        """Encrypt with this from the next connection on, where connections are encrypted at all."""
        if isinstance(self._server, TlsAcceptor):
            self._server.context = context

    async def drain(self, delay_s: float, grace_s: float, end_streams: Callable[[], None]) -> int:
        """Stop accepting, let requests under way finish, close what is idle.

        Args:
            delay_s: seconds during which everything goes on, so that a load balancer notices first.
            grace_s: seconds that requests under way have after that.
            end_streams: asks open event streams to end.

        Returns:
            Requests still under way when the time was over.
        """
        await asyncio.sleep(delay_s)
        self._reception.is_draining = True
        self._reception.lane = None  # what is answered now must say that the connection closes
        if self._server is not None:
            self._server.close()
        deadline = self._clock.monotonic() + grace_s
        while self._front.under_way and self._clock.monotonic() < deadline:
            end_streams()  # again and again: one may have opened on a connection that was busy
            self._close_idle()
            await asyncio.sleep(_POLL_S)
        self._close_idle()
        deadline = self._clock.monotonic() + _GOODBYES_S
        while self._reception.connections and self._clock.monotonic() < deadline:
            if self._front.under_way:
                break  # these are cut off anyway
            await asyncio.sleep(_POLL_S)
        return self._front.under_way

    def _close_idle(self) -> None:
        for connection in tuple(self._reception.connections):
            if connection.is_idle:
                connection.force_close()

    async def stop(self) -> None:
        """Cut whatever is left."""
        for connection in tuple(self._reception.connections):
            connection.abort()
        if isinstance(self._server, TlsAcceptor):
            await self._server.stop()
        elif self._server is not None:
            self._server.close()
        elif self._socket is not None:
            self._socket.close()
        if self._manager is not None:
            await self._manager.shutdown(0.1)


def _why(exc: OSError, host: str, port: int) -> str:
    where = f"cannot listen on {host}:{port}"
    if exc.errno == errno.EADDRINUSE:
        return f"{where}: the port is in use; stop what listens there or set server.port"
    if exc.errno in (errno.EACCES, errno.EPERM):
        return f"{where}: not allowed for this user; ports below 1024 need rights, set server.port"
    if exc.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address; set server.host"
    return f"{where}: {exc.strerror or exc}; check server.host and server.port"
