"""The check of limits: whoever asks too much is told so in PocketBase's form, and when to come back.

To use up what is allowed would shut out everybody else behind the same address for a while. But a batch
counts as the requests in it, and what is refused costs nothing: one batch of more than is left shows it all.
Only with nothing used yet would it be let through; then a smaller one goes first.
"""

import re
from typing import Any, Final

import httpx

from hapta.selftest.installation import Failed, Installation, Skipped, explained, parsed

MOST: Final = 2000
"""Requests in one batch; more would be a load by itself."""
_MORE: Final = 100
_STATE: Final = re.compile(r";\s*r=(\d+);\s*t=(\d+)")


async def limit(installation: Installation) -> None:
    """More than is left is refused, and the refusal takes nothing away."""
    path = f"/api/collections/{installation.collection}/records"
    seen = await installation.ask("GET", path, token=installation.user)
    states = [(int(left), int(full_in_s)) for left, full_in_s in _STATE.findall(_header(seen))]
    if not states:
        raise Skipped("limits are off, or not told to clients (ratelimit.is_enabled, ratelimit.headers)")
    left, full_in_s = min(states)
    count = left + _MORE
    if count > MOST:
        raise Skipped(f"{left} requests are allowed at once, too many to be tried out")
    if full_in_s <= 1:
        await _batch(installation, path, _MORE)
    answer = await _batch(installation, path, count)
    if answer.status_code != 429:
        raise Failed(f"a batch of {count} requests, with {left} left: expected 429, got {explained(answer)}")
    refusal = parsed(answer)
    is_in_form = isinstance(refusal, dict) and {"data", "message"} <= refusal.keys()
    if not is_in_form or refusal["status"] != 429:
        raise Failed("the 429 is not in PocketBase's form {data, message, status}")
    if not re.fullmatch(r"[1-9]\d*", answer.headers.get("Retry-After", "")):
        raise Failed("the 429 does not say in Retry-After when to come back")
    after = await installation.ask_once("GET", path, token=installation.user)
    if after.status_code != 200:
        raise Failed(f"after a refused batch a list is refused, too: expected 200, got {explained(after)}")


def _header(answer: httpx.Response) -> str:
    found: str = answer.headers.get("RateLimit", "")
    return found


async def _batch(installation: Installation, path: str, count: int) -> httpx.Response:
    body: dict[str, Any] = {"title": "limit", "owner": installation.user_id}
    request = {"method": "POST", "url": path, "body": body}
    return await installation.ask_once(
        "POST", "/api/batch", token=installation.user, json={"requests": [request] * count}
    )
