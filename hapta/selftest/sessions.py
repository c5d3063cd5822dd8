"""Checks of sessions: tokens are Hapta's own, change with each refresh, and end when they should."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from hapta.identity.proof import unverified_claims
from hapta.selftest import realtime
from hapta.selftest.installation import Failed, Installation, Skipped, explained, parsed
from hapta.selftest.login import password_login
from hapta.sessions.token import ID_CHARS, ISSUER, rotation_id

_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}")
_MINE: Final = "/api/hapta/sessions"
_SHOWN: Final = {"id", "device", "address", "created", "used", "exp", "current"}
_LONG_AGO: Final = timedelta(days=1)
AUDIT_TRIES: Final = 50
_AUDIT_PAUSE_S: Final = 0.05


async def own_tokens(installation: Installation) -> None:
    """What a client gets is Hapta's token: none of PocketBase's is in the answer, and PocketBase, where it
    can be asked, takes it for nothing."""
    answer = await installation.ask("POST", _auth(installation, "auth-refresh"), token=installation.user)
    if answer.status_code != 200:
        raise Failed(f"auth-refresh: expected 200, got {explained(answer)}")
    for text in _JWT.findall(answer.text):
        if (unverified_claims(text) or {}).get("iss") != ISSUER:
            raise Failed("the answer to auth-refresh holds a token of PocketBase's own")
    installation.user = parsed(answer)["token"]
    directly = installation.setup.database_url
    if directly is None:
        return
    try:
        answer = await installation.ask("POST", f"{directly}/api/files/token", token=installation.user)
    except Failed:
        raise Skipped(
            f"tokens are Hapta's own, but {directly} cannot be asked from here whether it takes them"
        ) from None
    if answer.status_code != 401:
        raise Failed(f"{directly} takes Hapta's token: expected 401, got {explained(answer)}")


async def listed(installation: Installation) -> None:
    """A user sees their own sessions and nothing secret of them, a guest sees none."""
    items = (await installation.expect(200, "GET", _MINE, token=installation.user))["items"]
    current = [item["id"] for item in items if item["current"]]
    if current != [_session_of(installation.user)]:
        raise Failed(f"{len(current)} of the {len(items)} listed sessions are the one asked with, not 1")
    if extra := {name for item in items for name in item} - _SHOWN:
        raise Failed(f"a session is listed with more than its owner should see: {', '.join(sorted(extra))}")
    guest = await installation.ask("GET", _MINE)
    if guest.status_code != 401:
        raise Failed(f"a guest asks for sessions: expected 401, got {explained(guest)}")


async def rotation(installation: Installation) -> None:
    """A refresh gives another token, the same one however often it is asked for, and the one before it goes
    on working for a while."""
    old = await _log_in(installation)
    new = await _refreshed(installation, old)
    if new == old:
        raise Failed("auth-refresh answers the same token again")
    if await _refreshed(installation, old) != new:
        raise Failed("two refreshes with the same token give two different ones: one of two tabs is lost")
    await installation.expect(200, "GET", _MINE, token=new)
    if installation.setup.overlap_s != 0:
        answer = await installation.ask("GET", _MINE, token=old)
        if answer.status_code != 200:
            raise Failed(
                f"right after the new token was first used, the old one is refused ({explained(answer)}); "
                "is sessions.overlap_s 0?"
            )
    installation.rotated = (old, new)


async def replay(installation: Installation) -> None:
    """A token whose time is over ends its session, and it is written down.

    To wait for the overlap would take as long as that; instead, the moment from which it counts is moved back
    by a day in the session's row, as superuser. What is proved is the rest: whoever comes with the old token
    then is refused, and so is the new one.
    """
    old, new = installation.rotated
    session = _session_of(new)
    await _move_back(installation, rotation_id(session, 2))
    answer = await installation.ask("GET", _MINE, token=old)
    if answer.status_code != 401:
        raise Failed(f"a token long retired is used again: expected 401, got {explained(answer)}")
    answer = await installation.ask("GET", _MINE, token=new)
    if answer.status_code != 401:
        raise Failed(f"a replay does not end the session: expected 401, got {explained(answer)}")
    await _is_audited(installation, session)


async def _move_back(installation: Installation, row: str) -> None:
    used = f"{datetime.now(UTC) - _LONG_AGO:%Y-%m-%d %H:%M:%S}.000Z"
    answer = await installation.ask(
        "PATCH",
        f"/api/collections/hapta_rotations/records/{row}",
        token=installation.superuser,
        json={"first_used": used},
    )
    if answer.status_code != 200:
        raise Failed(f"the row of the second token cannot be changed: {explained(answer)}")
    # A change by a superuser puts all that is remembered in doubt, so the row is read again.
    await installation.expect(
        200, "PATCH", f"/api/collections/{installation.collection}", token=installation.superuser, json={}
    )


async def _is_audited(installation: Installation, session: str) -> None:
    path = f"/api/collections/hapta_audit/records?{urlencode({'filter': f'session = {session!r}'})}"
    for _ in range(AUDIT_TRIES):  # written after the answer
        if (await installation.expect(200, "GET", path, token=installation.superuser))["items"]:
            return
        await asyncio.sleep(_AUDIT_PAUSE_S)
    raise Failed("a replay was refused, but hapta_audit has no row of it")


async def forged(installation: Installation) -> None:
    """A token that somebody changed is worth nothing: its bearer sees what a guest sees."""
    head, _, signature = installation.user.rpartition(".")
    token = f"{head}.{signature[::-1]}"
    private = f"/api/collections/{installation.collection}/records/{installation.records['private']}"
    for status, path in ((401, _MINE), (404, private)):
        answer = await installation.ask("GET", path, token=token)
        if answer.status_code != status:
            raise Failed(
                f"{path} with a token of another signature: expected {status}, got {explained(answer)}"
            )


async def logout(installation: Installation) -> None:
    """Logging out ends that session at once, its event stream with it, and no other session."""
    token = await _log_in(installation)
    async with realtime.stream(installation) as (client_id, arriving):
        await realtime.subscribe(installation, client_id, [f"{installation.collection}/*"], token)
        await installation.expect(204, "POST", "/api/hapta/logout", token=token)
        answer = await installation.ask("GET", _MINE, token=token)
        if answer.status_code != 401:
            raise Failed(f"right after the logout the token still counts: {explained(answer)}")
        await realtime.ended(arriving, "the event stream of a session that was logged out is still open")
    await installation.expect(200, "GET", _MINE, token=installation.user)


async def _log_in(installation: Installation) -> str:
    email = f"{installation.collection}@example.com"
    return await password_login(installation, installation.users, email, installation.password)


async def _refreshed(installation: Installation, token: str) -> str:
    answer = await installation.expect(200, "POST", _auth(installation, "auth-refresh"), token=token)
    refreshed: str = answer["token"]
    return refreshed


def _auth(installation: Installation, action: str) -> str:
    return f"/api/collections/{installation.users}/{action}"


def _session_of(token: str) -> str:
    return str((unverified_claims(token) or {}).get("sid"))[:ID_CHARS]
