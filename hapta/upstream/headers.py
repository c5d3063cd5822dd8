"""Which header fields travel on, and which end here.

Hop-by-hop fields are those RFC 9110 §7.6.1 lists and those a ``Connection`` header nominates, except that no
nomination may strip what frames, authenticates or attributes a request: a client could otherwise make
PocketBase see another message than Hapta decided about.

API rules read a field as ``@request.headers.x_real_ip``: PocketBase turns whatever is neither letter nor
digit into an underscore (``tools/inflector`` Snakecase), and of two fields that become one it takes either.
So ``X_Real_IP`` or ``X.Real.IP`` would be a forged ``X-Real-IP`` in every other request, and ends here too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from multidict import CIMultiDict

from hapta.model.address import FORWARDING_HEADERS, Address
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
_ENDS_HERE = frozenset({b"content-length", *(name.encode() for name in _HOP_BY_HOP)})
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
_NAMES_KEPT, _NAME_CHARS = 1024, 64
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


def _is_for_pocketbase(name: str) -> bool:
    return name.lower() not in _DROPPED and not _passes_for_ours(name)


def _is_for_client(name: bytes) -> bool:
    return name.lower() not in _ENDS_HERE


_known_for_pocketbase = lru_cache(_NAMES_KEPT)(_is_for_pocketbase)
_known_for_client = lru_cache(_NAMES_KEPT)(_is_for_client)
"""The same few names come with every message; long ones are looked at each time, so the tables stay small."""


def request_headers(exchange: Exchange, host: str | None) -> CIMultiDict[str]:
    """The header section PocketBase gets.

    Args:
        exchange: the request; its own forwarding headers are passed on only from a trusted proxy.
        host: ``Host`` to send; ``None`` sends the client's own.
    """
    received = exchange.headers
    fields = [
        (name, value if value.isascii() else _sendable(value))
        for name, value in received.items()
        if (_known_for_pocketbase if len(name) <= _NAME_CHARS else _is_for_pocketbase)(name)
    ]
    if connection := received.get("Connection"):
        dropped = nominated(",".join(received.getall("Connection", [connection])))
        fields = [field for field in fields if field[0].lower() not in dropped]
    if exchange.wants_plain_answer:
        fields = [field for field in fields if field[0].lower() != "accept-encoding"]
    if exchange.authorization is not None:
        fields.append(("Authorization", _sendable(exchange.authorization)))
    client_host = received.get("Host", "")
    if own_host := (client_host if host is None else host):
        fields.append(("Host", _sendable(own_host)))
    fields += _forwarding(exchange, client_host)
    fields.append(("X-Request-Id", exchange.request_id))
    return CIMultiDict(fields)


def _forwarding(exchange: Exchange, client_host: str) -> Sequence[tuple[str, str]]:
    if not exchange.is_peer_trusted and exchange.client is exchange.peer and len(client_host) <= _NAME_CHARS:
        return _forwarding_of(exchange.peer, client_host, exchange.scheme)
    return _forwarding_fields(exchange, client_host)


@lru_cache(_NAMES_KEPT)
def _forwarding_of(peer: Address, host: str, scheme: str) -> Sequence[tuple[str, str]]:
    """Of a client nobody stands before: the same with each of its requests."""
    text = str(peer)
    return _fields(text, host, scheme, _element(text, host, scheme), text)


def _forwarding_fields(exchange: Exchange, client_host: str) -> Sequence[tuple[str, str]]:
    received, peer = exchange.headers, str(exchange.peer)
    chain, host = peer, client_host
    vendor = []
    if exchange.is_peer_trusted:
        chain = ", ".join([*received.getall("X-Forwarded-For", ()), peer])
        host = received.get("X-Forwarded-Host", host)
        vendor = [
            (name, _sendable(received[name])) for name in sorted(_VENDOR_FORWARDING) if name in received
        ]
    forwarded = _forwarded(received, exchange, client_host, peer)
    return [*vendor, *_fields(chain, host, exchange.scheme, forwarded, str(exchange.client))]


def _fields(chain: str, host: str, scheme: str, forwarded: str, client: str) -> Sequence[tuple[str, str]]:
    return (
        ("X-Forwarded-For", _sendable(chain)),
        ("X-Forwarded-Host", _sendable(host)),
        ("X-Forwarded-Proto", scheme),
        ("Forwarded", forwarded),
        ("X-Real-IP", client),
        (CLIENT_IP_HEADER, client),
        ("Via", "1.1 hapta"),
    )


def _forwarded(received: Mapping[str, str], exchange: Exchange, host: str, peer: str) -> str:
    element = _element(peer, host, exchange.scheme)
    before = received.get("Forwarded") if exchange.is_peer_trusted else None
    return f"{_sendable(before)}, {element}" if before else element


def _element(peer: str, host: str, scheme: str) -> str:
    """RFC 7239 §4: one element for the hop we saw ourselves."""
    node = f'"[{peer}]"' if ":" in peer else peer
    quoted = host.replace("\\", "").replace('"', "")
    return f'for={node};host="{_sendable(quoted)}";proto={scheme}'


def answer_headers(raw: Iterable[Header]) -> list[Header]:
    """The header lines of PocketBase's answer that travel on, in order, without ``Content-Length``."""
    lines: list[Header] = []
    connection: list[bytes] = []
    for line in raw:
        name = line[0]
        if (_known_for_client if len(name) <= _NAME_CHARS else _is_for_client)(name):
            lines.append(line)
        elif len(name) == 10 and name.lower() == b"connection":
            connection.append(line[1])
    if connection:
        dropped = {name.encode() for name in nominated(b",".join(connection).decode("latin-1"))}
        lines = [line for line in lines if line[0].lower() not in dropped]
    return lines


def header(lines: Iterable[Header], name: bytes) -> bytes | None:
    """The first value of a field, by lower-case name."""
    for key, value in lines:
        if key.lower() == name:
            return value
    return None
