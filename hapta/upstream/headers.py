"""Which header fields travel on, and which end here.

Hop-by-hop fields are those RFC 9110 §7.6.1 lists and those a ``Connection`` header nominates, except that no
nomination may strip what frames, authenticates or attributes a request: a client could otherwise make
PocketBase see another message than Hapta decided about.

API rules read a field as ``@request.headers.x_real_ip``: PocketBase turns whatever is neither letter nor
digit into an underscore (``tools/inflector`` Snakecase), and of two fields that become one it takes either.
So ``X_Real_IP`` or ``X.Real.IP`` would be a forged ``X-Real-IP`` in every other request, and ends here too.
"""

import re
from collections.abc import Iterable, Mapping

from multidict import CIMultiDict

from hapta.model.address import FORWARDING_HEADERS
from hapta.model.exchange import Exchange, Header

CLIENT_IP_HEADER = "X-Hapta-Client-IP"
"""Tells PocketBase the client's address; stripped from every request that comes in."""

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    }
)
_HOP_BY_HOP_BYTES = frozenset(name.encode() for name in _HOP_BY_HOP)
_NEVER_NOMINATED = frozenset(
    {
        "authorization",
        "content-length",
        "content-type",
        "content-encoding",
        "cookie",
        "host",
        "origin",
        "range",
    }
)
_OURS = frozenset(
    {CLIENT_IP_HEADER.lower(), "authorization", "x-request-id", "expect", "content-length", "via", "host"}
    | {name.lower() for name in FORWARDING_HEADERS}
)
_DROPPED = _HOP_BY_HOP | _OURS
_VENDOR_FORWARDING = frozenset(FORWARDING_HEADERS) - {
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
}
_ODD_NAME = re.compile(r"[^A-Za-z0-9-]|--|\A-|-\Z")
_NOT_IN_A_RULE = re.compile(r"[^a-z0-9]+")


def _passes_for_ours(name: str) -> bool:
    """Whether an API rule would take the field for one that only Hapta writes."""
    return bool(_ODD_NAME.search(name)) and _NOT_IN_A_RULE.sub("-", name.lower()).strip("-") in _OURS


def nominated(connection: str) -> frozenset[str]:
    """Field names a ``Connection`` header strips on this hop, lower-case, without those that may not be
    stripped."""
    names = frozenset(token.strip().lower() for token in connection.split(","))
    return names - _NEVER_NOMINATED


def _sendable(value: str) -> str:
    """Bytes outside UTF-8 cannot be sent by the client library: they are read as ISO 8859-1 instead."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def request_headers(exchange: Exchange, host: str | None) -> CIMultiDict[str]:
    """The header section PocketBase gets.

    Args:
        exchange: the request; its own forwarding headers are passed on only from a trusted proxy.
        host: ``Host`` to send; ``None`` sends the client's own.
    """
    received = exchange.headers
    dropped: Iterable[str] = _DROPPED
    if connection := received.get("Connection"):
        dropped = _DROPPED | nominated(",".join(received.getall("Connection", [connection])))
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in received.items():
        if name.lower() not in dropped and not _passes_for_ours(name):
            headers.add(name, value if value.isascii() else _sendable(value))
    if exchange.authorization is not None:
        headers["Authorization"] = _sendable(exchange.authorization)
    if exchange.wants_plain_answer:
        headers.popall("Accept-Encoding", None)
    client_host = received.get("Host", "")
    if own_host := (client_host if host is None else host):
        headers["Host"] = _sendable(own_host)
    _add_forwarding(headers, exchange, client_host)
    headers["Via"] = "1.1 hapta"
    headers["X-Request-Id"] = exchange.request_id
    return headers


def _add_forwarding(headers: CIMultiDict[str], exchange: Exchange, client_host: str) -> None:
    received, peer = exchange.headers, str(exchange.peer)
    chain, host = peer, client_host
    if exchange.is_peer_trusted:
        chain = ", ".join([*received.getall("X-Forwarded-For", ()), peer])
        host = received.get("X-Forwarded-Host", host)
        for name in _VENDOR_FORWARDING:
            if name in received:
                headers[name] = _sendable(received[name])
    headers["X-Forwarded-For"] = _sendable(chain)
    headers["X-Forwarded-Host"] = _sendable(host)
    headers["X-Forwarded-Proto"] = exchange.scheme
    headers["Forwarded"] = _forwarded(received, exchange, client_host, peer)
    client = peer if exchange.client is exchange.peer else str(exchange.client)
    headers["X-Real-IP"] = headers[CLIENT_IP_HEADER] = client


def _forwarded(received: Mapping[str, str], exchange: Exchange, host: str, peer: str) -> str:
    """RFC 7239 §4: one element for the hop we saw ourselves."""
    node = f'"[{peer}]"' if ":" in peer else peer
    quoted = host.replace("\\", "").replace('"', "")
    element = f'for={node};host="{_sendable(quoted)}";proto={exchange.scheme}'
    before = received.get("Forwarded") if exchange.is_peer_trusted else None
    return f"{_sendable(before)}, {element}" if before else element


def answer_headers(raw: Iterable[Header]) -> list[Header]:
    """The header lines of PocketBase's answer that travel on, in order, without ``Content-Length``."""
    lines = list(raw)
    dropped: frozenset[bytes] = _HOP_BY_HOP_BYTES
    for name, value in lines:
        if len(name) == 10 and name.lower() == b"connection":
            dropped = dropped | {token.encode() for token in nominated(value.decode("latin-1"))}
    return [line for line in lines if (name := line[0].lower()) not in dropped and name != b"content-length"]


def header(lines: Iterable[Header], name: bytes) -> bytes | None:
    """The first value of a field, by lower-case name."""
    for key, value in lines:
        if key.lower() == name:
            return value
    return None
