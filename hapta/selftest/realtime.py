"""Checks of event streams: they open at once, and events come through unbuffered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from hapta.selftest.installation import Failed, Installation, explained, no_answer
from hapta.selftest.sse import Event, events

EVENT_S: Final = 5.0


@asynccontextmanager
async def stream(installation: Installation) -> AsyncIterator[tuple[str, AsyncIterator[Event]]]:
    """An open stream: the client id it was given, and its further events."""
    try:
        async with installation.http.stream(
            "GET", "/api/realtime", headers={"Accept": "text/event-stream"}
        ) as answer:
            if answer.status_code != 200:
                await answer.aread()
                raise Failed(f"GET /api/realtime: expected 200, got {explained(answer)}")
            arriving = events(answer.aiter_lines())
            connected = await _next(
                arriving, "the stream opened, but its first event did not come", "PB_CONNECT"
            )
            yield connected.id, arriving
    except httpx.HTTPError as exc:
        raise Failed(no_answer(exc, installation.url)) from exc


async def _next(arriving: AsyncIterator[Event], missing: str, name: str) -> Event:
    try:
        event = await asyncio.wait_for(anext(arriving), EVENT_S)
    except TimeoutError:
        raise Failed(f"{missing} within {EVENT_S:g} s: does a proxy in front collect answers?") from None
    except StopAsyncIteration:
        raise Failed(f"{missing}: the stream was closed") from None
    if event.name != name:
        raise Failed(f"expected the event {name}, got {event.name}")
    return event


async def ended(arriving: AsyncIterator[Event], otherwise: str) -> None:
    """Returns when the stream has ended.

    Raises:
        Failed: it goes on, with ``otherwise`` as the reason.
    """
    try:
        async with asyncio.timeout(EVENT_S):
            async for _ in arriving:
                pass
    except TimeoutError:
        raise Failed(f"{otherwise} after {EVENT_S:g} s") from None


async def subscribe(installation: Installation, client_id: str, topics: list[str], token: str = "") -> None:
    """Subscribe an open stream, as whoever ``token`` is of."""
    answer = await installation.ask(
        "POST", "/api/realtime", token=token, json={"clientId": client_id, "subscriptions": topics}
    )
    if answer.status_code == 400:
        raise Failed(
            f"POST /api/realtime: {explained(answer)}; PocketBase must see one address on both requests: "
            "`hapta doctor` looks at its trusted proxy setting"
        )
    if answer.status_code != 204:
        raise Failed(f"POST /api/realtime: expected 204, got {explained(answer)}")


async def connect(installation: Installation) -> None:
    """A stream opens, and PocketBase takes a subscription for it; nothing is stored."""
    async with stream(installation) as (client_id, _):
        await subscribe(installation, client_id, [])


async def deliver(installation: Installation) -> None:
    """A created record arrives at a subscriber."""
    topic = f"{installation.collection}/*"
    async with stream(installation) as (client_id, arriving):
        await subscribe(installation, client_id, [topic], installation.user)
        made = await installation.expect(
            200,
            "POST",
            f"/api/collections/{installation.collection}/records",
            token=installation.user,
            json={"title": "event", "owner": installation.user_id},
        )
        event = await _next(arriving, "a record was created, but its event did not come", topic)
        record = event.data.get("record", {}) if isinstance(event.data, dict) else {}
        if record.get("id") != made["id"] or event.data.get("action") != "create":
            raise Failed("the event is not that of the created record")
