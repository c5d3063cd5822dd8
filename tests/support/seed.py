"""The rows every instance starts with, written through PocketBase's API by a superuser.

Ids are chosen (a word, zeros, a number; fifteen characters), so a test can name a row and both sides of a
comparison have the same one. Chosen ids contain ``0000``, which generated ones practically never do.
"""

import struct
import zlib
from typing import Any

import httpx

USERS, POSTS, TOPICS, COMMENTS, DIARIES, DOCUMENTS = 4, 30, 5, 45, 12, 4
_STATUS = ("draft", "published", "archived")
_TAGS = ("red", "green", "blue", "black")
APP_URL = "http://app.example.com"
"""Stands in every mail's links."""


def row_id(word: str, number: int) -> str:
    """``row_id("post", 7)`` is ``post00000000007``."""
    return word + str(number).zfill(15 - len(word))


def png(width: int = 160, height: int = 120) -> bytes:
    """A small picture, different at every point."""
    lines = b"".join(
        b"\0" + bytes(v for x in range(width) for v in (x % 256, y % 256, (x + y) % 256))
        for y in range(height)
    )
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def write(admin: httpx.Client, password: str) -> None:
    """Settings first (batch is off in a new PocketBase), then the rows."""
    settings = {
        "meta": {
            "appName": "Test app",
            "appURL": APP_URL,
            "senderName": "Test",
            "senderAddress": "test@example.com",
        },
        "batch": {"enabled": True, "maxRequests": 100, "timeout": 10},
        "trustedProxy": {"headers": ["X-Hapta-Client-IP"]},
    }
    admin.patch("/api/settings", json=settings).raise_for_status()
    rows = [*_accounts(password), *_open_rows(), *_ruled_rows()]
    for start in range(0, len(rows), 100):
        requests = [
            {"method": "POST", "url": f"/api/collections/{collection}/records", "body": body}
            for collection, body in rows[start : start + 100]
        ]
        answer = admin.post("/api/batch", json={"requests": requests})
        assert answer.status_code == 200, answer.text
    _write_documents(admin)


def _accounts(password: str) -> list[tuple[str, dict[str, Any]]]:
    users: tuple[tuple[str, str, int, dict[str, Any]], ...] = (
        ("users", "user", 1, {"name": "Ada", "role": "editor", "verified": True, "emailVisibility": True}),
        ("users", "user", 2, {"name": "Ben", "role": "reader", "verified": True, "emailVisibility": False}),
        ("users", "user", 3, {"name": "Cleo", "role": "reader", "verified": False, "emailVisibility": False}),
        ("users", "user", 4, {"name": "Dan", "verified": True, "emailVisibility": True}),
        ("staff", "staff", 1, {"username": "sam", "boss": True, "verified": True}),
        ("staff", "staff", 2, {"username": "tia", "boss": False, "verified": True}),
        ("members", "member", 1, {"verified": True}),
    )
    emails = ("ada", "ben", "cleo", "dan", "sam", "tia", "mia")
    secret = {"password": password, "passwordConfirm": password}
    return [
        (collection, {"id": row_id(word, n), "email": f"{name}@example.com", **fields, **secret})
        for (collection, word, n, fields), name in zip(users, emails, strict=True)
    ]


def _open_rows() -> list[tuple[str, dict[str, Any]]]:
    rows: list[tuple[str, dict[str, Any]]] = [
        ("topics", {"id": row_id("topic", n), "name": f"Topic {n}"}) for n in range(1, TOPICS + 1)
    ]
    for n in range(1, POSTS + 1):
        post = {
            "id": row_id("post", n),
            "title": f"Post {n:02} about “{_TAGS[n % 4]}” things & more",
            "slug": f"post-{n}",
            "body": f"<p>The <b>{n}</b>. text, longer than its title, to have an excerpt cut it.</p>",
            "views": n * 37 % 100,
            "rating": n / 7,
            "status": _STATUS[n % 3],
            "tags": list(_TAGS[: n % 4]),
            "published": f"2024-{n % 12 + 1:02}-{n % 28 + 1:02} 10:30:00.000Z",
            "featured": n % 5 == 0,
            "meta": {"n": n, "nested": {"list": [1, "two", None]}},
            "site": f"https://example.com/{n}",
            "contact": f"p{n}@example.com",
            "place": {"lon": n / 10, "lat": -n / 20},
            "internal": f"not for all {n}",
            "author": row_id("user", n % USERS + 1),
            "topics": [row_id("topic", t) for t in range(1, n % TOPICS + 1)],
        }
        rows.append(("posts", post))
    for n in range(1, COMMENTS + 1):
        comment = {
            "id": row_id("comment", n),
            "text": f"Comment {n}",
            "post": row_id("post", n % 15 + 1),
            "author": row_id("user", n % USERS + 1),
        }
        rows.append(("comments", comment))
    return rows


def _ruled_rows() -> list[tuple[str, dict[str, Any]]]:
    rows: list[tuple[str, dict[str, Any]]] = [
        ("diaries", {"id": row_id("diary", n), "entry": f"Day {n}", "owner": row_id("user", n % USERS + 1)})
        for n in range(1, DIARIES + 1)
    ]
    for collection, count in (("guarded", 6), ("closed", 3), ("keyed", 3), ("hooked", 3)):
        rows += [
            (collection, {"id": row_id(collection, n), "name": f"{collection} {n}"})
            for n in range(1, count + 1)
        ]
    return rows


def _write_documents(admin: httpx.Client) -> None:
    for n in range(1, DOCUMENTS + 1):
        fields = {
            "id": row_id("document", n),
            "name": f"Document {n}",
            "public": n % 2 == 0,
            "owner": row_id("user", n % 2 + 1),
        }
        files = [
            ("cover", ("cover.png", png(), "image/png")),
            ("attachments", ("letter one.txt", f"Letter {n}\n".encode() * 200, "text/plain")),
            ("attachments", ("data.bin", bytes(range(256)) * n, "application/octet-stream")),
            ("contract", ("contract.txt", f"Contract {n}, private.\n".encode(), "text/plain")),
        ]
        answer = admin.post("/api/collections/documents/records", data=fields, files=files)
        assert answer.status_code == 200, answer.text
