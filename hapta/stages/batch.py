"""The JSON inside a batch request, whichever way it is wrapped.

A batch is JSON, or multipart with the requests as JSON text in parts named ``@jsonPayload`` and the files
beside them (PocketBase ``apis/batch.go``, ``tools/router/event.go`` BindBody).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from hapta.model.exchange import RequestBody

MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
"""JSON text beyond this is not looked into."""

_PAYLOAD_PART = b"@jsonPayload"


async def batch_payloads(body: RequestBody | None, content_type: str) -> Sequence[Any]:
    """All JSON documents of a batch that can be understood.

    What cannot be parsed here is left out: PocketBase refuses it in its own words, and its rules stand behind
    every use of this.

    Args:
        body: the body, held whole: it is read here and once more for PocketBase.
        content_type: as the client sent it.
    """
    if body is None:
        return []
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        texts = await _payload_parts(body.chunks(), options.get(b"boundary", b""))
    else:
        texts = [await collect(body.chunks())]
    return [document for text in texts if (document := _parse(text)) is not None]


async def collect(pieces: AsyncIterator[bytes]) -> bytes:
    """A body of JSON as one piece; empty if it is longer than :data:`MAX_PAYLOAD_BYTES`."""
    text = bytearray()
    async for piece in pieces:
        text += piece
        if len(text) > MAX_PAYLOAD_BYTES:
            return b""
    return bytes(text)


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


class _PayloadCollector:
    """Keeps the text of the parts named ``@jsonPayload`` and drops all others."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self._field = bytearray()
        self._value = bytearray()
        self._text: bytearray | None = None

    def on_part_begin(self) -> None:
        self._text = None

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            if options.get(b"name") == _PAYLOAD_PART:
                self._text = bytearray()
        self._field.clear()
        self._value.clear()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._text is not None and len(self._text) <= MAX_PAYLOAD_BYTES:
            self._text += data[start:end]

    def on_part_end(self) -> None:
        if self._text is not None:
            self.texts.append(bytes(self._text))


async def _payload_parts(pieces: AsyncIterator[bytes], boundary: bytes) -> list[bytes]:
    collector = _PayloadCollector()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": collector.on_part_begin,
                "on_header_field": collector.on_header_field,
                "on_header_value": collector.on_header_value,
                "on_header_end": collector.on_header_end,
                "on_part_data": collector.on_part_data,
                "on_part_end": collector.on_part_end,
            },
        )
        async for piece in pieces:
            parser.write(piece)
    except (FormParserError, ValueError):
        pass  # what was understood so far is still looked at
    return collector.texts
