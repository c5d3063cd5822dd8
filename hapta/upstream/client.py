"""The one door to PocketBase: never a write sent twice, no connection pool starved by another kind of
traffic.

Requests travel in lanes, each with a bound of its own: records (short), transfers (files, backups, unknown
routes: as long as a slow client takes) and streams (realtime, without bound). A slow download therefore never
keeps a record request waiting, and two thousand idle streams take nothing from either.

They are carried by :mod:`hapta.upstream.wire` over plain TCP, and by aiohttp's client over TLS.
"""

import ssl
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

from hapta.config import UpstreamConfig
from hapta.model.clock import Clock
from hapta.model.errors import UpstreamRefused, UpstreamUnavailable
from hapta.upstream.breaker import CircuitBreaker
from hapta.upstream.gate import FairGate
from hapta.upstream.library import LibraryClient
from hapta.upstream.messages import Lane, UpstreamRequest, UpstreamResponse
from hapta.upstream.wire.client import WireClient

__all__ = ["Lane", "UpstreamClient", "UpstreamRequest", "UpstreamResponse"]


class Carrier(Protocol):
    """Sends requests to one server."""

    async def open(self) -> None:
        """Needs the running event loop."""

    async def close(self) -> None:
        """Close all connections."""

    async def exchange(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send a request and wait for the head of its answer.

        Raises:
            UpstreamRefused: no connection; not sent.
            UpstreamLost: sent, but no answer came.
        """
        ...


class UpstreamClient:
    """Speaks HTTP/1.1 to one PocketBase.

    Args:
        base_url: scheme, host and port.
        config: the ``[upstream]`` table.
        clock: for the breaker.
        tls: whose certificates are taken; by default the system's trust store.
    """

    def __init__(
        self, base_url: str, config: UpstreamConfig, clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.breaker = CircuitBreaker(config.breaker_failures, config.breaker_open_s, clock)
        self._gates: dict[Lane, FairGate] = {
            Lane.RECORDS: FairGate(config.max_connections, config.max_waiting, config.max_wait_s),
            Lane.TRANSFERS: FairGate(config.max_transfers, config.max_waiting, config.max_wait_s),
        }
        self._carrier: Carrier = (
            WireClient(self.base_url, config, self.breaker.succeeded)
            if urlsplit(self.base_url).scheme == "http"
            else LibraryClient(self.base_url, config, self.breaker.succeeded, tls)
        )

    async def open(self) -> None:
        """Make the connection pools; needs the running event loop."""
        await self._carrier.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._carrier.close()

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send one request and wait for the head of its answer.

        Raises:
            Overloaded: too many requests under way and in line; not sent.
            UpstreamUnavailable: the breaker is open; not sent.
            UpstreamRefused: no connection; not sent.
            UpstreamLost: sent, but no answer came.
        """
        gate = self._gates.get(request.lane)
        if gate is None:
            return await self._send(request)
        owner = request.owner
        await gate.enter(owner)
        try:
            response = await self._send(request)
        except BaseException:
            gate.leave(owner)
            raise
        response.holds(partial(gate.leave, owner))
        return response

    async def _send(self, request: UpstreamRequest) -> UpstreamResponse:
        breaker = self.breaker
        if not breaker.allows():
            raise UpstreamUnavailable(breaker.retry_after_s())
        try:
            return await self._carrier.exchange(request)
        except UpstreamRefused:
            breaker.failed()
            raise
        except BaseException:
            breaker.abandoned()
            raise
