"""PocketBase as plugins reach it: reads straight, writes through the stages behind the hooks.

A write is announced to the cache and closed before the plugin has its answer, like anybody's
(:mod:`hapta.stages.invalidate`), so a read that begins afterwards never shows the old state. It passes no
hook, no limit and no header of a client, and it is finished even if the hook that asked for it runs out of
time: PocketBase may have it already.

PocketBase takes a request whose token has died for a guest's. Reads therefore name ``@request.`` in their
filter, which it lets only superusers do; of a refused write it is found out whether the token still lived,
and only if not is it sent again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import jwt
import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from hapta.feed.install import IMPORT, InstallFailed, complete, import_body
from hapta.feed.layout import OWN_NAMES
from hapta.hooks.change import NOTHING, Record
from hapta.hooks.database import BatchWrite, DatabaseError
from hapta.hooks.filter_params import filled_in, quoted
from hapta.model.address import parse_address
from hapta.model.exchange import Answer, Exchange, Handler, RequestBody
from hapta.model.identity import SUPERUSERS_ID, Identity
from hapta.model.operation import classify
from hapta.model.target import parse_target
from hapta.model.tasks import TaskSet
from hapta.server.protocol import new_request_id
from hapta.stages.fetch import nobody_leaves
from hapta.upstream.spool import SpoolBudget, SpooledBody
from hapta.upstream.superuser import (
    SUPERUSERS_ONLY,
    USER_AGENT,
    NotPocketBase,
    SuperuserClient,
    SuperuserRefused,
)

PREFIX: Final = "hapta_"
"""Collections of plugins are named so."""
MOST_ROWS: Final = 1000
"""On one page, as PocketBase has it."""

_PROOF = "/api/collections?perPage=1&skipTotal=1&fields=id"
_HERE = parse_address("127.0.0.1")
_METHODS = {"create": "POST", "update": "PATCH", "delete": "DELETE", "upsert": "PUT"}
_LAST_WRITES_S = 5.0
_MAY_BE_A_GUESTS = frozenset({400, 401, 403, 404})


class PluginDatabase:
    """A :class:`~hapta.hooks.database.Database`.

    Args:
        superuser: reads, and lends its token to writes.
        inner: the stages behind the hooks, and PocketBase.
    """

    def __init__(self, superuser: SuperuserClient, inner: Handler) -> None:
        self._superuser = superuser
        self._inner = inner
        self._host = urlsplit(superuser.base_url).netloc
        self._tasks = TaskSet()

    def go_through(self, inner: Handler) -> None:
        """Other stages from now on."""
        self._inner = inner

    async def view(self, collection: str, record: str, *, expand: str = "") -> Record | None:
        rows = await self._rows(collection, f"id = {quoted(record)}", expand=expand, perPage=1)
        return rows[0] if rows else None

    async def list(
        self,
        collection: str,
        *,
        filter: str = "",
        params: Mapping[str, Any] = NOTHING,
        sort: str = "",
        page: int = 1,
        per_page: int = 200,
        expand: str = "",
    ) -> Sequence[Record]:
        if not 1 <= per_page <= MOST_ROWS:
            raise ValueError(f"per_page is 1 to {MOST_ROWS}, not {per_page}")
        condition = filled_in(filter, params)
        return await self._rows(collection, condition, sort=sort, page=page, expand=expand, perPage=per_page)

    async def create(self, collection: str, fields: Mapping[str, Any]) -> Record:
        return _record(await self._write("POST", _records(collection), fields))

    async def update(self, collection: str, record: str, fields: Mapping[str, Any]) -> Record:
        return _record(await self._write("PATCH", _row(collection, record), fields))

    async def delete(self, collection: str, record: str) -> None:
        await self._write("DELETE", _row(collection, record), None)

    async def batch(self, writes: Sequence[BatchWrite]) -> Sequence[Record | None]:
        if not writes:
            return []
        requests = [_part(write) for write in writes]
        try:
            results = await self._write("POST", "/api/batch", {"requests": requests})
        except DatabaseError as exc:
            if exc.status != 403:
                raise
            message = "PocketBase's batch API is off: switch it on under Settings, Application"
            raise DatabaseError(403, message) from exc
        return [result["body"] or None for result in results]

    async def ensure_collection(self, collection: Mapping[str, Any]) -> None:
        try:
            await complete(self._superuser, [_own_collection(collection)], self._import)
        except (InstallFailed, NotPocketBase) as exc:
            raise DatabaseError(400, str(exc)) from exc
        except SuperuserRefused as exc:
            raise DatabaseError(403, str(exc)) from exc

    async def close(self) -> None:
        """Wait for the writes under way."""
        await self._tasks.finish(_LAST_WRITES_S)
        await self._tasks.cancel()

    # reads

    async def _rows(self, collection: str, condition: str, **query: Any) -> Sequence[Record]:
        # whoever wrote the condition may end it with a comment
        query["filter"] = f"{condition}\n// {SUPERUSERS_ONLY}" if condition.strip() else SUPERUSERS_ONLY
        given = {name: value for name, value in query.items() if value}
        path = f"{_records(collection)}?{urlencode(given, quote_via=quote)}&skipTotal=1"
        try:
            status, answer = await self._superuser.request("GET", path)
        except SuperuserRefused as exc:
            raise DatabaseError(403, str(exc)) from exc
        if status != 200:
            raise _refusal(status, answer)
        rows: list[Record] = answer["items"]
        return rows

    # writes

    async def _write(self, method: str, path: str, body: Any) -> Any:
        status, answer = await self._send(method, path, body)
        if status >= 300:
            raise _refusal(status, answer)
        return answer

    async def _import(self, changes: Sequence[Mapping[str, Any]]) -> tuple[int, Any]:
        return await self._send("PUT", IMPORT, import_body(changes))

    async def _send(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        text = None if body is None else orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS, default=dict)
        sending = self._tasks.spawn(self._to_its_end(method, path, text), name=f"plugin's {method} {path}")
        return await asyncio.shield(sending)

    async def _to_its_end(self, method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        try:
            token = await self._superuser.token()
            status, answer = await self._once(method, path, body, token)
            if status in _MAY_BE_A_GUESTS and not _is_about_fields(answer):
                await self._superuser.request("GET", _PROOF)
                renewed = await self._superuser.token()
                if renewed != token:
                    return await self._once(method, path, body, renewed)
        except SuperuserRefused as exc:
            raise DatabaseError(403, str(exc)) from exc
        return status, answer

    async def _once(self, method: str, path: str, body: bytes | None, token: str) -> tuple[int, Any]:
        answer = await self._inner(self._exchange(method, path, await _held(body), token))
        text = await _whole(answer)
        try:
            return answer.status, orjson.loads(text) if text else None
        except orjson.JSONDecodeError:
            return answer.status, None

    def _exchange(self, method: str, path: str, body: RequestBody | None, token: str) -> Exchange:
        headers = CIMultiDict({"Host": self._host, "User-Agent": USER_AGENT, "Accept": "application/json"})
        if body is not None:
            headers["Content-Type"] = "application/json"
        target = parse_target(path, self._host)
        return Exchange(
            method=method,
            target=target,
            operation=classify(method, target.segments),
            headers=CIMultiDictProxy(headers),
            body=body,
            scheme="http",
            peer=_HERE,
            client=_HERE,
            is_peer_trusted=False,
            is_admin_client=True,
            request_id=new_request_id(),
            on_client_gone=nobody_leaves,
            identity=Identity(SUPERUSERS_ID, _owner(token), token, session=None),
            authorization=token,
            wants_plain_answer=True,
        )


def _records(collection: str) -> str:
    return f"/api/collections/{quote(collection, safe='')}/records"


def _row(collection: str, record: str) -> str:
    if not record:
        raise ValueError(f"the id of a record of {collection} is empty")
    return f"{_records(collection)}/{quote(record, safe='')}"


def _part(write: BatchWrite) -> Mapping[str, Any]:
    method = _METHODS.get(write.action)
    if method is None:
        raise ValueError(f"a write of a batch is one of {', '.join(_METHODS)}, not {write.action!r}")
    is_of_row = write.action in ("update", "delete")
    url = _row(write.collection, write.id) if is_of_row else _records(write.collection)
    part: dict[str, Any] = {"method": method, "url": url}
    if write.action != "delete":
        part["body"] = dict(write.fields)
    return part


def _own_collection(collection: Mapping[str, Any]) -> Mapping[str, Any]:
    """As :mod:`hapta.feed.layout` has Hapta's: kept by every import, closed unless it says otherwise."""
    name = collection.get("name")
    if not isinstance(name, str) or not name.isidentifier() or not name.startswith(PREFIX):
        raise ValueError(f"the name of a plugin's collection begins with {PREFIX}, not {name!r}")
    if name in OWN_NAMES:
        raise ValueError(f"{name} is Hapta's own")
    return {
        "id": f"pbc_{name}",
        "type": "base",
        **dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule")),
        "indexes": [],
        **collection,
        "fields": [{"system": True, **field} for field in collection.get("fields", ())],
        "system": True,
    }


