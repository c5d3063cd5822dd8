"""Event streams that are open now: both legs close together, and each ends with the session it was bound to.

An ``EventSource`` sends no token; PocketBase binds a stream to an identity by the ``POST /api/realtime`` that
names its client id. So does Hapta: the id is read from the stream's first event, and the session of the POST
is remembered with it.
"""

import re
from collections.abc import AsyncIterator, Callable

from hapta.model.errors import HaptaError
from hapta.model.exchange import AnswerStream
from hapta.model.identity import Identity
from hapta.upstream.client import UpstreamResponse

RETRY_HINT = b"retry: 1000\n\n"
"""Tells an EventSource to come back after a second (HTML standard, §9.2.5)."""

_CLIENT_ID = re.compile(rb"(?:^|\n)id:\s*([\w-]{1,100})\r?\n")
_FIRST_EVENT_BYTES = 1024


class OpenStreams:
    """The register of open event streams.

    Args:
        on_changed: told how many are open.
    """

    def __init__(self, on_changed: Callable[[int], None]) -> None:
        self._streams: set[EventStream] = set()
        self._by_client: dict[str, EventStream] = {}
        self._by_owner: dict[str, set[EventStream]] = {}
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
        if stream.client_id and self._by_client.get(stream.client_id) is stream:
            del self._by_client[stream.client_id]
        self._unbind(stream)
        self._on_changed(len(self._streams))

    def named(self, stream: "EventStream") -> None:
        """Its first event told its client id."""
        self._by_client[stream.client_id] = stream

    def bind(self, client_id: str, owner: str) -> None:
        """The stream of ``client_id`` now belongs to ``owner`` (a session id, or the mark of an adopted
        token)."""
        stream = self._by_client.get(client_id)
        if stream is not None:
            self.bind_stream(stream, owner)

    def identify(self, client_id: str, identity: Identity) -> Callable[[bool], None]:
        """The stream of ``client_id`` is about to show what ``identity`` may see.

        Returns:
            How to take that back: with ``True`` where PocketBase refused it, with ``False`` where its answer
            was lost. A guest's stream may have become somebody's by then, that of somebody stays theirs.
        """
        stream = self._by_client.get(client_id)
        if stream is None:
            return _nothing
        before, stream.identity = stream.identity, identity

        def take_back(is_refused: bool) -> None:
            if stream.identity is identity and (is_refused or before is not None):
                stream.identity = before

        return take_back

    def bind_stream(self, stream: "EventStream", owner: str) -> None:
        """A stream now belongs to ``owner``."""
        self._unbind(stream)
        stream.owner = owner
        self._by_owner.setdefault(owner, set()).add(stream)

    def move(self, owner: str, new_owner: str) -> None:
        """The streams of ``owner`` belong to ``new_owner`` from now on."""
        for stream in self._by_owner.pop(owner, ()):
            stream.owner = new_owner
            self._by_owner.setdefault(new_owner, set()).add(stream)

    def _unbind(self, stream: "EventStream") -> None:
        streams = self._by_owner.get(stream.owner)
        if streams is not None:
            streams.discard(stream)
            if not streams:
                del self._by_owner[stream.owner]

    def has(self, owner: str) -> bool:
        """Whether ``owner`` has a stream open."""
        return owner in self._by_owner

    def end(self, owner: str) -> None:
        """End the streams of ``owner``."""
        for stream in tuple(self._by_owner.get(owner, ())):
            stream.end()

    def end_superusers(self) -> None:
        """End those that show what only superusers may see."""
        for stream in tuple(self._streams):
            if stream.identity is not None and stream.identity.is_superuser:
                stream.end()

    def end_all(self) -> None:
        """Ask all of them to end."""
        for stream in tuple(self._streams):
            stream.end()


def _nothing(_: bool) -> None:
    """There is no such stream."""


class EventStream:
    """An event stream from PocketBase to one client; an :class:`~hapta.model.exchange.AnswerStream`.

    Attributes:
        client_id: as PocketBase's first event told it; empty until then.
        owner: what it is bound to; empty for a guest's.
        identity: whose events it shows; ``None`` for a guest's.
    """

    def __init__(self, response: UpstreamResponse, streams: OpenStreams) -> None:
        self._response = response
        self._streams = streams
        self._is_ending = False
        self.client_id = ""
        self.owner = ""
        self.identity: Identity | None = None
        response.becomes_stream()
        streams.add(self)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Events as they come; after :meth:`end` a hint when to come back, unless an event is half sent."""
        last, first = b"\n\n", b""
        try:
            async for piece in self._response.chunks():
                last = (last + piece)[-4:]
                if not self.client_id and len(first) < _FIRST_EVENT_BYTES:
                    first += piece[:_FIRST_EVENT_BYTES]
                    self._learn_client_id(first)
                yield piece
        except HaptaError:
            if not self._is_ending:
                raise
            if last.endswith((b"\n\n", b"\r\n\r\n")):
                yield RETRY_HINT

    def _learn_client_id(self, first: bytes) -> None:
        found = _CLIENT_ID.search(first)
        if found is not None:
            self.client_id = found[1].decode()
            self._streams.named(self)

    def end(self) -> None:
        """End it from our side, politely."""
        self._is_ending = True
        self._response.close()

    def abort(self) -> None:
        """The client left, or all is sent."""
        self._response.close()
        self._streams.discard(self)


class Prefixed:
    """A stream of which the beginning was read already."""

    def __init__(self, pieces: list[bytes], rest: AnswerStream, more: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = rest
        self._more = more

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        async for piece in self._more:
            yield piece

    def abort(self) -> None:
        self._rest.abort()
