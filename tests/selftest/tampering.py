"""A transport that does wrong on purpose, in front of a real Hapta.

A fault changes one answer; the check that is there for it must notice.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

Fault = Callable[[httpx.Request, httpx.Response], httpx.Response]


def no_fault(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
    return answer


class Tampering(httpx.AsyncBaseTransport):
    """Passes requests on, and answers through ``fault``."""

    def __init__(self, fault: Fault = no_fault) -> None:
        self._real = httpx.AsyncHTTPTransport()
        self._fault = fault

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._real.handle_async_request(request)
        if answer.headers.get("Content-Type") == "text/event-stream":
            answer.request = request
            return self._fault(request, answer)
        body = await answer.aread()
        whole = httpx.Response(answer.status_code, headers=answer.headers, content=body, request=request)
        changed = self._fault(request, whole)
        changed.request = request
        return changed

    async def aclose(self) -> None:
        await self._real.aclose()


class Replaced(httpx.AsyncByteStream):
    """An event stream whose bytes went through ``change``."""

    def __init__(self, answer: httpx.Response, change: Callable[[bytes], bytes]) -> None:
        self._answer, self._change = answer, change

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._answer.aiter_raw():
            yield self._change(piece)

    async def aclose(self) -> None:
        await self._answer.aclose()


class Endless(httpx.AsyncByteStream):
    """An event stream that goes on in silence when the real one has ended."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._answer.aiter_raw():
            yield piece
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        await self._answer.aclose()


def with_json(answer: httpx.Response, **fields: Any) -> httpx.Response:
    """``answer`` with some fields of its body changed."""
    return httpx.Response(answer.status_code, json={**json.loads(answer.content), **fields})


def when(method: str, part: str, change: Callable[[httpx.Response], httpx.Response]) -> Fault:
    """A fault in the answers to ``method`` on paths that contain ``part``."""

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.method != method or part not in request.url.path:
            return answer
        changed = change(answer)
        changed.request = request
        return changed

    return fault
