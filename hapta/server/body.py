"""The body of a request while it arrives, with the floor a client must keep above."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from hapta.model.errors import BadFraming, BodyTooSlow
from hapta.model.exchange import ClientGone

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

    from hapta.model.clock import Clock
    from hapta.server.protocol import Connection


class IncomingBody:
    """A body that is still on its way; a :class:`~hapta.model.exchange.RequestBody`.

    Args:
        request: whose body it is.
        connection: the protocol it arrives on.
        length: announced length in bytes, ``None`` for chunked coding.
        expects_continue: the client waits for ``100 Continue`` before it sends (RFC 9110 §10.1.1); it is told
            when the first byte is asked for, so a request refused before that never sends its body.
        min_bytes_per_s: the average a body must keep once ``grace_s`` is over; 0 for no floor. Only the time
            spent waiting for the client counts, not that in which nobody asked for the next piece.
        grace_s: also the longest silence between two pieces.
    """

    def __init__(
        self,
        request: "BaseRequest",
        connection: "Connection",
        length: int | None,
        *,
        expects_continue: bool,
        min_bytes_per_s: int,
        grace_s: float,
        clock: "Clock",
    ) -> None:
        self._content = request.content
        self._connection = connection
        self._length = length
        self._expects_continue = expects_continue
        self._min_bytes_per_s = min_bytes_per_s
        self._grace_s = grace_s
        self._clock = clock
        self._waited_s = 0.0
        self.received_bytes = 0

    @property
    def length(self) -> int | None:
        return self._length

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._expects_continue:
            self._expects_continue = False
            self._connection.send_continue()
        while True:
            piece = await self._next()
            if not piece:
                return
            self.received_bytes += len(piece)
            yield piece

    async def _next(self) -> bytes:
        content = self._content
        if content.exception() is None and (content.total_bytes > self.received_bytes or content.at_eof()):
            return content.read_nowait()  # it is here: there is nothing to wait for
        began = self._clock.monotonic()
        try:
            if not self._min_bytes_per_s:
                return await self._content.readany()
            earned_s = self._grace_s + self.received_bytes / self._min_bytes_per_s
            async with asyncio.timeout(min(earned_s - self._waited_s, self._grace_s)):
                return await self._content.readany()
        except TimeoutError as exc:
            raise BodyTooSlow from exc
        except RequestPayloadError as exc:
            if self._connection.is_gone:
                raise ClientGone from exc
            raise BadFraming from exc
        except ConnectionError as exc:
            raise ClientGone from exc
        except (HttpProcessingError, ClientError) as exc:
            raise BadFraming from exc
        finally:
            self._waited_s += self._clock.monotonic() - began
