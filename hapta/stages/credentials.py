"""Which account a login is for, as PocketBase would read it out of the body.

A login is JSON, or a form (URL-encoded or multipart; Go counts the URL's query among a form's values), which
may hold JSON in values named ``@jsonPayload``. Go is generous with names (:mod:`hapta.records.names`) and
ignores what follows the first JSON value. What is not understood without doubt, or names several accounts, is
no reason to refuse it: it counts as one account without a name, so that nobody is better off by writing
obscurely.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from hapta.model.exchange import RequestBody
from hapta.records.body import kind_of
from hapta.records.content import BytesContent
from hapta.records.errors import UnreadableBody
from hapta.records.forms import PAYLOAD
from hapta.records.multipart import boundary_of, read_parts
from hapta.records.names import member_name

MAX_BYTES = 64 * 1024
"""A login is shorter."""
_DECODER = json.JSONDecoder(object_pairs_hook=lambda pairs: pairs)


class _Unclear(Exception):
    """Not understood without doubt."""


async def named_value(body: RequestBody | None, content_type: str, query: str, name: str) -> str:
    """The one value a body gives a name; empty when it gives none, several, or cannot be read.

    Args:
        body: held whole: it is read here and once more for PocketBase.
        content_type: as the client sent it.
        query: of the request target, escapes kept.
        name: ``identity``, ``email`` or ``otpId``.
    """
    try:
        text = await _text(body)
        pairs = list(await _pairs(text, content_type, query))
    except (_Unclear, UnreadableBody, ValueError, RecursionError):
        return ""
    values = {value for key, value in pairs if member_name(key) == member_name(name)}
    value = values.pop() if len(values) == 1 else ""
    return value if isinstance(value, str) else ""


async def _text(body: RequestBody | None) -> bytes:
    if body is None or (body.length or 0) > MAX_BYTES:
        raise _Unclear
    return b"".join([piece async for piece in body.chunks()])


async def _pairs(text: bytes, content_type: str, query: str) -> Iterator[tuple[str, Any]]:
    kind = kind_of(content_type)
    if kind == "json":
        return _json_pairs(text.decode())
    if kind == "form":
        fields = _form_fields(text.decode())
    else:
        parts = await read_parts(BytesContent(text), boundary_of(content_type))
        fields = [(part.name, part.text.decode()) for part in parts if part.filename is None]
    return _with_payloads([*fields, *_form_fields(query)])


def _json_pairs(text: str) -> Iterator[tuple[str, Any]]:
    value, _ = _DECODER.raw_decode(text.lstrip(" \t\r\n"))
    if isinstance(value, list):  # of pairs when it is an object
        for pair in value:
            if isinstance(pair, tuple):
                key, member = pair
                yield key, member if isinstance(member, str) else None


def _form_fields(form: str) -> list[tuple[str, str]]:
    return parse_qsl(form, keep_blank_values=True)


def _with_payloads(fields: list[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    for name, value in fields:
        if name == PAYLOAD:
            yield from _json_pairs(value)
        yield name, value
