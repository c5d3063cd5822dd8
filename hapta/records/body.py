"""The body of a record write, as PocketBase reads it or not at all."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from hapta.model.errors import BodyTooLarge
from hapta.model.exchange import RequestBody
from hapta.records import forms, multipart
from hapta.records.content import BodySlice, FilePart
from hapta.records.errors import UnreadableBody, UnsupportedType

Kind = Literal["json", "form", "multipart"]

_FORMS: Final[Mapping[str, Kind]] = {
    "application/x-www-form-urlencoded": "form",
    "multipart/form-data": "multipart",
}
_MODIFIERS = "+-"
_CHARSET = re.compile(r"[ \t]*charset=[\w-]+[ \t]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecordBody:
    """What a write asks for.

    Attributes:
        kind: how it was sent.
        members: by name as sent, modifiers on it; values as PocketBase has them, numbers as doubles
            (:mod:`hapta.records.strict_json`).
        files: by name as sent; in the order in which they came.
        query_members: those that come of the request's query, whatever the body made of them: PocketBase
            counts the query among a form's values, so where a form is sent again they are there again.
        is_empty: there was no body.
    """

    kind: Kind
    members: Mapping[str, Any]
    files: Mapping[str, tuple[FilePart, ...]]
    query_members: Mapping[str, Any] = field(default_factory=dict)
    is_empty: bool = False


async def read_record_body(body: RequestBody | None, content_type: str, query: str) -> RecordBody:
    """Read the body of a create or an update.

    Args:
        body: held whole (:mod:`hapta.records.content`): it is read here and, where files are asked for,
            again.
        content_type: as the client sent it, in one header.
        query: of the request target, escapes kept.

    Raises:
        UnreadableBody: PocketBase refuses it too, or might read it otherwise.
        BodyTooLarge: more text than :data:`hapta.records.multipart.MAX_TEXT_BYTES`.
    """
    kind = kind_of(content_type) if content_type else "json"
    if body is None or body.length == 0:
        if kind == "multipart":
            raise UnreadableBody
        return RecordBody(kind, {}, {}, is_empty=True)
    if not content_type:
        raise UnsupportedType
    if kind == "json":
        text = await collect(body.chunks(), multipart.MAX_TEXT_BYTES)
        return RecordBody(kind, {} if text.strip(b" \t\r\n") == b"null" else forms.payload_members(text), {})
    from_query = query_pairs(query)
    query_members = forms.members(from_query)
    if kind == "form":
        sent = forms.pairs(await collect(body.chunks(), multipart.MAX_TEXT_BYTES))
        return RecordBody(kind, forms.members([*sent, *from_query]), {}, query_members)
    parts = await multipart.read_parts(body, multipart.boundary_of(content_type))
    values = [(part.name, forms.utf8(part.text)) for part in parts if part.filename is None]
    members, files = forms.members([*from_query, *values]), files_of(body, parts)
    if any(name in members and (name[0] in _MODIFIERS or name[-1] in _MODIFIERS) for name in files):
        raise UnreadableBody  # added once as a name and once as a file
    return RecordBody(kind, members, files, query_members)


def kind_of(content_type: str) -> Kind:
    """How a body of this type is to be read.

    Raises:
        UnsupportedType: PocketBase reads none such, or a form only by the beginning of its name.
        UnreadableBody: it says more of an URL-encoded form than its charset.
    """
    if content_type.startswith("application/json"):
        return "json"  # whatever follows, as in PocketBase
    media_type, _, options = content_type.partition(";")
    kind = _FORMS.get(media_type.rstrip(" \t"))
    if kind is None:
        raise UnsupportedType
    if kind == "form" and options and not _CHARSET.fullmatch(options):
        raise UnreadableBody
    return kind


def query_pairs(query: str) -> list[tuple[str, str]]:
    """What a query adds to a form.

    Raises:
        UnreadableBody: Go refuses it, or it holds a payload, under whose objects those of the body are
            merged.
    """
    found = forms.pairs(query.encode("utf-8", "surrogateescape"))
    if any(name == forms.PAYLOAD for name, _ in found):
        raise UnreadableBody
    return found


def files_of(body: RequestBody, parts: list[multipart.Part]) -> dict[str, tuple[FilePart, ...]]:
    """The files among the parts of a body, by name."""
    found: dict[str, list[FilePart]] = {}
    for part in parts:
        if part.filename is not None:
            content = BodySlice(body, part.start, part.length)
            file = FilePart(part.name, part.filename, part.content_type, content)
            found.setdefault(part.name, []).append(file)
    return {name: tuple(files) for name, files in found.items()}


async def collect(pieces: AsyncIterator[bytes], most_bytes: int) -> bytes:
    """A body of text in one piece.

    Raises:
        BodyTooLarge: it is longer than ``most_bytes``.
    """
    text = bytearray()
    async for piece in pieces:
        text += piece
        if len(text) > most_bytes:
            raise BodyTooLarge
    return bytes(text)
