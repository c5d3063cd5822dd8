"""Preflights and cross-origin requests: each preflight twice, because the second comes from Hapta's memo."""

from tests.parity.case import Case, case, get, request
from tests.parity.paths import POST, POSTS

_ORIGIN = "Origin: https://front.example"


def _twice(name: str, target: str, *headers: str) -> list[Case]:
    asked = request("OPTIONS", target, *headers)
    return [case(f"{name}, first", asked), case(f"{name}, again", asked, asked)]


PREFLIGHTS: list[Case] = [
    *_twice("preflight of a list", POSTS, _ORIGIN, "Access-Control-Request-Method: GET"),
    *_twice(
        "preflight of an update",
        POST,
        _ORIGIN,
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers: authorization,content-type",
    ),
    *_twice(
        "preflight asking for other headers",
        POST,
        _ORIGIN,
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers: X-Odd, x-ODD ,,",
    ),
    *_twice(
        "preflight asking for no headers",
        POST,
        _ORIGIN,
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers:",
    ),
    *_twice(
        "preflight asking twice",
        POST,
        _ORIGIN,
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers: x-one",
        "Access-Control-Request-Headers: x-two",
    ),
    *_twice(
        "preflight asking for headers that are no unicode",
        POST,
        _ORIGIN,
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers: x-é",
    ),
    *_twice("preflight of an unknown route", "/nothing", _ORIGIN, "Access-Control-Request-Method: GET"),
    *_twice(
        "preflight of a custom route", "/api/custom/echo", _ORIGIN, "Access-Control-Request-Method: POST"
    ),
    *_twice("preflight of an unknown method", POSTS, _ORIGIN, "Access-Control-Request-Method: BREW"),
    *_twice("preflight without a method", POSTS, _ORIGIN, "Access-Control-Request-Method:"),
    *_twice("preflight of the origin null", POSTS, "Origin: null", "Access-Control-Request-Method: GET"),
    *_twice("preflight of an empty origin", POSTS, "Origin:", "Access-Control-Request-Method: GET"),
    *_twice(
        "preflight of two origins",
        POSTS,
        _ORIGIN,
        "Origin: https://other.example",
        "Access-Control-Request-Method: GET",
    ),
    *_twice(
        "preflight for a private network",
        POSTS,
        _ORIGIN,
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Private-Network: true",
    ),
    *_twice(
        "preflight of a very long origin",
        POSTS,
        "Origin: https://" + "x" * 600 + ".example",
        "Access-Control-Request-Method: GET",
    ),
    *_twice("preflight of the dashboard", "/_/", _ORIGIN, "Access-Control-Request-Method: GET"),
    *_twice(
        "preflight of a superuser route", "/api/settings", _ORIGIN, "Access-Control-Request-Method: PATCH"
    ),
    get("a list with Origin", POSTS + "?perPage=1", _ORIGIN),
    get("an error with Origin", POSTS + "/nothing", _ORIGIN),
    get("health with Origin", "/api/health", _ORIGIN),
    get("a static file with Origin", "/hello.txt", _ORIGIN),
    get("a custom route with Origin", "/api/custom/hello/you", _ORIGIN),
    get("a redirect with Origin", "//api/health", _ORIGIN),
    get("the origin null", POSTS + "?perPage=1", "Origin: null"),
]
