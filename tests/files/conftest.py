"""A PocketBase with pictures that everybody may have, and a Hapta before it that keeps them."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import pytest

from tests.conftest import MakeHapta, MakePocketBase
from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase
from tests.support.relay import Relay
from tests.support.wire import Reply, ask

PICTURES: dict[str, Any] = {
    "name": "pictures",
    "type": "base",
    "listRule": "",
    "viewRule": None,
    "updateRule": "",
    "deleteRule": "",
    "fields": [
        {"name": "title", "type": "text"},
        {
            "name": "cover",
            "type": "file",
            "maxSelect": 9,
            "maxSize": 200_000_000,
            "thumbs": ["50x50", "0x40"],
        },
    ],
}
TEXT = b"0123456789" * 10


def png(width: int, height: int) -> bytes:
    """A small picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(i % 256 for i in range(width * 3)) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@dataclass
class Gallery:
    """Both sides, and one record with a picture and a text.

    Attributes:
        picture: path of the picture's file.
        text: path of the text's, 100 bytes.
    """

    pocketbase: PocketBase
    relay: Relay
    hapta: Hapta
    record: str = ""
    picture: str = ""
    text: str = ""

    def asked(self) -> list[str]:
        """Requests for files that reached PocketBase through Hapta."""
        return [line for line in self.relay.requests if " /api/files/" in line]

    def write(self, method: str, record: str, **body: Any) -> None:
        """Change a record through Hapta."""
        url = f"{self.hapta.url}/api/collections/pictures/records/{record}"
        httpx.request(method, url, json=body or None, timeout=30).raise_for_status()

    def upload(self, *contents: tuple[str, bytes]) -> tuple[str, list[str]]:
        """A new record with these files; its id and their paths."""
        parts = [("cover", (name, content)) for name, content in contents]
        answer = self.pocketbase.admin.post(
            "/api/collections/pictures/records", data={"title": "x"}, files=parts, timeout=60
        )
        answer.raise_for_status()
        row = answer.json()
        names = row["cover"]
        return row["id"], [f"/api/files/pictures/{row['id']}/{name}" for name in names]

    def ask(self, path: str, *lines: str, method: str = "GET") -> Reply:
        """Through Hapta."""
        return self._ask(self.hapta.url, path, lines, method)

    def ask_directly(self, path: str, *lines: str, method: str = "GET") -> Reply:
        """Without Hapta."""
        return self._ask(self.pocketbase.url, path, lines, method)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Through Hapta, however large it is."""
        return httpx.get(self.hapta.url + path, headers=headers, timeout=60)

    def status(self, path: str) -> str:
        """``Cache-Status`` of a GET through Hapta that is answered 200."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.headers["cache-status"]

    @staticmethod
    def _ask(url: str, path: str, lines: tuple[str, ...], method: str) -> Reply:
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: app.example.test", *lines, "", ""])
        return ask(url, head.encode())


class MakeGallery(Protocol):
    """Makes one, Hapta started; settings as in ``make_hapta``."""

    def __call__(self, *, env: Mapping[str, str] | None = None, **settings: Any) -> Gallery: ...


@pytest.fixture
def make_gallery(make_pocketbase: MakePocketBase, make_hapta: MakeHapta) -> Iterator[MakeGallery]:
    """Galleries of a test's own, gone after it."""
    with ExitStack() as closing:

        def make(*, env: Mapping[str, str] | None = None, **settings: Any) -> Gallery:
            pocketbase = make_pocketbase()
            pocketbase.admin.post("/api/collections", json=PICTURES).raise_for_status()
            relay = closing.enter_context(Relay(pocketbase.url))
            hapta = make_hapta(upstream=relay.url, started=False, env=env, **settings)
            gallery = Gallery(pocketbase, relay, hapta)
            gallery.record, (gallery.picture, gallery.text) = gallery.upload(
                ("a.png", png(200, 100)), ("t.txt", TEXT)
            )
            closing.callback(hapta.stop)  # before its relay
            hapta.start()
            return gallery

        yield make


@pytest.fixture
def gallery(make_gallery: MakeGallery) -> Gallery:
    """One with default settings."""
    return make_gallery()
