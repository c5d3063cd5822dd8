"""In place of a running Hapta, for the commands that speak to one."""

import json
import socketserver
from http.server import BaseHTTPRequestHandler
from typing import Any


class StandIn(socketserver.ThreadingUnixStreamServer):
    """In place of a running Hapta: notes what is asked, answers what the test says.

    Attributes:
        asked: method and target of each request.
        answers: by method and path; status and JSON.
    """

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Handler)
        self.asked: list[str] = []
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        status, body = self.server.answers[f"{self.command} {self.path.partition('?')[0]}"]
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_DELETE = do_POST = answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        return "unix"
