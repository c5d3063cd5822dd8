"""Routes of pb_hooks: PocketBase answers them as the app wants, Hapta knows nothing of them."""

from tests.parity.case import Case, case, get, js, request

CUSTOM: list[Case] = [
    get("a route outside of /api", "/page/you"),
    get("an answer in pieces", "/api/custom/stream"),
    get("a long answer in pieces", "/api/custom/stream?chunks=40&size=20000"),
    get("a slow answer in pieces", "/api/custom/stream?chunks=4&ms=30"),
    get("a redirect", "/api/custom/redirect"),
    get("a permanent redirect elsewhere", "/api/custom/redirect?status=308&to=https://other.example/x?y=z"),
    get("a redirect with 307", "/api/custom/redirect?status=307&to=/page/x"),
    get("bytes", "/api/custom/bytes"),
    get("many bytes", "/api/custom/bytes?size=300000"),
    get("no bytes", "/api/custom/bytes?size=0"),
    get("a validator", "/api/custom/etag"),
    get("204", "/api/custom/empty"),
    get("205", "/api/custom/empty?code=205"),
    get("200 without a body", "/api/custom/empty?code=200"),
    get("304 without being asked", "/api/custom/empty?code=304"),
    get("500 without a body", "/api/custom/empty?code=500"),
    get("an error of an app's own", "/api/custom/fails"),
    get("cookies", "/api/custom/cookies"),
    *(
        get(f"status {status}", f"/api/custom/echo?status={status}")
        for status in (201, 202, 203, 206, 299, 400, 401, 402, 409, 418, 421, 429, 499, 500, 501, 503, 599)
    ),
    case(
        "a counted call",
        request("POST", "/api/custom/count/parity"),
        request("POST", "/api/custom/count/parity"),
    ),
    case("JSON to an echo", js("POST", "/api/custom/echo", {"a": [1, None, "é"]})),
    case(
        "a body to an echo, chunked",
        request("POST", "/api/custom/mirror", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
    ),
    get(
        "a record a hook shapes, for a user",
        "/api/collections/hooked/records/hooked000000001",
        "Authorization: $user$",
    ),
    case("a create a hook refuses", js("POST", "/api/collections/hooked/records", {"name": "forbidden"})),
    case(
        "a create a hook refuses after the commit",
        js("POST", "/api/collections/hooked/records", {"id": "custom000000001", "name": "stored anyway"}),
        request("GET", "/api/collections/hooked/records/custom000000001"),
    ),
    case(
        "a create a hook shapes",
        js("POST", "/api/collections/hooked/records", {"name": "fine"}, "X-Club: red"),
    ),
]
