"""One comparison: requests as bytes, sent in order to both sides, and what may differ between the answers.

A request is written with ``$name$`` where each side has a value of its own (a token). Every allowance names
its row of ``docs/differences.md``; what is not allowed fails.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.normalise import Normaliser
from tests.support.wire import Reply, ask

HOST = "app.example.test"
DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"
_ROW = re.compile(r"^\| `([a-z0-9-]+)` \|", re.MULTILINE)
_BOUNDARY = re.compile(r"boundary=([0-9a-f]{60})")
_TYPES_TO_READ = ("text/", "application/json", "application/javascript", "image/svg")

HEADER_ROWS = {
    "date": "hop-by-hop",
    "connection": "hop-by-hop",
    "keep-alive": "hop-by-hop",
    "transfer-encoding": "answer-framing",
    "content-length": "answer-framing",
    "x-request-id": "request-id",
    "access-control-max-age": "preflight-max-age",
    "access-control-expose-headers": "exposed-headers",
    "ratelimit": "rate-limit",
    "ratelimit-policy": "rate-limit",
    "cache-status": "cache-status",
}
"""Header fields that are not compared as they are, with the row that says why."""
STORED_HEADER_ROWS = {"etag": "validators", "age": "validators", "cache-control": "validators"}
"""Header fields that answers have which can be stored; all others have PocketBase's."""
STORED_VARY = {"Origin, Authorization", "Origin, Accept-Encoding", "Origin, Authorization, Accept-Encoding"}
"""What their ``Vary`` may name besides ``Origin``: row ``validators``."""
_FROM_THE_STORE = re.compile(r"hapta; (?:hit|fwd=(?:uri-miss|stale)\b.*; (?:stored|collapsed))")


def rows() -> frozenset[str]:
    """The ids of all rows of the document."""
    return frozenset(_ROW.findall(DOCUMENT.read_text()))


@dataclass(frozen=True)
class Case:
    """Attributes:
    name: what is tried, in words.
    requests: sent one after the other, each on a connection of its own.
    differs: the row that allows the last answer to differ; then it must differ, and have ``status``.
    status: of Hapta's last answer, where ``differs`` is set.
    ordered: the bytes of JSON bodies are compared; else only their values (``fields`` shuffles keys).
    """

    name: str
    requests: tuple[bytes, ...]
    differs: str | None = None
    status: int | None = None
    ordered: bool = True


def request(
    method: str,
    target: str,
    *headers: str,
    body: bytes | str = b"",
    host: str | None = HOST,
    version: str = "1.1",
) -> bytes:
    """One request; ``Content-Length`` is added for a body, unless ``headers`` frame it themselves."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += headers
    framed = any(line.lower().startswith(("content-length:", "transfer-encoding:")) for line in headers)
    if content and not framed:
        lines.append("Content-Length: $length$")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + content


def case(
    name: str, *requests: bytes, differs: str | None = None, status: int | None = None, ordered: bool = True
) -> Case:
    """A :class:`Case`; JSON of pb_hooks has no order of keys."""
    ordered = ordered and not any(b" /api/custom/" in template[:40] for template in requests)
    return Case(name, requests, differs, status, ordered)


def get(name: str, target: str, *headers: str) -> Case:
    """One GET."""
    return case(name, request("GET", target, *headers), ordered="fields=" not in target)


def js(method: str, target: str, value: object, *headers: str) -> bytes:
    """A request with a JSON body."""
    return request(method, target, "Content-Type: application/json", *headers, body=json.dumps(value))


@dataclass
class Side:
    """One of the two ways to a PocketBase; keeps the numbering of generated values."""

    url: str
    values: Mapping[str, str]
    normaliser: Normaliser

    def ask(self, template: bytes) -> Reply:
        """Send one request."""
        for name, value in self.values.items():
            template = template.replace(f"${name}$".encode(), value.encode())
        length = len(template.partition(b"\r\n\r\n")[2])
        return ask(self.url, template.replace(b"$length$", str(length).encode(), 1))

    def readable(self, reply: Reply) -> tuple[str | bytes, list[tuple[str, str]]]:
        """Body and headers without what no two servers share."""
        kind = reply.get("content-type") or ""
        body: str | bytes = reply.body
        if kind.startswith(_TYPES_TO_READ) and reply.get("content-encoding") is None:
            body = self.normaliser.text(reply.body.decode("utf-8", "surrogateescape"))
        headers = [(name, self.normaliser.text(value)) for name, value in reply.headers]
        if isinstance(body, bytes) and (boundary := _BOUNDARY.search(kind)):
            body = body.replace(boundary[1].encode(), b"<boundary>")
            headers = [(name, value.replace(boundary[1], "<boundary>")) for name, value in headers]
        return body, headers


def differences(
    direct: Side, through: Side, one: Reply, other: Reply, *, method: str, ordered: bool
) -> list[str]:
    """One line for each difference no row allows."""
    found = []
    if one.status != other.status:
        found.append(f"status {one.status} != {other.status}")
    if one.interim != other.interim:
        found.append(f"interim answers {one.interim} != {other.interim}")
    (body, headers), (other_body, other_headers) = direct.readable(one), through.readable(other)
    if body != other_body and (ordered or _json(body) is None or _json(body) != _json(other_body)):
        found.append(f"body {body[:2000]!r} != {other_body[:2000]!r}")
    found += _header_differences(headers, other_headers)
    announced, other_announced = one.get("content-length"), other.get("content-length")
    if method == "HEAD" and announced not in (None, other_announced):  # a stored answer has a length
        found.append(f"content-length {announced} != {other_announced}")
    return found


def _json(body: str | bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _header_differences(one: Iterable[tuple[str, str]], other: Iterable[tuple[str, str]]) -> list[str]:
    other = list(other)
    if _FROM_THE_STORE.match(dict(other).get("cache-status", "")):
        assert STORED_HEADER_ROWS.keys() <= dict(other).keys(), f"a stored answer without validators: {other}"
        other = [
            (name, "Origin" if name == "vary" and value in STORED_VARY else value)
            for name, value in other
            if name not in STORED_HEADER_ROWS
        ]
    left, right = ([line for line in lines if line[0] not in HEADER_ROWS] for lines in (one, other))
    return (
        [f"only directly: {line}" for line in left if line not in right]
        + [f"only through Hapta: {line}" for line in right if line not in left]
        + ([] if len(left) == len(right) else [f"{len(left)} header lines != {len(right)}"])
    )
