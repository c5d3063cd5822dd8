"""Checks that need nobody's rights: is it there, is it Hapta, does it speak PocketBase's language?"""

import secrets
from typing import Any

from hapta.selftest.installation import Failed, Installation, Skipped, explained, parsed

_NOTHING_HERE = "/api/collections/hapta_test_nothing_here/records"
"""Not just any path: where pb_public has an index.html, PocketBase gives that for every unknown one."""


async def connect(installation: Installation) -> None:
    """Somebody answers HTTP."""
    await installation.ask("GET", "/api/health")


async def live(installation: Installation) -> None:
    """Hapta itself answers, whatever the state of its upstream."""
    await _own_health(installation, "live")


async def ready(installation: Installation) -> None:
    """Hapta says that it can serve."""
    await _own_health(installation, "ready")


async def _own_health(installation: Installation, which: str) -> None:
    answer = await installation.ask("GET", f"/api/hapta/health/{which}")
    if answer.status_code not in {200, 404}:
        raise Failed(f"Hapta says {explained(answer)}")
    # PocketBase itself says 404 here, or gives the index.html of its pb_public.
    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    if answer.status_code == 404 or not is_json or not _is_health(parsed(answer)):
        raise Failed(f"{installation.url} answers, but not as Hapta does: is it PocketBase's own address?")


def _is_health(body: Any) -> bool:
    return isinstance(body, dict) and body.get("code") == 200 and {"message", "data"} <= body.keys()


async def pocketbase_health(installation: Installation) -> None:
    """PocketBase answers behind it."""
    answer = await installation.ask("GET", "/api/health")
    if answer.status_code != 200:
        raise Failed(explained(answer))
    if not _is_health(parsed(answer)):
        raise Failed("/api/health answers, but not as PocketBase does")


async def error_form(installation: Installation) -> None:
    """An error is in PocketBase's form, and the answer carries the request's id."""
    request_id = f"hapta-test-{secrets.token_hex(6)}"
    answer = await installation.ask("GET", _NOTHING_HERE, headers={"X-Request-Id": request_id})
    if answer.status_code != 404:
        raise Failed(f"a collection that does not exist: expected 404, got {explained(answer)}")
    body = parsed(answer)
    if not isinstance(body, dict) or body.get("status") != 404 or not {"data", "message"} <= body.keys():
        raise Failed("the 404 is not in PocketBase's form {data, message, status}")
    echoed = answer.headers.get("X-Request-Id")
    if echoed is None:
        raise Failed("the answer has no X-Request-Id: it did not come through Hapta, or a proxy removes it")
    if echoed != request_id:
        raise Failed("X-Request-Id came back changed: a proxy in front sets its own")


async def preflight(installation: Installation) -> None:
    """A browser may write from another origin."""
    origin = "http://hapta-test.example"
    answer = await installation.ask(
        "OPTIONS",
        "/api/collections/users/records",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    if answer.status_code not in {200, 204}:
        raise Failed(f"OPTIONS: expected 204, got {explained(answer)}")
    allowed = answer.headers.get("Access-Control-Allow-Origin")
    if allowed is None:
        raise Skipped("PocketBase allows only the origins it was started with (--origins)")
    if allowed not in {"*", origin}:
        raise Failed(f"Access-Control-Allow-Origin names another origin: {allowed}")
    if "PATCH" not in answer.headers.get("Access-Control-Allow-Methods", ""):
        raise Failed("Access-Control-Allow-Methods does not allow PATCH")
    headers = answer.headers.get("Access-Control-Allow-Headers", "").lower()
    if headers != "*" and not all(name in headers for name in ("authorization", "content-type")):
        raise Failed("Access-Control-Allow-Headers does not allow Authorization and Content-Type")
