"""Checks of the cache: a repeated read is a hit with the same bytes, and shows the next write at once."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import httpx

from hapta.selftest.installation import Failed, Installation, Skipped, explained, parsed

TRIES = 20
PAUSE_S = 0.1
_NOT_JUST_NOW = ("feed", "write", "schema", "origin", "view")
"""Reasons of a by-pass that pass by themselves: an idle Hapta listens again once it is asked."""


def _target(installation: Installation) -> str:
    query = urlencode({"filter": "is_open = true", "sort": "title", "perPage": 50})
    return f"/api/collections/{installation.collection}/records?{query}"


async def hit(installation: Installation) -> None:
    """A list that was asked for is there when it is asked for again, byte for byte; the same as a 304."""
    first, again = await _twice(installation)
    if again.content != first.content:
        raise Failed("the stored answer is not the one PocketBase gave a moment before")
    etag = again.headers.get("ETag", "")
    if not etag:
        raise Failed("the answer from the cache has no ETag")
    path = _target(installation)
    answer = await installation.ask("GET", path, headers={"If-None-Match": etag})
    if answer.status_code != 304:
        raise Failed(f"If-None-Match with the ETag just given: expected 304, got {explained(answer)}")


async def invalidation(installation: Installation) -> None:
    """What is written shows in the very next read of what was stored."""
    await _twice(installation)
    record = f"/api/collections/{installation.collection}/records/{installation.records['open']}"
    for title in ("cached once", "cached twice"):
        fields = {"title": title}
        await installation.expect(200, "PATCH", record, token=installation.user, json=fields)
        seen = parsed(await _read(installation))
        titles = [
            item.get("title") for item in seen["items"] if item.get("id") == installation.records["open"]
        ]
        if titles != [title]:
            raise Failed(f"a change to {title!r} was answered, and the list after it shows {titles}")


async def _twice(installation: Installation) -> tuple[httpx.Response, httpx.Response]:
    """Two reads in a row of which the second was a hit; the first may have been one, too.

    Raises:
        Skipped: nothing is stored here, and that is meant to be so.
        Failed: the second read was no hit.
    """
    said = ""
    for _ in range(TRIES):
        first, second = await _read(installation), await _read(installation)
        said = second.headers.get("Cache-Status", "")
        if not said and installation.setup.is_caching:
            raise Failed("the answer has no Cache-Status, though the cache is on: does a proxy remove it?")
        if not said:
            raise Skipped("no Cache-Status: the cache is off (cache.is_enabled), or a proxy removes it")
        if "hapta; hit" in said:
            return first, second
        reason = _member(said, "detail")
        if reason == "hooks":
            raise Skipped("PocketBase's hooks may change answers by anything in a request (cache.pb_hooks)")
        if reason and reason not in _NOT_JUST_NOW:
            break
        await asyncio.sleep(PAUSE_S)
    raise Failed(f"the same list asked for again is no hit: {said}; `hapta cache explain` says why")


async def _read(installation: Installation) -> httpx.Response:
    answer = await installation.ask("GET", _target(installation))
    if answer.status_code != 200:
        raise Failed(f"the open records: expected 200, got {explained(answer)}")
    return answer


def _member(status: str, name: str) -> str:
    """The value of a parameter of the last member of ``Cache-Status``, ours; empty without one."""
    parameters: dict[str, Any] = {}
    for part in status.rpartition(",")[2].split(";"):
        key, _, value = part.strip().partition("=")
        parameters[key] = value
    return str(parameters.get(name, ""))
