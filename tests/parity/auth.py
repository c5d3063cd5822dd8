"""Signing in, and what it looks like when that fails."""

from tests.parity.case import Case, case, get, js, request
from tests.parity.paths import POST

_USERS = "/api/collections/users"
_PASSWORD = "correct-horse-1"
_EXPIRED = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjb2xsZWN0aW9uSWQiOiJfcGJfdXNlcnNfYXV0aF8iLCJleHAiOjE2MDAwMDAwMDAsImlk"
    "IjoidXNlcjAwMDAwMDAwMDAxIiwidHlwZSI6ImF1dGgifQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


def _login(collection: str, identity: str, password: str = _PASSWORD, *headers: str) -> bytes:
    target = f"/api/collections/{collection}/auth-with-password"
    return js("POST", target, {"identity": identity, "password": password}, *headers)


AUTH: list[Case] = [
    case("a login", _login("users", "ada@example.com")),
    case("a login by collection id", _login("_pb_users_auth_", "ada@example.com")),
    case("a login to a collection in upper case", _login("USERS", "ada@example.com")),
    case("a login by user name", _login("staff", "sam")),
    case("a login with a wrong password", _login("users", "ada@example.com", "wrong")),
    case("a login of nobody", _login("users", "nobody@example.com")),
    case("a login without a body", request("POST", _USERS + "/auth-with-password")),
    case("a login to a collection without logins", _login("posts", "ada@example.com")),
    case("a login to a collection that is not there", _login("nothing", "ada@example.com")),
    case("a superuser's login", _login("_superusers", "admin@example.com")),
    case("a superuser's wrong login", _login("_superusers", "admin@example.com", "wrong")),
    case("a login while signed in", _login("users", "ben@example.com", _PASSWORD, "Authorization: $user$")),
    case("the first of two factors", _login("members", "mia@example.com")),
    case("a login by GET", request("GET", _USERS + "/auth-with-password")),
    case(
        "a login with OAuth2 that is off",
        js("POST", _USERS + "/auth-with-oauth2", {"provider": "google", "code": "x"}),
    ),
    case(
        "a login with a one-time code that is none",
        js("POST", _USERS + "/auth-with-otp", {"otpId": "nothing00000000", "password": "12345678"}),
    ),
    case("a one-time code for nobody", js("POST", _USERS + "/request-otp", {"email": "nobody@example.com"})),
    case("auth-refresh", request("POST", _USERS + "/auth-refresh", "Authorization: $user$")),
    case(
        "auth-refresh with Bearer", request("POST", _USERS + "/auth-refresh", "Authorization: bEaReR $user$")
    ),
    case("auth-refresh of a guest", request("POST", _USERS + "/auth-refresh")),
    case(
        "auth-refresh elsewhere",
        request("POST", "/api/collections/staff/auth-refresh", "Authorization: $user$"),
    ),
    case(
        "auth-refresh with expand",
        request("POST", _USERS + "/auth-refresh?fields=token", "Authorization: $user$"),
        ordered=False,
    ),
    case("a file token", request("POST", "/api/files/token", "Authorization: $user$")),
    case("a file token for a guest", request("POST", "/api/files/token")),
    case(
        "impersonate by a user",
        request("POST", _USERS + "/impersonate/user00000000002", "Authorization: $user$"),
    ),
    case(
        "impersonate by a superuser",
        js("POST", _USERS + "/impersonate/user00000000002", {"duration": 600}, "Authorization: $admin$"),
    ),
    case(
        "request-verification", js("POST", _USERS + "/request-verification", {"email": "nobody@example.com"})
    ),
    case("request-password-reset", js("POST", _USERS + "/request-password-reset", {"email": "no address"})),
    case(
        "request-email-change of a guest",
        js("POST", _USERS + "/request-email-change", {"newEmail": "x@y.zz"}),
    ),
    case("confirm-verification with nonsense", js("POST", _USERS + "/confirm-verification", {"token": "x"})),
    case(
        "confirm-password-reset with nonsense", js("POST", _USERS + "/confirm-password-reset", {"token": "x"})
    ),
    case("confirm-email-change with nonsense", js("POST", _USERS + "/confirm-email-change", {"token": "x"})),
    case("a custom route that signs in", request("POST", "/api/custom/sign-in", "Authorization: $user$")),
    case("a custom route that signs in a guest", request("POST", "/api/custom/sign-in")),
    get("an expired token is a guest", "/api/collections/guarded/records", f"Authorization: {_EXPIRED}"),
    get("nonsense as a token is a guest", "/api/collections/guarded/records", "Authorization: nonsense"),
    get("Basic is a guest", "/api/collections/guarded/records", "Authorization: Basic dXNlcjpwYXNz"),
    get("an empty Authorization is a guest", POST, "Authorization:"),
    get(
        "two tokens: the first counts",
        "/api/collections/diaries/records",
        "Authorization: $user$",
        "Authorization: $other$",
    ),
    get("a file token is no identity", "/api/collections/guarded/records", "Authorization: $file_user$"),
    get("a token with spaces around", "/api/custom/hello/you", "Authorization:   $user$   "),
    get("Bearer and two spaces", "/api/custom/hello/you", "Authorization: Bearer  $user$"),
    case("the OAuth2 redirect", request("GET", "/api/oauth2-redirect?state=nothing&code=x")),
    case("the OAuth2 redirect with an error", request("GET", "/api/oauth2-redirect?error=denied")),
    case(
        "the OAuth2 redirect by POST",
        request(
            "POST",
            "/api/oauth2-redirect",
            "Content-Type: application/x-www-form-urlencoded",
            body="state=x&code=y",
        ),
    ),
]