async def _held(text: bytes | None) -> SpooledBody | None:
    if text is None:
        return None
    body = SpooledBody(SpoolBudget(len(text)), len(text), None)
    await body.add(text)
    return body


async def _whole(answer: Answer) -> bytes:
    if isinstance(answer.body, bytes):
        return answer.body
    return b"".join([piece async for piece in answer.body.chunks()])


def _record(answer: Any) -> Record:
    if not isinstance(answer, dict):
        raise DatabaseError(200, "PocketBase has answered with something that is no record")
    return answer


def _is_about_fields(answer: Any) -> bool:
    """Only of a body that it has looked at PocketBase says what is wrong with which field."""
    data = answer.get("data") if isinstance(answer, dict) else None
    return isinstance(data, dict) and bool(data) and "requests" not in data


def _refusal(status: int, answer: Any) -> DatabaseError:
    if not isinstance(answer, dict):
        return DatabaseError(status, "PocketBase has refused")
    data = answer.get("data")
    return DatabaseError(status, str(answer.get("message", "")), data if isinstance(data, dict) else NOTHING)


def _owner(token: str) -> str:
    """Whose token it is; it was PocketBase who gave it to us."""
    try:
        owner = jwt.decode(token, options={"verify_signature": False}).get("id", "")
    except jwt.InvalidTokenError:
        return ""
    return str(owner)
