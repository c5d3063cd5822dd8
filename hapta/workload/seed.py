"""Filling a PocketBase with the initial world in seconds.

Collections and settings go through its API; rows go straight into its SQLite file in one transaction
(PocketBase keeps no copy of records) and files straight into its storage directory. One account is made
through the API and removed again, for the hash of the password that all users share: hashing a password for
each would take most of the time.
"""

import base64
import hashlib
import json
import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from hapta.embedded import CLIENT_IP_HEADER
from hapta.model.errors import OperatorError
from hapta.workload import schema
from hapta.workload.draws import Workload
from hapta.workload.photo import photo
from hapta.workload.pocketbase import PocketBase
from hapta.workload.rows import Row, initial_rows, photo_name, post_id

USER_PASSWORD = "a password shared by all"
"""Of every user of the throwaway database."""

_MODEL = "hashmodel000000"


async def seed(
    http: ClientSession, pocketbase: PocketBase, workload: Workload, *, with_private_posts: bool
) -> None:
    """Set up collections, settings, rows and files.

    Raises:
        OperatorError: PocketBase refuses a part of it.
    """
    token = await superuser_token(http, pocketbase)
    wanted = {
        "batch": {"enabled": True, "maxRequests": 50, "timeout": 3},
        "trustedProxy": {"headers": [CLIENT_IP_HEADER], "useLeftmostIP": False},
        "rateLimits": {"enabled": False},
        "logs": {"maxDays": 0},
    }
    await _ask(http, "PATCH", f"{pocketbase.url}/api/settings", token, wanted)
    imported = {
        "collections": schema.collections(with_private_posts=with_private_posts),
        "deleteMissing": False,
    }
    await _ask(http, "PUT", f"{pocketbase.url}/api/collections/import", token, imported)
    password_hash = await _password_hash(http, pocketbase, token)
    rows = initial_rows(
        workload.profile, workload.world, password_hash, with_private_posts=with_private_posts
    )
    with closing(sqlite3.connect(pocketbase.data_dir / "data.db", timeout=10)) as database, database:
        for collection, collection_rows in rows:
            _insert(database, collection, collection_rows)
    storage = pocketbase.data_dir / "storage" / schema.collection_id(schema.POSTS)
    for post, has_file in enumerate(workload.world.has_file):
        if has_file:
            _store(storage / post_id(post), photo_name(post), photo(post))


async def superuser_token(http: ClientSession, pocketbase: PocketBase) -> str:
    """Log in as the superuser, straight at PocketBase."""
    credentials = {"identity": pocketbase.email, "password": pocketbase.password}
    url = f"{pocketbase.url}/api/collections/_superusers/auth-with-password"
    return str((await _ask(http, "POST", url, None, credentials))["token"])


async def user_token(http: ClientSession, pocketbase: PocketBase, superuser: str, user: str) -> str:
    """A token of ``user``, made straight at PocketBase without a login."""
    url = f"{pocketbase.url}/api/collections/{schema.USERS}/impersonate/{user}"
    return str((await _ask(http, "POST", url, superuser, {"duration": 86_400}))["token"])


async def _password_hash(http: ClientSession, pocketbase: PocketBase, token: str) -> str:
    url = f"{pocketbase.url}/api/collections/{schema.USERS}/records"
    model = {"id": _MODEL, "username": _MODEL, "email": "model@example.com"}
    passwords = {"password": USER_PASSWORD, "passwordConfirm": USER_PASSWORD}
    await _ask(http, "POST", url, token, {**model, **passwords})
    with closing(sqlite3.connect(pocketbase.data_dir / "data.db", timeout=10)) as database:
        (found,) = database.execute("SELECT password FROM users WHERE id = ?", [_MODEL]).fetchone()
    await _ask(http, "DELETE", f"{url}/{_MODEL}", token, None)
    return str(found)


async def _ask(http: ClientSession, method: str, url: str, token: str | None, body: object) -> Any:
    headers = {"Authorization": token} if token else {}
    async with http.request(method, url, json=body, headers=headers) as answer:
        text = await answer.text()
        if answer.status >= 300:
            raise OperatorError(f"{method} {url}: PocketBase answered {answer.status}: {text}")
        return json.loads(text) if text else None


def _insert(database: sqlite3.Connection, collection: str, rows: Iterable[Row]) -> None:
    for row in rows:
        columns = dict(row)
        if collection == schema.USERS:
            columns["tokenKey"] = secrets.token_hex(25)
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" for _ in columns)
        values = [json.dumps(value) if isinstance(value, list) else value for value in columns.values()]
        database.execute(f'INSERT INTO "{collection}" ({names}) VALUES ({marks})', values)


def _store(directory: Path, name: str, picture: bytes) -> None:
    """Lay down a file as PocketBase's local storage does: the content, and its attributes beside it."""
    directory.mkdir(parents=True)
    (directory / name).write_bytes(picture)
    attributes = {
        "user.cache_control": "",
        "user.content_disposition": "",
        "user.content_encoding": "",
        "user.content_language": "",
        "user.content_type": "image/png",
        "user.metadata": {"original-filename": name},
        "md5": base64.b64encode(hashlib.md5(picture, usedforsecurity=False).digest()).decode(),
    }
    (directory / f"{name}.attrs").write_text(json.dumps(attributes))
