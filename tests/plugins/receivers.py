"""A receiver of webhooks: a real server that answers as it is told."""

import asyncio
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

SECRET = "correct-horse-battery-staple-0123456789"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request that came in."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> Any:
        return json.loads(self.body)

    def is_signed(self, secret: str = SECRET) -> bool:
        """As a receiver checks it."""
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        mac = b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
        return self.headers["webhook-signature"] == f"v1,{mac}"


class ReceiverDouble:
    """Answers with ``answers`` one after the other, then with 204.

    Attributes:
        answers: status and headers of those to come.
        got: what came in.
        hold: answers wait until it is set.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.got: list[Delivery] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.most_at_once = 0
        self._at_once = 0
        self._runner: web.ServerRunner | None = None
        self.url = ""

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hooks"

    async def stop(self) -> None:
        self.hold.set()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self.got.append(Delivery(dict(request.headers), await request.read()))
            status, headers = self.answers.pop(0) if self.answers else (204, {})
            await self.hold.wait()
            return web.Response(status=status, headers=headers)
        finally:
            self._at_once -= 1
