"""Requests whose end, target or fields two parsers could read differently.

``SMUGGLED`` stands where a careless proxy would see a second request in what another parser takes for a body,
or the other way round: it must never reach the upstream.
"""

from dataclasses import dataclass

LIST = "/api/collections/posts/records"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
REFUSED = 400


@dataclass(frozen=True)
class Probe:
    """Attributes:
    name: what is tried.
    data: sent as it is on a connection of its own.
    status: of the only answer.
    arrives: the request (one, whole) reaches the upstream.
    body: the body it has there, content only.
    closes: the connection is closed after the answer.
    """

    name: str
    data: bytes
    status: int = REFUSED
    arrives: bool = False
    body: bytes = b""
    closes: bool = True


def _get(*lines: str, line: str = f"GET {LIST} HTTP/1.1", host: str = "Host: a") -> bytes:
    return "\r\n".join([line, *([host] if host else []), *lines, "", ""]).encode("latin-1")


def _post(*lines: str, body: bytes = b"", version: str = "1.1") -> bytes:
    fields = ["Content-Type: application/json", *lines]
    return _get(*fields, line=f"POST {LIST} HTTP/{version}") + body


def _chunked(body: bytes, *lines: str) -> bytes:
    return _post("Transfer-Encoding: chunked", *lines, body=body)


def refused(name: str, data: bytes, status: int = REFUSED) -> Probe:
    """Nothing reaches the upstream, the connection closes."""
    return Probe(name, data, status)


def passes(name: str, data: bytes, body: bytes = b"", *, closes: bool = False) -> Probe:
    """Arrives as one request."""
    return Probe(name, data, 200, arrives=True, body=body, closes=closes)


