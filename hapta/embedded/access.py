"""Access to Hapta's own PocketBase when its settings shut Hapta out.

Superusers may be made to log in with two factors, without a password, or from certain addresses only
(dashboard, *_superusers* and *Settings, Application*). All of that is meant for people. Hapta owns the data:
it signs a token as PocketBase would (``core/record_tokens.go``: HS256, the record's token key and the
collection's secret one after the other), and puts the address it works from among those that may.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jwt

from hapta.embedded.accounts import superuser_command
from hapta.embedded.options import EmbeddedOptions

_LIFE_S = 3600
_OWN_ADDRESS = "127.0.0.1"
_RELOADED_AFTER_S = 0.5
"""PocketBase reads settings that another process changed after 50 ms, says ``core/notify_watcher.go``."""


async def make_token(options: EmbeddedOptions, email: str, now: float) -> str | None:
    """A superuser's token without a login; ``None`` where the data has no such superuser."""
    found = await asyncio.to_thread(_read, options.data_dir, _TOKEN_PARTS, email)
    if found is None:
        return None
    record, key, collection, collection_options = found
    secret = _parsed(collection_options).get("authToken", {}).get("secret", "")
    claims = {"id": record, "collectionId": collection, "type": "auth", "refreshable": False}
    return jwt.encode({**claims, "exp": int(now) + _LIFE_S}, f"{key}{secret}")


async def let_own_address_in(options: EmbeddedOptions) -> bool:
    """Add Hapta's address to ``superuserIPs`` where that list shuts it out; returns whether it did."""
    found = await asyncio.to_thread(_read, options.data_dir, _SETTINGS)
    allowed = _parsed(found[0]).get("superuserIPs") if found else None
    if not isinstance(allowed, list) or not allowed or any(_holds_own_address(str(one)) for one in allowed):
        return False
    status, _ = await superuser_command(options, "ips", *map(str, allowed), _OWN_ADDRESS)
    await asyncio.sleep(_RELOADED_AFTER_S)
    return status == 0


_TOKEN_PARTS = """
    SELECT s.id, s.tokenKey, c.id, c.options FROM _superusers AS s, _collections AS c
    WHERE s.email = ? AND c.name = '_superusers'
"""
_SETTINGS = "SELECT value FROM _params WHERE id = 'settings'"


def _read(data_dir: Path, statement: str, *values: str) -> tuple[Any, ...] | None:
    """One row of the database; ``None`` if there is none or it cannot be read."""
    with contextlib.suppress(sqlite3.Error):
        uri = f"{(data_dir / 'data.db').absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
            row: tuple[Any, ...] | None = connection.execute(statement, values).fetchone()
            return row
    return None


def _parsed(text: str | bytes) -> Mapping[str, Any]:
    """A JSON object; empty for anything else, such as settings that are stored encrypted."""
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    return {}


def _holds_own_address(allowed: str) -> bool:
    try:
        return ip_address(_OWN_ADDRESS) in ip_network(allowed, strict=False)
    except ValueError:
        return False
