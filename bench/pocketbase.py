"""A PocketBase with 10,000 posts and 100 users, the same ones every time."""

import os
import random
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bench.machine import tool
from bench.process import child, free_port, wait_until_ok

EMAIL, PASSWORD = "bench@example.com", "bench1234567890"
USER_PASSWORD = "password1234"
N_POSTS, N_USERS = 10_000, 100
_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_TEXT = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et "
    "dolore magna aliqua"
)
_FIRST_AT = 1_760_000_000
_POSTS: dict[str, Any] = {
    "name": "posts",
    "type": "base",
    "listRule": "",
    "viewRule": "",
    "indexes": ["CREATE INDEX `idx_posts_created` ON `posts` (`created`)"],
    "fields": [
        {"name": "title", "type": "text"},
        {"name": "body", "type": "text"},
        {"name": "author", "type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": 1},
        {"name": "likes", "type": "number"},
        {"name": "created", "type": "autodate", "onCreate": True},
        {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
    ],
}


@dataclass(frozen=True, slots=True)
class PocketBase:
    """One that runs.

    Attributes:
        token: a superuser's.
        ids: of all posts, oldest first.
    """

    pid: int
    port: int
    token: str
    ids: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def pocketbase(home: Path, port: int | None = None) -> Iterator[PocketBase]:
    """Run one in ``home``; its data is made when there is none yet.

    Args:
        port: any free one when ``None``.
    """
    data = home / "pb_data"
    is_new = not data.exists()
    if is_new:
        command = [tool("pocketbase"), "superuser", "upsert", EMAIL, PASSWORD, f"--dir={data}"]
        subprocess.run(command, cwd=home, check=True, capture_output=True)
        with _serving(home, data) as (_, first):
            _make_collections(first)
        _write_rows(data / "data.db")
    with closing(sqlite3.connect(data / "data.db")) as database:
        ids = [row[0] for row in database.execute("select id from posts order by created")]
    with _serving(home, data, port) as (pid, taken):
        yield PocketBase(pid, taken, _superuser_token(taken), ids)


def impersonated(upstream: PocketBase, user: str) -> tuple[str, int]:
    """A token of that user's, made without a password, and when it ends.

    Args:
        user: the record's id.
    """
    answer = httpx.post(
        f"{upstream.url}/api/collections/users/impersonate/{user}",
        json={"duration": 86_400},
        headers={"Authorization": upstream.token},
        timeout=30,
    )
    return str(answer.raise_for_status().json()["token"]), int(time.time()) + 86_000


@contextmanager
def _serving(home: Path, data: Path, port: int | None = None) -> Iterator[tuple[int, int]]:
    port = port or free_port()
    command = [tool("pocketbase"), "serve", f"--http=127.0.0.1:{port}", f"--dir={data}"]
    # pinned to one core, more Go threads at once would only get in each other's way
    environment = {**os.environ, "GOMAXPROCS": "1"}
    with child("pocketbase", command, home, environment=environment) as process:
        wait_until_ok(process, port, "/api/health", home / "pocketbase.log")
        yield process.pid, port


def _superuser_token(port: int) -> str:
    url = f"http://127.0.0.1:{port}/api/collections/_superusers/auth-with-password"
    answer = httpx.post(url, json={"identity": EMAIL, "password": PASSWORD}, timeout=30)
    return str(answer.raise_for_status().json()["token"])


def _make_collections(port: int) -> None:
    user = {"id": "user00000000000", "email": "u0@example.com", "name": "user 0", "verified": True}
    user |= {"password": USER_PASSWORD, "passwordConfirm": USER_PASSWORD}
    headers = {"Authorization": _superuser_token(port)}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        client.post("/api/collections", json=_POSTS).raise_for_status()
        client.post("/api/collections/users/records", json=user).raise_for_status()


def _write_rows(path: Path) -> None:
    """Straight into the database: through the API it would take a minute, and a bcrypt hash each user."""
    chance = random.Random(1)
    with closing(sqlite3.connect(path)) as database, database:
        database.row_factory = sqlite3.Row
        first = dict(database.execute("select * from users").fetchone())
        users = [first["id"]]
        for number in range(1, N_USERS):
            user = first | {"id": _id(chance), "email": f"u{number}@example.com", "name": f"user {number}"}
            user["tokenKey"] = "".join(chance.choices(_ID_CHARACTERS, k=50))
            users.append(user["id"])
            places = ",".join("?" * len(user))
            database.execute(f"insert into users ({','.join(user)}) values ({places})", tuple(user.values()))
        posts = (_post(chance, number, users) for number in range(N_POSTS))
        columns = "id,title,body,author,likes,created,updated"
        database.executemany(f"insert into posts ({columns}) values (?,?,?,?,?,?,?)", posts)


def _post(chance: random.Random, number: int, users: list[str]) -> tuple[str, str, str, str, int, str, str]:
    words = _TEXT.split()
    text = " ".join(chance.choices(words, k=80))[:300]
    at = datetime.fromtimestamp(_FIRST_AT + number * 61, UTC)
    date = f"{at:%Y-%m-%d %H:%M:%S}.{number % 1000:03d}Z"
    title = f"Post number {number} {chance.choice(words)}"
    return _id(chance), title, text, chance.choice(users), chance.randrange(100), date, date


def _id(chance: random.Random) -> str:
    return "".join(chance.choices(_ID_CHARACTERS, k=15))
