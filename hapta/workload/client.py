"""Sending the workload's requests: as whom, from which address, to which of the targets."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from itertools import count

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, FormData, TCPConnector
from yarl import URL

from hapta.embedded import CLIENT_IP_HEADER
from hapta.model.errors import OperatorError
from hapta.workload import schema
from hapta.workload.answers import Answer
from hapta.workload.calls import GUEST, SUPERUSER, Read, Write

NO_ANSWER = Answer(0, b"", is_json=False)


def open_http(tls: ssl.SSLContext | None = None) -> ClientSession:
    """A client session for the workload: no cookies, no limit of connections, a minute for each request.

    Args:
        tls: whose certificates are taken; by default the system's trust store.
    """
    return ClientSession(
        connector=TCPConnector(limit=0, ssl=tls or True),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=60.0),
    )


class Client:
    """Sends requests as the callers of the workload.

    Every caller has an address of its own, guests a new one each time: limits and PocketBase's own slow-down
    of empty lists are per address. It is given in ``X-Forwarded-For`` for a Hapta that trusts loopback, and
    in Hapta's own header for PocketBase without one; Hapta drops the latter when it arrives from outside.

    Args:
        http: the session to use.
        urls: where to send to; requests take turns.
        tokens: ``Authorization`` by caller; a guest has none.
    """

    def __init__(self, http: ClientSession, urls: Sequence[str], tokens: Mapping[str, str]) -> None:
        self._http, self._urls, self._tokens = http, urls, tokens
        self._turn = count()
        self._guests = count()

    async def get(self, target: str, caller: str) -> Answer:
        """Read ``target`` as ``caller``."""
        return await self._send("GET", target, caller)

    async def write(self, call: Write) -> Answer:
        """Send a write."""
        if call.method == "DELETE":
            return await self._send("DELETE", call.target, call.caller)
        if call.picture is None:
            body = orjson.dumps(call.fields)
            return await self._send(call.method, call.target, call.caller, body, "application/json")
        form = FormData()
        form.add_field("@jsonPayload", orjson.dumps(call.fields).decode())
        form.add_field("files", call.picture, filename="photo.png", content_type="image/png")
        return await self._send(call.method, call.target, call.caller, form)

    async def log_in(self, identity: str, password: str, collection: str = schema.USERS) -> str:
        """Log in with a password; returns the token.

        Raises:
            OperatorError: the target refuses it, or does not answer.
        """
        body = orjson.dumps({"identity": identity, "password": password})
        target = f"/api/collections/{collection}/auth-with-password"
        answer = await self._send("POST", target, SUPERUSER, body, "application/json")
        if answer.status != 200 or not answer.json:
            raise OperatorError(
                f"login of {identity} at {self._urls[0]}: answered {answer.status or 'not at all'}"
            )
        return str(answer.json["token"])

    async def _send(
        self,
        method: str,
        target: str,
        caller: str,
        body: bytes | FormData | None = None,
        content_type: str = "",
    ) -> Answer:
        url = URL(self._urls[next(self._turn) % len(self._urls)] + target, encoded=True)
        headers = {"Content-Type": content_type} if content_type else {}
        if caller in self._tokens:
            headers["Authorization"] = self._tokens[caller]
        if caller != SUPERUSER:
            headers["X-Forwarded-For"] = headers[CLIENT_IP_HEADER] = self._address(caller)
        try:
            async with self._http.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return Answer(
                    response.status,
                    await response.read(),
                    response.content_type == "application/json",
                    response.headers.get("Cache-Status", ""),
                )
        except (ClientError, TimeoutError, asyncio.IncompleteReadError):
            return NO_ANSWER

    def _address(self, caller: str) -> str:
        if caller == GUEST:
            number = next(self._guests) % 0xFFFFFF
            return f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        number = int(caller.removeprefix("user"))
        return f"10.0.{number >> 8}.{number & 255}"


def target_of(call: Read, file_names: Mapping[str, str]) -> str | None:
    """Path and query of a read; ``None`` while the name of its file is not known."""
    if call.file_of is None:
        return call.target
    name = file_names.get(call.file_of)
    return None if name is None else f"{call.target}{name}?thumb={schema.THUMB}"
