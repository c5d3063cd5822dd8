"""Event streams that are open now: both legs close together, and all of them end politely on shutdown."""

from collections.abc import AsyncIterator, Callable

from hapta.model.errors import HaptaError
from hapta.upstream.client import UpstreamResponse

RETRY_HINT = b"retry: 1000\n\n"
"""Tells an EventSource to come back after a second (HTML standard, §9.2.5)."""


class OpenStreams:
    """The register of open event streams.

    Args:
        on_changed: told how many are open.
    """

    def __init__(self, on_changed: Callable[[int], None]) -> None:
        self._streams: set[EventStream] = set()
        self._on_changed = on_changed

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: "EventStream") -> None:
        """It opened."""
        self._streams.add(stream)
        self._on_changed(len(self._streams))

    def discard(self, stream: "EventStream") -> None:
        """It closed. Idempotent."""
        self._streams.discard(stream)
        self._on_changed(len(self._streams))

    def end_all(self) -> None:
        """Ask all of them to end."""
        for stream in tuple(self._streams):
            stream.end()


class EventStream:
    """An event stream from PocketBase on its way to one client; an
    :class:`~hapta.model.exchange.AnswerStream`."""

    def __init__(self, response: UpstreamResponse, streams: OpenStreams) -> None:
        self._response = response
        self._streams = streams
        self._is_ending = False
        response.becomes_stream()
        streams.add(self)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Events as they come; after :meth:`end` a hint when to come back, unless an event is half sent."""
        last = b"\n\n"
        try:
            async for piece in self._response.chunks():
                last = (last + piece)[-4:]
                yield piece
        except HaptaError:
            if not self._is_ending:
                raise
            if last.endswith((b"\n\n", b"\r\n\r\n")):
                yield RETRY_HINT

    def end(self) -> None:
        """End it from our side, politely."""
        self._is_ending = True
        self._response.close()

    def abort(self) -> None:
        """The client left, or all is sent."""
        self._response.close()
        self._streams.discard(self)