LENGTHS = [
    refused(
        "length and chunked",
        _post("Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    ),
    refused("chunked and length", _chunked(b"0\r\n\r\n" + SMUGGLED, "Content-Length: 4")),
    refused("two different lengths", _post("Content-Length: 0", "Content-Length: 35", body=SMUGGLED)),
    refused("the same length twice", _post("Content-Length: 2", "Content-Length: 2", body=b"{}")),
    refused("a list of lengths", _post("Content-Length: 2, 2", body=b"{}")),
    refused("a length with a plus", _post("Content-Length: +2", body=b"{}")),
    refused("a negative length", _post("Content-Length: -1", body=SMUGGLED)),
    refused("a hexadecimal length", _post("Content-Length: 0x2", body=b"{}")),
    refused("a length with an underscore", _post("Content-Length: 3_5", body=SMUGGLED)),
    refused("a length with a fraction", _post("Content-Length: 2.0", body=b"{}")),
    refused("a length with a space inside", _post("Content-Length: 3 5", body=SMUGGLED)),
    refused("a huge length", _post("Content-Length: 99999999999999999999", body=b"{}")),
    refused("an empty length", _post("Content-Length:", body=SMUGGLED)),
    refused("a length in other digits", _post("Content-Length: \xb2", body=b"{}")),
    refused("a length with a vertical tab", _post("Content-Length: \x0b2", body=b"{}")),
    refused("a space before the colon of a length", _post("Content-Length : 2", body=b"{}")),
    refused(
        "a length above what could ever be held", _post("Content-Length: 9000000000000", body=b"{}"), 413
    ),
    passes("a length with zeros before", _post("Content-Length: 0002", body=b"{}"), b"{}"),
    passes("a second request in a body", _post(f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED), SMUGGLED),
    passes(
        "a second request in the body of a GET", _get(f"Content-Length: {len(SMUGGLED)}") + SMUGGLED, SMUGGLED
    ),
]

CODINGS = [
    refused("gzip, chunked", _post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n" + SMUGGLED), 501),
    refused("chunked, gzip", _post("Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n" + SMUGGLED)),
    refused("chunked, chunked", _post("Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n" + SMUGGLED)),
    refused("chunked twice", _chunked(b"0\r\n\r\n" + SMUGGLED, "Transfer-Encoding: chunked")),
    refused("chunked, then identity", _chunked(b"0\r\n\r\n" + SMUGGLED, "Transfer-Encoding: identity")),
    refused("identity", _post("Transfer-Encoding: identity", "Content-Length: 2", body=b"{}")),
    refused("identity without a length", _post("Transfer-Encoding: identity", body=SMUGGLED)),
    refused("an unknown coding", _post("Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED)),
    refused(
        "a coding with a parameter", _post("Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n" + SMUGGLED)
    ),
    refused("a quoted coding", _post('Transfer-Encoding: "chunked"', body=b"0\r\n\r\n" + SMUGGLED)),
    refused("an empty coding", _post("Transfer-Encoding:", body=SMUGGLED), 501),
    refused(
        "a coding with a vertical tab", _post("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n" + SMUGGLED)
    ),
    refused("a coding with a NUL", _post("Transfer-Encoding: chunked\0", body=b"0\r\n\r\n" + SMUGGLED)),
    refused(
        "a space before the colon of a coding",
        _post("Transfer-Encoding : chunked", body=b"0\r\n\r\n" + SMUGGLED),
    ),
    refused(
        "a coding on a folded line", _post("Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n" + SMUGGLED)
    ),
    refused(
        "a comma before chunked", _post("Transfer-Encoding: , chunked", body=b"0\r\n\r\n" + SMUGGLED), 501
    ),
    refused("chunked in HTTP/1.0", _post("Transfer-Encoding: chunked", body=b"0\r\n\r\n", version="1.0")),
    passes(
        "Chunked in another case", _post("Transfer-Encoding: cHuNkEd", body=b"2\r\n{}\r\n0\r\n\r\n"), b"{}"
    ),
    refused(
        "chunked with tabs around", _post("Transfer-Encoding: \t chunked \t", body=b"2\r\n{}\r\n0\r\n\r\n")
    ),
    passes("Transfer_Encoding is another field", _get("Transfer_Encoding: chunked")),
    passes("a second request in a chunk", _chunked(b"23\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"), SMUGGLED),
]

CHUNKS = [
    refused("a size that is no number", _chunked(b"g\r\n{}\r\n0\r\n\r\n")),
    refused("a size with 0x", _chunked(b"0x2\r\n{}\r\n0\r\n\r\n")),
    refused("a negative size", _chunked(b"-2\r\n{}\r\n0\r\n\r\n")),
    refused("a size with a plus", _chunked(b"+2\r\n{}\r\n0\r\n\r\n")),
    refused("a size with an underscore", _chunked(b"0_2\r\n{}\r\n0\r\n\r\n")),
    refused("a size with a space before", _chunked(b" 2\r\n{}\r\n0\r\n\r\n")),
    refused("a size with a space behind", _chunked(b"2 \r\n{}\r\n0\r\n\r\n")),
    refused("an empty size", _chunked(b"\r\n{}\r\n0\r\n\r\n")),
    refused("a size too large for any counter", _chunked(b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n")),
    refused("a size that wraps to two", _chunked(b"10000000000000002\r\n{}\r\n0\r\n\r\n")),
    refused("a line feed alone behind a size", _chunked(b"2\n{}\r\n0\r\n\r\n")),
    refused("a carriage return alone behind a size", _chunked(b"2\r{}\r\n0\r\n\r\n")),
    refused("a chunk longer than its size", _chunked(b"2\r\n{}}\r\n0\r\n\r\n")),
    refused("a chunk shorter than its size", _chunked(b"5\r\n{}\r\n0\r\n\r\n")),
    refused("no line end behind a chunk", _chunked(b"2\r\n{}0\r\n\r\n")),
    refused("a line feed alone behind a chunk", _chunked(b"2\r\n{}\n0\r\n\r\n")),
    refused("a line feed in an extension", _chunked(b"2;a\nb\r\n{}\r\n0\r\n\r\n" + SMUGGLED)),
    refused("a NUL in an extension", _chunked(b"2;a\0b\r\n{}\r\n0\r\n\r\n")),
    refused("a length in the trailer", _chunked(b"2\r\n{}\r\n0\r\nContent-Length: 35\r\n\r\n" + SMUGGLED)),
    refused("a coding in the trailer", _chunked(b"2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    passes("an extension", _chunked(b'2;a=b;c="d"\r\n{}\r\n0;e\r\n\r\n'), b"{}"),
    passes("a trailer", _chunked(b"2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n"), b"{}"),
    passes(
        "an identity in the trailer", _chunked(b"2\r\n{}\r\n0\r\nAuthorization: x\r\nHost: b\r\n\r\n"), b"{}"
    ),
    passes("zeros before a size", _chunked(b"0000000000002\r\n{}\r\n000\r\n\r\n"), b"{}"),
]

LINES = [
    refused("line feeds alone", _get("X-A: b").replace(b"\r\n", b"\n")),
    refused("a line feed alone behind a field", _get("X-A: b\nX-C: d")),
    refused("a line feed alone before the empty line", _get("X-A: b")[:-2] + b"\n"),
    refused("a carriage return inside a value", _get("X-A: b\rX-C: d")),
    refused("a NUL in a value", _get("X-A: b\0c")),
    refused("a NUL in a name", _get("X-\0A: b")),
    refused("a control character in a value", _get("X-A: b\x01c")),
    refused("a space in a name", _get("X A: b")),
    refused("a space before a colon", _get("X-A : b")),
    refused("an empty name", _get(": b")),
    refused("a line without a colon", _get("nothing")),
    refused("a folded line", _get("X-A: b", " c")),
    refused("a folded first line", _get(host=" Host: a")),
    refused("a name outside ASCII", _get("X-\xe9: b")),
    refused("parentheses in a name", _get("X(A): b")),
    refused("no version", _get(line=f"GET {LIST}")),
    refused("HTTP/2.0", _get(line=f"GET {LIST} HTTP/2.0")),
    refused("HTTP/1.2", _get(line=f"GET {LIST} HTTP/1.2")),
    refused("HTTP/1.10", _get(line=f"GET {LIST} HTTP/1.10")),
    refused("HTTP/11", _get(line=f"GET {LIST} HTTP/11")),
    refused("http/1.1", _get(line=f"GET {LIST} http/1.1")),
    refused("something behind the version", _get(line=f"GET {LIST} HTTP/1.1 x")),
    passes("two spaces before the version", _get(line=f"GET {LIST}  HTTP/1.1")),
    refused("a tab for a space", _get(line=f"GET\t{LIST} HTTP/1.1")),
    refused("a space before the method", _get(line=f" GET {LIST} HTTP/1.1")),
    refused("a space in the target", _get(line=f"GET {LIST}?a=b c HTTP/1.1")),
    refused("a NUL in the target", _get(line=f"GET {LIST}\0 HTTP/1.1")),
    refused("a control character in the target", _get(line=f"GET {LIST}\x01 HTTP/1.1")),
    refused("a DEL in the target", _get(line=f"GET {LIST}\x7f HTTP/1.1")),
    refused("an empty method", _get(line=f" {LIST} HTTP/1.1")),
    refused("a target that is too long", _get(line=f"GET /{'x' * 17_000} HTTP/1.1"), 414),
    refused("a field that is too long", _get("X-Big: " + "x" * 33_000), 431),
    refused("fields that are too long together", _get(*(f"X-{n}: {'x' * 4000}" for n in range(9))), 431),
    refused("too many fields", _get(*(f"X-{n}: 1" for n in range(500))), 431),
    refused("one endless line", b"GET /" + b"x" * 60_000, 414),
    passes("empty lines before a request", b"\r\n\r\n" + _get()),
    passes("an empty value", _get("X-A:")),
    passes("UTF-8 in a value", _get("X-A: \xc3\xa9")),
]

TARGETS = [
    refused("no Host", _get(host="")),
    refused("two Hosts", _get("Host: b")),
    refused("the same Host twice", _get("Host: a")),
    refused("absolute form of another host", _get(line=f"GET http://b{LIST} HTTP/1.1")),
    refused("absolute form with a user", _get(line=f"GET http://a@b{LIST} HTTP/1.1")),
    refused("absolute form with another port", _get(line=f"GET http://a:81{LIST} HTTP/1.1")),
    refused("absolute form of another scheme", _get(line=f"GET ftp://a{LIST} HTTP/1.1")),
    refused("absolute form without a host", _get(line=f"GET http://{LIST} HTTP/1.1")),
    refused("authority form with GET", _get(line="GET a:80 HTTP/1.1")),
    refused("CONNECT", _get(line="CONNECT a:443 HTTP/1.1") + SMUGGLED),
    refused("CONNECT to a path", _get(line="CONNECT / HTTP/1.1") + SMUGGLED),
    refused("asterisk form", _get(line="OPTIONS * HTTP/1.1")),
    refused("asterisk form with GET", _get(line="GET * HTTP/1.1")),
    refused("no slash", _get(line="GET api/health HTTP/1.1")),
    refused("an invalid escape", _get(line="GET /%zz HTTP/1.1")),
    refused("a fragment", _get(line=f"GET {LIST}#x HTTP/1.1")),
    passes("absolute form of this host", _get(line=f"GET http://a{LIST} HTTP/1.1")),
    passes("absolute form of this host in upper case", _get(line=f"GET HTTP://A{LIST} HTTP/1.1")),
    passes("two slashes", _get(line="GET //b/c HTTP/1.1")),
    passes("a host with a path in it", _get(host="Host: a/b")),
]

OTHER_PROTOCOLS = [
    refused("the HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"),
    refused("a TLS greeting", bytes.fromhex("1603010200010001fc0303") + bytes(range(256)) * 2),
    refused("an SSH greeting", b"SSH-2.0-OpenSSH_9.2\r\n"),
    refused("the PROXY protocol", b"PROXY TCP4 6.6.6.6 127.0.0.1 1 80\r\n" + _get()),
    refused("the PROXY protocol, binary", b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c" + bytes(12) + _get()),
    refused("noise", bytes(range(255, -1, -1)) * 4),
    refused("an RTSP request", b"OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    refused("a response", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    passes(
        "h2c with a request behind",
        _get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
        + SMUGGLED,
        closes=True,
    ),
    passes(
        "websocket with a request behind",
        _get("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x")
        + SMUGGLED,
        closes=True,
    ),
    passes(
        "websocket with an odd version and a request behind",
        _get("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 777") + SMUGGLED,
        closes=True,
    ),
    passes("Upgrade without Connection", _get("Upgrade: websocket") + SMUGGLED, closes=True),
    passes(
        "an upgrade with a body",
        _post("Connection: upgrade", "Upgrade: h2c", "Content-Length: 2", body=b"{}" + SMUGGLED),
        b"{}",
        closes=True,
    ),
]

EXPECTATIONS = [
    Probe("an unknown expectation", _get("Expect: a-cookie"), 417),
    Probe("two expectations", _post("Expect: 100-continue, x", "Content-Length: 2", body=b"{}"), 417),
    Probe(
        "an unknown expectation before a body", _post("Expect: x", "Content-Length: 35", body=SMUGGLED), 417
    ),
    passes("100-continue without a body", _get("Expect: 100-continue")),
    passes(
        "100-continue in another case", _post("Expect: 100-CONTINUE", "Content-Length: 2", body=b"{}"), b"{}"
    ),
]

PROBES = [*LENGTHS, *CODINGS, *CHUNKS, *LINES, *TARGETS, *OTHER_PROTOCOLS, *EXPECTATIONS]
