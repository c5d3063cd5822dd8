"""Records as a superuser sees them, asked of PocketBase once for each request that wants them."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from hapta.hooks.change import Load, Record
from hapta.model.errors import UpstreamLost


class Superuser(Protocol):
    """Asks PocketBase; :class:`hapta.upstream.superuser.SuperuserClient` is one."""

    async def request(self, method: str, path: str) -> tuple[int, Any]:
        """Status and parsed body."""


def record_loader(superuser: Superuser, collection_id: str, record: str) -> Load:
    """Reads a record when it is first called, and answers the same from then on.

    What it returns raises UpstreamLost where PocketBase does not say whether there is such a record, and what
    ``superuser`` raises.
    """
    lock = asyncio.Lock()
    found: list[Record | None] = []

    async def load() -> Record | None:
        async with lock:
            if not found:
                found.append(await _read(superuser, collection_id, record))
        return found[0]

    return load


async def _read(superuser: Superuser, collection_id: str, record: str) -> Record | None:
    name = quote(record.encode("utf-8", "surrogateescape"), safe="")  # which need not be text
    path = f"/api/collections/{quote(collection_id, safe='')}/records/{name}"
    status, answer = await superuser.request("GET", path)
    if status == 404:
        return None
    if status != 200 or not isinstance(answer, Mapping):
        raise UpstreamLost
    return answer
