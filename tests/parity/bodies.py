"""Request bodies: their type, their framing, their absence. What is stored goes into rows of its own ids."""

from tests.parity.case import Case, case, js, request
from tests.parity.paths import POST, POSTS

_ECHO = "/api/custom/echo"
_MIRROR = "/api/custom/mirror"
_JSON = "Content-Type: application/json"
_FORM = "Content-Type: application/x-www-form-urlencoded"
_MULTIPART = "Content-Type: multipart/form-data; boundary=XX"


def chunks(*pieces: str, extension: str = "") -> bytes:
    """A chunked body."""
    parts = [f"{len(piece.encode()):x}{extension}\r\n{piece}\r\n" for piece in (*pieces, "")]
    return "".join(parts).encode()


def multipart(*parts: tuple[str, str, str]) -> bytes:
    """Parts of (what stands after ``form-data;``, content type, content)."""
    lines = []
    for disposition, kind, content in parts:
        lines += ["--XX", f"Content-Disposition: form-data; {disposition}"]
        lines += [f"Content-Type: {kind}"] if kind else []
        lines += ["", content]
    return "\r\n".join([*lines, "--XX--", ""]).encode()


BODIES: list[Case] = [
    case("JSON with a charset", js("POST", POSTS, {"id": "body00000000001", "title": "é"})),
    case("JSON of the wrong type", request("POST", POSTS, _JSON, body='["title"]')),
    case("JSON that is none", request("POST", POSTS, _JSON, body='{"title":')),
    case("JSON with something behind it", request("POST", POSTS, _JSON, body='{"title":""} {"title":"x"}')),
    case("JSON with a byte order mark", request("POST", POSTS, _JSON, body=b'\xef\xbb\xbf{"title":"x"}')),
    case("JSON that is no UTF-8", request("POST", POSTS, _JSON, body=b'{"title":"\xff","id":"x"}')),
    case(
        "JSON nested deeply",
        request("POST", POSTS, _JSON, body='{"id":"x","meta":' + "[" * 500 + "]" * 500 + "}"),
    ),
    case("JSON with a key twice", request("POST", POSTS, _JSON, body='{"id":"x","id":"y","title":""}')),
    case(
        "a form",
        request("POST", POSTS, _FORM, body="id=body00000000002&title=A+form&tags=red&tags=blue&views=3"),
    ),
    case("a form with bad escapes", request("POST", POSTS, _FORM, body="id=x&title=%zz")),
    case(
        "a form with @jsonPayload",
        request(
            "POST",
            POSTS,
            _FORM,
            body="%40jsonPayload=%7B%22id%22%3A%22body00000000003%22%2C%22title%22%3A%22P%22%7D",
        ),
    ),
    case(
        "multipart",
        request(
            "POST",
            POSTS,
            _MULTIPART,
            body=multipart(
                ('name="id"', "", "body00000000004"),
                ('name="title"', "", "M"),
                ('name="meta"', "", '{"a":1}'),
            ),
        ),
    ),
    case(
        "multipart with @jsonPayload",
        request(
            "POST",
            POSTS,
            _MULTIPART,
            body=multipart(
                ('name="@jsonPayload"', "application/json", '{"id":"body00000000005","title":"J","views":7}')
            ),
        ),
    ),
    case(
        "multipart without a boundary",
        request(
            "POST", POSTS, "Content-Type: multipart/form-data", body=multipart(('name="title"', "", "x"))
        ),
    ),
    case(
        "multipart with another boundary", request("POST", POSTS, _MULTIPART, body="--YY\r\n\r\nx\r\n--YY--")
    ),
    case(
        "multipart cut off",
        request("POST", POSTS, _MULTIPART, body=multipart(('name="title"', "", "x"))[:-9]),
    ),
    case(
        "multipart with a quoted boundary",
        request(
            "POST",
            POSTS,
            'Content-Type: multipart/form-data; boundary="XX"',
            body=multipart(('name="id"', "", "body00000000006"), ('name="title"', "", "Q")),
        ),
    ),
    case(
        "a file beside fields",
        request(
            "POST",
            "/api/collections/documents/records",
            _MULTIPART,
            body=multipart(
                ('name="id"', "", "body00000000007"),
                ('name="attachments"; filename="a b é.txt"', "text/plain", "hi"),
            ),
        ),
    ),
    case(
        "a file of a type that is not allowed",
        request(
            "POST",
            "/api/collections/documents/records",
            _MULTIPART,
            body=multipart(('name="cover"; filename="photo.png"', "image/png", "no picture")),
        ),
    ),
    case("XML", request("POST", POSTS, "Content-Type: application/xml", body="<x><title>y</title></x>")),
    case("text", request("POST", POSTS, "Content-Type: text/plain", body='{"title":"x"}')),
    case("no type", request("POST", POSTS, body='{"title":"x"}')),
    case(
        "an unknown type",
        request("POST", POSTS, "Content-Type: application/vnd.api+json", body='{"title":"x"}'),
    ),
    case("a type that is none", request("POST", POSTS, "Content-Type: ;;", body='{"title":"x"}')),
    case(
        "two types",
        request("POST", POSTS, _JSON, "Content-Type: text/plain", body='{"title":"","id":"x"}'),
        differs="repeated-fields",
        status=400,
    ),
    case(
        "a type in upper case", request("POST", POSTS, "Content-Type: APPLICATION/JSON", body='{"title":""}')
    ),
    case("an empty body with a type", request("POST", POSTS, _JSON, "Content-Length: 0")),
    case("an empty body without a length", request("POST", POSTS, _JSON)),
    case(
        "an empty chunked body",
        request("POST", POSTS, _JSON, "Transfer-Encoding: chunked", body=chunks()),
        differs="empty-chunked-body",
        status=400,
    ),
    case(
        "a chunked body",
        request(
            "POST",
            POSTS,
            _JSON,
            "Transfer-Encoding: chunked",
            body=chunks('{"id":"body00000', '000008","title"', ':"C"}'),
        ),
    ),
    case(
        "a chunked body with extensions",
        request(
            "POST", POSTS, _JSON, "Transfer-Encoding: chunked", body=chunks('{"title":""}', extension=";a=b")
        ),
    ),
    case(
        "a chunked body to a custom route",
        request(
            "POST",
            _MIRROR,
            "Content-Type: text/x-odd",
            "Transfer-Encoding: chunked",
            body=chunks("one", "two", "three"),
        ),
    ),
    case("a body to a custom route", request("POST", _MIRROR, body=bytes(range(256)) * 40)),
    case(
        "a gzip body to a custom route",
        request("POST", _MIRROR, "Content-Encoding: gzip", body=b"\x1f\x8b\x08x"),
    ),
    case(
        "a gzip body to a record route",
        request("POST", POSTS, _JSON, "Content-Encoding: gzip", body=b"\x1f\x8b"),
    ),
    case("PUT with a body", request("PUT", _ECHO, "Content-Type: text/plain", body="put")),
    case("PATCH with a body", request("PATCH", _ECHO, "Content-Type: text/plain", body="patch")),
    case("DELETE with a body", request("DELETE", _ECHO, "Content-Type: text/plain", body="delete")),
    case("DELETE without a body", request("DELETE", _ECHO), differs="request-framing", status=200),
    case("POST without a body", request("POST", _ECHO), differs="request-framing", status=200),
    case("POST with Content-Length: 0", request("POST", _ECHO, "Content-Length: 0")),
    case("GET with a JSON body", js("GET", "/api/collections/keyed/records?perPage=1", {"name": "x"})),
    case("GET with a body of another type", request("GET", POST, "Content-Type: text/plain", body="x")),
    case("GET with a body without a type", request("GET", POST, body="x")),
    case(
        "GET with Content-Length: 0",
        request("GET", _ECHO, "Content-Length: 0"),
        differs="request-framing",
        status=200,
    ),
    case(
        "GET with a chunked body",
        request("GET", POST, _JSON, "Transfer-Encoding: chunked", body=chunks("{}")),
    ),
    case("HEAD with a body", js("HEAD", POST, {})),
    case("a body of a megabyte", request("POST", _MIRROR, body=b"0123456789abcdef" * 65536)),
    case("a text too long for its field", js("POST", POSTS, {"title": "x" * 200_000, "id": "x"})),
    case(
        "a file too large for its field",
        request(
            "POST",
            "/api/collections/documents/records",
            _MULTIPART,
            body=multipart(('name="attachments"; filename="letter.txt"', "text/plain", "x" * 1_100_000)),
        ),
    ),
    case(
        "a body above PocketBase's limit",
        request("POST", "/api/collections/hooked/records", _JSON, body='{"name":"' + "x" * (43 << 20) + '"}'),
    ),
]
