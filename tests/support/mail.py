"""A mail sink: an SMTP server without TLS that keeps every mail as one JSON file in a directory.

Files are named ``00001.json``, ``00002.json`` … in order of arrival, so that other processes (the SDK
scenarios) can wait for the next mail by looking into the directory. A file appears complete or not at all.
"""

import json
import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast


class MailSink:
    """SMTP on a free loopback port; a context manager."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.sink = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="mail sink")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        """All mails so far, oldest first: ``to`` (list), ``sender``, ``subject``, ``text``, ``html``."""
        found = [json.loads(path.read_text()) for path in sorted(self.directory.glob("*.json"))]
        return [mail for mail in found if to is None or to in mail["to"]]

    def keep(self, sender: str, to: list[str], content: bytes) -> None:
        message = message_from_bytes(content, policy=policy.default)
        mail = {
            "sender": sender,
            "to": to,
            "subject": str(message["subject"]),
            "text": _part(message, "plain"),
            "html": _part(message, "html"),
        }
        with self._lock:
            number = len(list(self.directory.glob("*.json"))) + 1
            unfinished = self.directory / f"{number:05}.part"
            unfinished.write_text(json.dumps(mail))
            unfinished.rename(self.directory / f"{number:05}.json")


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    return "" if body is None else str(body.get_content())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    sink: MailSink


class _Session(socketserver.StreamRequestHandler):
    """One SMTP conversation (RFC 5321 §3), as little of it as a mailer needs."""

    timeout = 30

    def handle(self) -> None:
        sender = ""
        to: list[str] = []
        self._say("220 sink")
        while line := self.rfile.readline().decode("latin-1").strip():
            match line.split(":", 1)[0].split(" ", 1)[0].upper():
                case "EHLO" | "HELO" | "RSET" | "NOOP":
                    sender, to = "", []
                    self._say("250 sink")
                case "MAIL":
                    sender = _address(line)
                    self._say("250 ok")
                case "RCPT":
                    to.append(_address(line))
                    self._say("250 ok")
                case "DATA":
                    self._say("354 go on")
                    cast("_Server", self.server).sink.keep(sender, to, self._read_content())
                    self._say("250 kept")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("502 not here")

    def _read_content(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


def _address(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]
