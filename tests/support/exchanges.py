"""Exchanges as the front makes them, for tests of single stages."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from ipaddress import ip_address

from multidict import CIMultiDict, CIMultiDictProxy

from hapta.model.exchange import Answer, Exchange, RequestBody
from hapta.model.operation import classify
from hapta.model.target import parse_target

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


class Body:
    """A request body, held whole."""

    def __init__(self, content: bytes, piece_bytes: int = 7) -> None:
        self._content = content
        self._piece_bytes = piece_bytes

    @property
    def length(self) -> int:
        return len(self._content)

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), self._piece_bytes):
            yield self._content[start : start + self._piece_bytes]


async def whole(body: RequestBody) -> bytes:
    """All bytes of a body, as many as it says."""
    content = b"".join([piece async for piece in body.chunks()])
    assert len(content) == body.length
    return content


def exchange(
    method: str = "GET",
    target: str = "/",
    headers: Headers = (),
    body: bytes | None = None,
    *,
    is_admin_client: bool = True,
    is_peer_trusted: bool = False,
    peer: str = "127.0.0.1",
    client: str = "127.0.0.1",
) -> Exchange:
    """One request; ``Host`` is there unless ``headers`` have it."""
    received = CIMultiDict(headers)
    received.setdefault("Host", "app.example.test")
    parsed = parse_target(target, received["Host"])
    return Exchange(
        method=method,
        target=parsed,
        operation=classify(method, parsed.segments),
        headers=CIMultiDictProxy(received),
        body=None if body is None else Body(body),
        scheme="http",
        peer=ip_address(peer),
        client=ip_address(client),
        is_peer_trusted=is_peer_trusted,
        is_admin_client=is_admin_client,
        request_id="request-1",
        on_client_gone=_on_client_gone,
    )


def _on_client_gone(callback: Callable[[], None]) -> Callable[[], None]:
    del callback
    return lambda: None


class Upstream:
    """The next handler: answers always the same and remembers what it was asked."""

    def __init__(
        self, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = (), body: bytes = b""
    ) -> None:
        self._status, self._headers, self._body = status, headers, body
        self.asked: list[Exchange] = []

    async def __call__(self, exchange: Exchange) -> Answer:
        self.asked.append(exchange)
        return Answer(self._status, list(self._headers), self._body)


def fields(answer: Answer, name: bytes) -> list[bytes]:
    """All values of an answer's field, by lower-case name."""
    return [value for key, value in answer.headers if key.lower() == name]
