"""Connections over TLS, from their accept to the end of their handshake.

A protocol hears of a TLS connection only when its handshake is done, and by then whoever connected and says
nothing would have held a socket that nobody counted. So connections are accepted here: each is counted first,
and its handshake has a deadline. Whose handshake fails, or is refused, never becomes a connection.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from hapta.model.address import Address, is_within, parse_address
from hapta.model.tasks import TaskSet
from hapta.server.protocol import Connection, Reception

_MOST_AT_ONCE: Final = 64
"""Accepted before others have their turn on the loop."""
_PAUSE_S: Final = 1.0
"""So long nobody is accepted where the system has no descriptor or memory left for a connection."""
_GOODBYE_S: Final = 2.0
"""For a client to answer the end of TLS; it holds a socket so long."""


class TlsAcceptor:
    """Accepts connections of a listening socket and encrypts them.

    Args:
        listening: non-blocking.
        context: for the next connection; may be replaced at any time.
        reception: counts connections.
        make: makes the protocol of one.

    Attributes:
        context: the same.
    """

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        reception: Reception,
        make: Callable[[], Connection],
    ) -> None:
        self.context = context
        self._listening = listening
        self._reception = reception
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._tasks = TaskSet()
        self._unbegun: set[socket.socket] = set()
        self._again: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Accept no more; handshakes under way go on."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._listening)
        if self._again is not None:
            self._again.cancel()
        self._listening.close()

    async def stop(self) -> None:
        """Cut off the handshakes under way."""
        self.close()
        await self._tasks.cancel()
        for client in self._unbegun:  # of all others the loop has taken over the socket
            client.close()

    def _accept(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                client, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(self._listening)
                self._again = self._loop.call_later(_PAUSE_S, self._resume)
                return
            self._take(client, address)

    def _resume(self) -> None:
        self._again = None
        self._loop.add_reader(self._listening, self._accept)

    def _take(self, client: socket.socket, address: Any) -> None:
        reception = self._reception
        peer = parse_address(address[0])
        counts_by_address = not is_within(peer, reception.trusted)
        refusal = reception.table.admit(peer, counts_by_address=counts_by_address)
        if refusal is not None:
            client.close()
            reception.on_refused(refusal)
            return
        client.setblocking(False)
        connection = self._make()
        connection.is_counted(counts_by_address=counts_by_address)
        reception.on_open_changed(reception.table.open)
        self._unbegun.add(client)
        self._tasks.spawn(self._shake_hands(client, connection), name="TLS handshake").add_done_callback(
            lambda _: self._done(connection, peer, counts_by_address=counts_by_address)
        )

    async def _shake_hands(self, client: socket.socket, connection: Connection) -> None:
        self._unbegun.discard(client)
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                client,
                ssl=self.context,
                ssl_handshake_timeout=self._reception.config.header_timeout_s,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        except OSError:  # TLS's own errors are such, and so are those of the deadline
            if not connection.was_made:
                self._reception.on_refused("handshake")

    def _done(self, connection: Connection, peer: Address, *, counts_by_address: bool) -> None:
        if connection.was_made:
            return  # it gives its place back by itself
        reception = self._reception
        reception.table.release(peer, counts_by_address=counts_by_address)
        reception.on_open_changed(reception.table.open)
