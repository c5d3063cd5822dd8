"""Events of realtime as plugins shape them, for the identity their stream is bound to.

The topic an event comes under names its collection; a subscription's filter must not tell what its subscriber
may not read, so events under such a topic are dropped, as PocketBase drops them for a hidden field. An event
that cannot be read ends its stream: the client connects anew. Hooks that are loaded meanwhile count from the
next event on, and while there are none, nothing is looked at.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from cachetools import LRUCache

from hapta.cache.query import parse_query
from hapta.model.errors import HaptaError
from hapta.model.schema import Collection
from hapta.records import strict_json
from hapta.records.names import member_name
from hapta.stages.altered import EVERYTHING, NOTHING, Altered, altered_by
from hapta.stages.reach import Reach
from hapta.stages.readable import Readable
from hapta.stages.shaper import Shaper
from hapta.stages.shown_rows import members, object_of, text_of
from hapta.stages.streams import RETRY_HINT, EventStream
from hapta.stages.viewers import CannotShape, Who

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
_END: Final = b"\n\n"
_FORM: Final = [b"id", b"event", b"data"]
_REMEMBERED: Final = 1024


class EventShaper:
    """Shapes single events.

    Args:
        shaper: shapes their rows.
        reach: what may stand in them.
        readable: what a subscription may filter by.
    """

    def __init__(self, shaper: Shaper, reach: Reach, readable: Readable) -> None:
        self._shaper = shaper
        self._reach = reach
        self._readable = readable
        self._known: LRUCache[str, _Asked] = LRUCache(_REMEMBERED)

    @property
    def is_idle(self) -> bool:
        """No hook shapes anything."""
        return self._shaper.is_idle

    async def shaped(self, block: bytes, who: Who) -> bytes:
        """An event as it is to be sent; empty: not at all.

        Args:
            block: it, with the empty line that ends it.

        Raises:
            HaptaError: it cannot be shaped.
        """
        if who.is_superuser:
            return block
        if b"\r" in block:
            raise CannotShape("an event has another form than PocketBase's")
        if block == RETRY_HINT:
            return block
        lines = block[: -len(_END)].split(b"\n")
        if not any(line.startswith(b"data:") for line in lines):
            return b""  # it is none
        # a client may write line feeds into a topic, and so put events of its making around PocketBase's
        if [line.partition(b":")[0] for line in lines] != _FORM:
            raise CannotShape("an event has another form than PocketBase's")
        event = lines[1].partition(b":")[2].decode("utf-8", "replace")
        topic, _, options = event.partition("?")
        collection = self._shaper.lookup.resolve(topic.partition("/")[0])
        if collection is not None and not self._reach.leads_to_shaped(collection):
            return block
        return await self._event(block, lines, collection, options, who)

    async def _event(
        self, block: bytes, lines: list[bytes], collection: Collection | None, options: str, who: Who
    ) -> bytes:
        try:
            content = members(lines[2].partition(b":")[2])
        except CannotShape:
            if collection is None:
                return block  # a message of an app's own
            raise
        raw = content.get("record")
        if raw is None or "action" not in content:
            if collection is None:
                return block
            raise CannotShape("an event shows no record")
        if collection is None:
            claimed = text_of(members(raw).get("collectionId"))
            collection = self._shaper.lookup.resolve(claimed or "")
            if collection is None:
                raise CannotShape("an event shows a record of a collection that is not known")
        asked = self._asked(options)
        if asked.filter is None:
            if self._reach.leads_to_guarded(collection):
                return b""
        elif not await self._readable.may_ask(collection, asked.filter, "", who):
            return b""
        row = self._shaper.rows(asked.altered).one(collection, raw)
        if not options and "collectionId" not in row.fields:
            raise CannotShape("an event does not say of which collection its record is")
        await self._shaper.shape([row], who)
        content["record"] = msgspec.Raw(row.render())
        return b"\n".join([*lines[:2], b"data:" + object_of(content)]) + _END

    def tell(self, error: HaptaError) -> None:
        """An event could not be shaped."""
        self._shaper.tell(error)

    def _asked(self, options: str) -> "_Asked":
        """What a subscription asks for, from what stands behind its topic's question mark."""
        if options not in self._known:
            self._known[options] = _asked_in(options)
        return self._known[options]


@dataclass(frozen=True, slots=True)
class _Asked:
    """
    Attributes:
        filter: of a subscription; ``None`` if it cannot be told.
        altered: values that its ``fields`` change.
    """

    filter: str | None = ""
    altered: Altered = NOTHING


_CANNOT_TELL: Final = _Asked(None, EVERYTHING)


def _asked_in(options: str) -> _Asked:
    if not options:
        return _Asked()
    query = parse_query(options)
    if query is None:
        return _CANNOT_TELL
    text = query.values.get("options", "")
    if not text:
        return _Asked() if query.is_plain or not _mentions(options) else _CANNOT_TELL
    try:
        document = strict_json.parse(text.encode())  # of a name twice Go goes by the first
    except ValueError:
        return _CANNOT_TELL
    if not isinstance(document, dict):
        return _CANNOT_TELL
    found = [value for name, value in document.items() if member_name(name) == "query"]
    if not found:
        return _Asked()
    if len(found) > 1 or not isinstance(found[0], dict | None):
        return _CANNOT_TELL
    values = found[0] or {}
    filter_, fields = values.get("filter", ""), values.get("fields", "")
    return _Asked(
        filter_ if isinstance(filter_, str) else None,
        altered_by(fields) if isinstance(fields, str) else EVERYTHING,
    )


def _mentions(options: str) -> bool:
    return any(name == "options" for name, _ in parse_qsl(options, keep_blank_values=True))


class ShapedStream:
    """An event stream whose events are shaped; an :class:`~hapta.model.exchange.AnswerStream`."""

    def __init__(self, stream: EventStream, events: EventShaper) -> None:
        self._stream = stream
        self._events = events

    async def chunks(self) -> AsyncIterator[bytes]:
        """Events as they come."""
        held, is_between, tail = b"", True, _END
        async for piece in self._stream.chunks():
            if self._events.is_idle and not held:
                tail = (tail + piece)[-len(_END) :]
                is_between = tail == _END
                yield piece
                continue
            if not is_between:
                break  # half of an event is sent, and the other half must not be
            held += piece
            while (end := held.find(_END)) >= 0:
                block, held = held[: end + len(_END)], held[end + len(_END) :]
                try:
                    shaped = await self._events.shaped(block, Who.of(self._stream.identity))
                except HaptaError as error:
                    self._events.tell(error)
                    yield RETRY_HINT
                    self._stream.abort()
                    return
                if shaped:
                    yield shaped
            if len(held) > MAX_EVENT_BYTES:
                break
            tail = _END
        self._stream.abort()

    def abort(self) -> None:
        """The client left, or all is sent."""
        self._stream.abort()
