"""A batch of record writes, read strictly and written anew (PocketBase ``apis/batch.go``).

PocketBase hands every request in a batch on as a form of one payload, with the files named
``requests.N.field`` or ``requests[N].field`` beside it: so the query of its URL counts among its members too,
and a file takes the place of a member of the same name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hapta.model.exchange import RequestBody
from hapta.records import forms, multipart, strict_json
from hapta.records.body import collect, files_of, kind_of, query_pairs
from hapta.records.content import BytesContent, FilePart
from hapta.records.encode import JSON, Encoded, check_query, multipart_form
from hapta.records.errors import UnreadableBatch, UnreadableBody
from hapta.records.names import member_name

MAX_REQUESTS: Final = 10_000
"""In one batch. PocketBase takes 50 by default; looking at each costs microseconds, at several stages."""

_FILE_KEY = re.compile(r"requests(?:\.(0|[1-9][0-9]{0,4})\.|\[(0|[1-9][0-9]{0,4})\]\.)(.+)")
_UNSAFE_URL = re.compile(r"[^\x21-\x7e]|#")
_MEMBERS: Final = frozenset({"method", "url", "headers", "body"})


@dataclass(frozen=True, slots=True)
class SubRequest:
    """One request in a batch.

    Attributes:
        method: as sent.
        url: as sent; printable ASCII without a fragment.
        headers: as sent.
        members: of its body, and of its URL's query where that has more (:mod:`hapta.records.body`).
        files: by field, as sent.
        query_members: those that come of its query, whatever the body made of them.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    members: Mapping[str, Any]
    files: Mapping[str, tuple[FilePart, ...]]
    query_members: Mapping[str, Any] = field(default_factory=dict)


async def read_batch_body(body: RequestBody | None, content_type: str, query: str) -> tuple[SubRequest, ...]:
    """Read the requests in a batch.

    Args:
        body: held whole.
        content_type: as the client sent it, in one header.
        query: of the request target, escapes kept.

    Raises:
        UnreadableBatch: PocketBase refuses it too, or might read it otherwise.
        BodyTooLarge: more text than :data:`hapta.records.multipart.MAX_TEXT_BYTES`.
    """
    try:
        if body is None or body.length == 0:
            return ()
        return await _read(body, content_type, query)
    except UnreadableBody as exc:
        raise UnreadableBatch from exc


async def _read(body: RequestBody, content_type: str, query: str) -> tuple[SubRequest, ...]:
    kind = kind_of(content_type)
    files: Mapping[str, tuple[FilePart, ...]] = {}
    if kind == "json":
        document = forms.payload_members(await collect(body.chunks(), multipart.MAX_TEXT_BYTES))
    else:
        if any(member_name(name.split(".")[0]) == "requests" for name, _ in query_pairs(query)):
            raise UnreadableBatch
        if kind == "form":
            values = forms.pairs(await collect(body.chunks(), multipart.MAX_TEXT_BYTES))
        else:
            parts = await multipart.read_parts(body, multipart.boundary_of(content_type))
            values = [(part.name, forms.utf8(part.text)) for part in parts if part.filename is None]
            files = files_of(body, parts)
        if [name for name, _ in values] != [forms.PAYLOAD]:
            raise UnreadableBatch  # the texts of others are left, those of several payloads merged
        document = forms.payload_members(values[0][1].encode())
    requests = _exactly(document, {"requests"}).get("requests")
    if not isinstance(requests, list) or len(requests) > MAX_REQUESTS:
        raise UnreadableBatch
    by_request = _files_by_request(files, len(requests))
    return tuple(_sub_request(one, by_request.get(at, {})) for at, one in enumerate(requests))


def _exactly(value: Any, names: set[str] | frozenset[str]) -> Mapping[str, Any]:
    """An object; names that are ours written otherwise are read by some."""
    if not isinstance(value, dict):
        raise UnreadableBatch
    if any(name not in names and member_name(name) in names for name in value):
        raise UnreadableBatch
    return value


def _files_by_request(
    files: Mapping[str, tuple[FilePart, ...]], count: int
) -> dict[int, dict[str, tuple[FilePart, ...]]]:
    found: dict[int, dict[str, tuple[FilePart, ...]]] = {}
    for key, several in files.items():
        match = _FILE_KEY.fullmatch(key)
        at = int(match[1] or match[2]) if match else count
        if match is None or at >= count or match[3] in found.get(at, {}):
            raise UnreadableBatch  # nobody's, or named both ways: joined in any order
        field = match[3]
        found.setdefault(at, {})[field] = tuple(
            FilePart(field, file.name, file.content_type, file.content) for file in several
        )
    return found


def _sub_request(request: Any, files: Mapping[str, tuple[FilePart, ...]]) -> SubRequest:
    request = _exactly(request, _MEMBERS)
    method, url, headers = request.get("method"), request.get("url"), request.get("headers")
    body = request.get("body")
    if not isinstance(method, str) or not isinstance(url, str) or _UNSAFE_URL.search(url):
        raise UnreadableBatch
    if not isinstance(headers, dict | None) or not isinstance(body, dict | None):
        raise UnreadableBatch
    if any(not isinstance(value, str) for value in (headers or {}).values()):
        raise UnreadableBatch
    in_query = forms.members(query_pairs(url.partition("?")[2]))
    sent = body or {}
    if not all(forms.goes_over(sent[name], in_query[name]) for name in sent.keys() & in_query.keys()):
        raise UnreadableBatch
    members = in_query | sent
    if not members.keys().isdisjoint(files):
        raise UnreadableBatch  # the file alone counts, or both do, as they came
    if "id" in members and "id" not in sent:
        raise UnreadableBatch  # an upsert looks for the id in the body alone
    return SubRequest(method, url, headers or {}, members, files, in_query)


def encode_batch(requests: Sequence[SubRequest]) -> Encoded:
    """Write a batch that PocketBase reads as just these requests.

    Raises:
        ValueError: as :func:`hapta.records.encode.encode`, or a member has the name of a file.
    """
    documents, files = [], []
    for at, request in enumerate(requests):
        check_query(request.members, request.query_members)
        if not request.members.keys().isdisjoint(request.files):
            raise ValueError("a file would take the place of a member")
        document: dict[str, Any] = {"method": request.method, "url": request.url}
        if request.headers:
            document["headers"] = dict(request.headers)
        if request.members:
            document["body"] = dict(request.members)
        documents.append(document)
        files += [
            (f"requests.{at}.{field}", file) for field, several in request.files.items() for file in several
        ]
    text = strict_json.dump({"requests": documents})
    return multipart_form(text, files) if files else Encoded(JSON, (BytesContent(text),))
