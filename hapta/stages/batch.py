"""The JSON inside a batch request, whichever way it is wrapped.

A batch is JSON, or a form (URL-encoded or multipart, with the files beside) whose values named
``@jsonPayload`` are JSON; Go counts the URL's query among a form's values (PocketBase ``apis/batch.go``,
``tools/router/event.go`` BindBody, ``net/http`` ``Request.Form``). Go matches the names of a struct's members
in any letter case. What is not understood here without doubt is refused in the words PocketBase has for a
batch it cannot read: two readers of one batch must never see two batches.
"""

import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from hapta.model.errors import BadRequest, BodyTooLarge, HaptaError
from hapta.model.exchange import Exchange, RequestBody

MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
"""JSON text beyond this is refused; files in a multipart batch do not count."""
MAX_PARTS = 1000
"""Of a multipart body; Go reads no more either (``mime/multipart``, ``multipartmaxparts``)."""
MAX_PART_HEADERS = 10_000
"""Of all parts together, as in Go (``multipartmaxheaders``)."""
MAX_FIELDS = 10_000
"""Of a form, as in Go (``urlmaxqueryparams``)."""
MAX_REQUESTS = 10_000
"""In one batch. PocketBase takes 50 by default; looking at each costs microseconds, at several stages."""

_PAYLOAD = "@jsonPayload"
_EXTENDED_NAME = re.compile(rb";\s*name\*", re.IGNORECASE)
_EXTENDED_BOUNDARY = re.compile(r";\s*boundary\s*\*", re.IGNORECASE)
_PLAIN_ENCODINGS = frozenset({b"", b"7bit", b"8bit", b"binary"})


logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it comments on clients' garbage


class UnreadableBatch(BadRequest):
    """Not a batch, or one that could be read in two ways."""

    message = "Failed to read the submitted batch data."


async def batch_requests(exchange: Exchange) -> Sequence[Mapping[str, Any]]:
    """The requests in a batch, their members' names in lower case; of their bodies the ``id`` alone.

    Read once, for all stages that ask.

    Raises:
        UnreadableBatch, BodyTooLarge: as :func:`batch_payloads`.
    """
    if exchange.batch is None:
        try:
            exchange.batch = await _read(exchange)
        except HaptaError as error:
            exchange.batch = error
    if isinstance(exchange.batch, HaptaError):
        raise exchange.batch
    return exchange.batch


async def _read(exchange: Exchange) -> Sequence[Mapping[str, Any]]:
    content_type = exchange.headers.get("Content-Type", "")
    found: list[Mapping[str, Any]] = []
    for payload in await batch_payloads(exchange.body, content_type, exchange.target.query):
        for request in sub_requests(payload):
            if len(found) >= MAX_REQUESTS:
                raise UnreadableBatch
            found.append(_without_values(request))
    return found


def _without_values(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stages ask for; a whole document may weigh twenty times what its text does."""
    kept: dict[str, Any] = {
        name: request[name] for name in ("method", "url") if isinstance(request.get(name), str)
    }
    body = request.get("body")
    if isinstance(body, Mapping):
        asked_for = body.get("id")
        is_large = isinstance(asked_for, list | dict)
        kept["body"] = {"id": True if is_large else asked_for}
    return kept


async def batch_payloads(body: RequestBody | None, content_type: str, query: str) -> Sequence[Any]:
    """All JSON documents of a batch.

    Args:
        body: the body, held whole: it is read here and once more for PocketBase.
        content_type: as the client sent it.
        query: of the request target, escapes kept.

    Raises:
        UnreadableBatch: what PocketBase refuses too, and what it might read otherwise.
        BodyTooLarge: too much JSON.
    """
    if body is None or body.length == 0:
        return []
    try:
        kind, options = parse_options_header(content_type)
    except ValueError as exc:
        raise UnreadableBatch from exc
    if kind.startswith(b"application/json"):
        texts = [await collect(body.chunks())]
    elif kind == b"multipart/form-data":
        if _EXTENDED_BOUNDARY.search(content_type) or "\\" in content_type:
            raise UnreadableBatch  # RFC 2231, or escapes: of two boundaries Go would take the other one
        texts = await _payload_parts(body.chunks(), options.get(b"boundary", b""))
        texts += _form_values(query)
    elif kind == b"application/x-www-form-urlencoded":
        texts = _form_values((await collect(body.chunks())).decode("latin-1"))
        texts += _form_values(query)
    else:
        raise UnreadableBatch
    return [_parse(text) for text in texts]


def sub_requests(payload: Any) -> Iterator[dict[str, Any]]:
    """The requests in one document of a batch, their members' names in lower case.

    Raises:
        UnreadableBatch: a name comes twice, in different letter case.
    """
    requests = _folded(payload).get("requests")
    for request in requests if isinstance(requests, list) else ():
        yield _folded(request)


def _folded(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    folded = {name.casefold(): member for name, member in value.items()}
    if len(folded) != len(value):
        raise UnreadableBatch
    return folded


async def collect(pieces: AsyncIterator[bytes]) -> bytes:
    """A body of JSON in one piece.

    Raises:
        BodyTooLarge: it is longer than :data:`MAX_PAYLOAD_BYTES`.
    """
    text = bytearray()
    async for piece in pieces:
        text += piece
        if len(text) > MAX_PAYLOAD_BYTES:
            raise BodyTooLarge
    return bytes(text)


def _form_values(form: str) -> list[bytes]:
    try:
        pairs = parse_qsl(form, keep_blank_values=True, encoding="latin-1", max_num_fields=MAX_FIELDS)
    except ValueError as exc:
        raise UnreadableBatch from exc
    return [value.encode("latin-1") for name, value in pairs if name == _PAYLOAD]


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise UnreadableBatch from exc


class _PayloadCollector:
    """Keeps the text of the parts named ``@jsonPayload`` and drops all others."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self._field = bytearray()
        self._value = bytearray()
        self._is_payload = False
        self._is_plain = True
        self._text = bytearray()
        self._parts = self._headers = 0

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise UnreadableBatch
        self._is_payload, self._is_plain = False, True
        self._text.clear()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers += 1
        if self._headers > MAX_PART_HEADERS:
            raise UnreadableBatch
        name, value = bytes(self._field).lower(), bytes(self._value)
        if name == b"content-disposition":
            if _EXTENDED_NAME.search(value):
                raise UnreadableBatch  # RFC 2231: Go decodes it, others do not
            if b"\\" in value and _PAYLOAD.encode() in value.replace(b"\\", b""):
                raise UnreadableBatch  # Go takes a backslash off more characters than others do
            _, options = parse_options_header(value)
            self._is_payload = self._is_payload or options.get(b"name") == _PAYLOAD.encode()
        elif name == b"content-transfer-encoding":
            self._is_plain = value.strip().lower() in _PLAIN_ENCODINGS
        self._field.clear()
        self._value.clear()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_payload:
            self._text += data[start:end]
            if len(self._text) > MAX_PAYLOAD_BYTES:
                raise BodyTooLarge

    def on_part_end(self) -> None:
        if self._is_payload:
            if not self._is_plain:
                raise UnreadableBatch  # Go decodes quoted-printable
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
    except (FormParserError, ValueError) as exc:
        raise UnreadableBatch from exc
    return collector.texts
