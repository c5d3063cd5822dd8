"""An OpenID Connect provider that lets everybody in, for the OAuth2 flow of PocketBase.

Its page of consent is a redirect straight back. With ``login_hint=denied`` the person says no.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

PERSON = {"sub": "person-1", "name": "Olga", "email": "olga@example.com", "email_verified": True}


class OidcProvider:
    """HTTP on a free loopback port; a context manager."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="oidc provider")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def settings(self) -> dict[str, Any]:
        """What a PocketBase auth collection needs to know, as its ``oauth2`` option."""
        provider = {
            "name": "oidc",
            "displayName": "Test provider",
            "clientId": "client",
            "clientSecret": "secret",
            "authURL": f"{self.url}/authorize",
            "tokenURL": f"{self.url}/token",
            "userInfoURL": f"{self.url}/person",
        }
        return {"enabled": True, "providers": [provider], "mappedFields": {"name": "name"}}


class _Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/person":
            self._answer(200, PERSON)
            return
        outcome = {"error": "access_denied"} if query.get("login_hint") == ["denied"] else {"code": "code-1"}
        back = query["redirect_uri"][0] + "?" + urlencode({**outcome, "state": query["state"][0]})
        self._answer(302, {}, {"Location": back})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {"access_token": "provider-access", "token_type": "Bearer", "expires_in": 3600})

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the base class writes to stderr."""
