"""Methods, known and unknown, on routes that have them and on routes that have not."""

from tests.parity.case import Case, case, request
from tests.parity.paths import POST, POSTS

_EVERYWHERE = (
    "/",
    "/hello.txt",
    "/missing/page",
    "/api/health",
    POSTS,
    POST,
    POSTS + "/nothing",
    "/api/collections",
    "/api/settings",
    "/api/custom/hello/you",
    "/api/custom/stream",
    "/api/custom/redirect",
    "/api/custom/bytes?size=3000",
    "/_/",
    "/api/files/documents/document0000001/nothing.png",
    "/api/collections/users/auth-methods",
    "/page/you",
)
_ODD = ("PUT", "PATCH", "DELETE", "POST", "TRACE", "PROPFIND", "QUERY", "PURGE")
_UNKNOWN = ("get", "Get", "X-CUSTOM", "BREW")

METHODS: list[Case] = [
    *(case(f"HEAD {target}", request("HEAD", target)) for target in _EVERYWHERE),
    *(case(f"{method} on the root", request(method, "/")) for method in _ODD),
    *(case(f"{method} on a list", request(method, POSTS + "x")) for method in _ODD),
    *(case(f"{method} on a custom route", request(method, "/api/custom/hello/you")) for method in _ODD),
    case("PUT on a record", request("PUT", POST)),
    case("POST on a record", request("POST", POST)),
    *(
        case(f"{method} on {what}", request(method, target), differs="unknown-method", status=400)
        for method in _UNKNOWN
        for what, target in (
            ("the root", "/"),
            ("a custom route", "/api/custom/hello/you"),
            ("a record", POST),
        )
    ),
    case("TRACE on a record", request("TRACE", POST)),
    case("OPTIONS without Origin", request("OPTIONS", POSTS)),
    case("OPTIONS on a path that is not there", request("OPTIONS", "/nothing")),
    case("OPTIONS on a custom route", request("OPTIONS", "/api/custom/hello/you")),
    case("OPTIONS on the dashboard", request("OPTIONS", "/_/")),
    case("OPTIONS with Origin but no method", request("OPTIONS", POSTS, "Origin: https://a.example")),
    case("OPTIONS with a body", request("OPTIONS", POSTS, "Content-Type: text/plain", body="hello")),
]
