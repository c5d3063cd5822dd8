"""Before a figure is taken: the contender answers with the right bytes, from where it should."""

import gzip
import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from bench.errors import BenchError

_ASKED, _ASKED_FOR_GZIP = 2, 8
_PAUSE_S = 0.1
_ALIKE, _ALIKE_BYTES = 0.15, 128
"""Heads differ by what a client sends, and bodies of views by the length of a title."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One, read whole.

    Attributes:
        body: decoded.
        wire_bytes: of head and body as they were sent.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    wire_bytes: int


class Asker:
    """One kept-alive connection."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def get(self, target: str, headers: Mapping[str, str]) -> Answer:
        self._connection.request("GET", target, headers=dict(headers))
        answer = self._connection.getresponse()
        sent = answer.read()
        head = sum(len(name) + len(value) + 4 for name, value in answer.getheaders())
        found = {name.lower(): value for name, value in answer.getheaders()}
        body = gzip.decompress(sent) if found.get("content-encoding") == "gzip" else sent
        status_line = len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n") + 2
        return Answer(answer.status, found, body, status_line + head + len(sent))


@contextmanager
def asking(port: int) -> Iterator[Asker]:
    """A connection to that port."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        yield Asker(connection)


def prime(port: int, targets: Sequence[str], of_each: Sequence[Mapping[str, str]]) -> None:
    """Have each target asked for by each caller.

    Raises:
        BenchError: one is not answered with 200.
    """
    with asking(port) as asker:
        for headers in of_each:
            for target in targets:
                status = asker.get(target, headers).status
                if status != 200:
                    raise BenchError(f"{target} is answered with {status} at port {port}")


def proven(
    port: int,
    upstream_port: int,
    target: str,
    headers: Mapping[str, str],
    *,
    mark: tuple[str, str] | None = None,
    is_conditional: bool = False,
) -> Answer:
    """Ask until the answer is the one that comes from then on, and hold it against PocketBase's.

    Args:
        mark: header and text that tell of a hit.
        is_conditional: the validator of the first answer is given with the second, where there is one.

    Raises:
        BenchError: the body or the status is another, or it is not a hit.
    """
    with asking(upstream_port) as there:
        expected = there.get(target, headers)
    with asking(port) as here:
        found = here.get(target, headers)
        # a compressed variant is made beside the answers
        for _ in range(_ASKED_FOR_GZIP if "Accept-Encoding" in headers else _ASKED):
            time.sleep(_PAUSE_S)
            found = here.get(target, headers)
        if (expected.status, found.status) != (200, 200) or not _say_the_same(expected.body, found.body):
            raise BenchError(
                f"{target} at port {port}: {found.status} with {len(found.body)} bytes, "
                f"PocketBase says {expected.status} with {len(expected.body)}"
            )
        if mark is not None and mark[1] not in found.headers.get(mark[0].lower(), ""):
            raise BenchError(f"{target} at port {port}: {mark[0]} does not tell of {mark[1]!r}")
        if is_conditional and "etag" in found.headers:
            found = here.get(target, {**headers, "If-None-Match": found.headers["etag"]})
            if found.status != 304 or found.body:
                raise BenchError(f"{target} at port {port}: {found.status} to its own ETag")
    return found


def stale(port: int, upstream_port: int, targets: Sequence[str], headers: Mapping[str, str]) -> int:
    """How many of these are not answered as PocketBase answers them; nothing is written meanwhile."""
    with asking(port) as here, asking(upstream_port) as there:
        pairs = ((there.get(target, {}).body, here.get(target, headers).body) for target in targets)
        return sum(not _say_the_same(expected, found) for expected, found in pairs)


def _say_the_same(expected: bytes, found: bytes) -> bool:
    # PocketBase itself puts fields in another order from one answer to the next when it is asked for some
    return expected == found or json.loads(expected) == json.loads(found)


def is_alike(seen_bytes: float, expected_bytes: float) -> bool:
    """Whether answers were of the length of the proven one, so that none of another status was among them.

    wrk tells of statuses from 400 up only.
    """
    return abs(seen_bytes - expected_bytes) <= max(_ALIKE * expected_bytes, _ALIKE_BYTES)
