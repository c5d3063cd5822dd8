"""All checks in their order, and the guarantee that nothing stays behind."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

import httpx

from hapta.selftest import caching, feeds, files, front, limits, login, own, realtime, records, sessions
from hapta.selftest.check import Check, Result, Status, run_check, run_checks
from hapta.selftest.installation import Credentials, Installation, Setup

CLEAN_UP_S: Final = 15.0

_UP: Final = ("PocketBase health",)
_USER: Final = ("user login",)
_SESSION: Final = ("user login", "live")
"""At PocketBase's own address there are no sessions to be tested."""

CHECKS: Final = (
    Check("connect", front.connect),
    Check("live", front.live, ("connect",)),
    Check("ready", front.ready, ("connect",)),
    Check("PocketBase health", front.pocketbase_health, ("connect",)),
    Check("error form", front.error_form, _UP),
    Check("CORS preflight", front.preflight, _UP),
    Check("event stream", realtime.connect, _UP),
    Check("superuser login", login.superuser_login, _UP, writes=True),
    Check("test user login", login.known_user_login, _UP, writes=True),
    Check("make collections", login.own_collections, ("superuser login",), writes=True),
    Check("user login", login.user_login, ("make collections",), writes=True),
    Check("own tokens", sessions.own_tokens, _SESSION, writes=True),
    Check("session list", sessions.listed, ("own tokens",), writes=True),
    Check("token rotation", sessions.rotation, ("own tokens",), writes=True),
    Check("replay refused", sessions.replay, ("token rotation",), writes=True),
    Check("create", records.create, _USER, writes=True),
    Check("view", records.view, ("create",), writes=True),
    Check("list and filter", records.list_, ("create",), writes=True),
    Check("update", records.update, ("create",), writes=True),
    Check("rules refuse", records.refused, ("create",), writes=True),
    Check("cache hit", caching.hit, ("create", "live"), writes=True),
    Check("cache invalidation", caching.invalidation, ("cache hit",), writes=True),
    Check("forged token", sessions.forged, ("own tokens", "create"), writes=True),
    Check("file upload", files.upload, _USER, writes=True),
    Check("file download", files.download, ("file upload",), writes=True),
    Check("file range", files.range_, ("file upload",), writes=True),
    Check("realtime event", realtime.deliver, (*_USER, "event stream"), writes=True),
    Check("logout", sessions.logout, ("own tokens", "event stream"), writes=True),
    Check("batch", records.batch, _USER, writes=True),
    Check("limit", limits.limit, _SESSION, writes=True),
    Check("delete", records.delete, ("create",), writes=True),
)
"""Logins count as writes: PocketBase notes the device, and may send a mail about it."""

READ_ONLY_CHECKS: Final = (
    *(check for check in CHECKS if not check.writes),
    Check("superuser token", login.superuser_token, _UP),
)
"""A token proves a superuser without a login."""

FEED_CHECKS: Final = (
    Check("ranked feeds", feeds.answers, ("live",)),
    Check("ranked feed pages", feeds.pages, ("ranked feeds",)),
    Check("ranked feed rows", feeds.no_more_than_lists, ("ranked feeds",)),
)
"""Where ``[feeds.<name>]`` is configured, after the others; they change nothing."""

CLEAN_UP: Final = Check("clean up", own.remove, writes=True)


async def run_suite(
    url: str,
    credentials: Credentials,
    on_result: Callable[[Result], None],
    *,
    read_only: bool = False,
    transport: httpx.AsyncBaseTransport | None = None,
    setup: Setup | None = None,
    tls: ssl.SSLContext | None = None,
) -> list[Result]:
    """Test what answers at ``url``.

    What the tests made is removed in any case, also when this is cancelled, which takes at most
    :data:`CLEAN_UP_S` seconds and is the last result.

    Args:
        url: base URL, without a path.
        credentials: who the tests may log in as.
        on_result: told each result when it is there.
        read_only: make and change nothing, log in nowhere.
        transport: carries the requests instead of the network.
        setup: what is known of the installation's configuration.
        tls: whose certificates are taken; by default the system's trust store.
    """
    results: list[Result] = []

    def note(result: Result) -> None:
        results.append(result)
        on_result(result)

    async with Installation(url, credentials, transport, setup, tls) as installation:
        try:
            checks = READ_ONLY_CHECKS if read_only else CHECKS
            if installation.setup.feeds:
                checks = (*checks, *FEED_CHECKS)
            await run_checks(checks, installation, note)
        finally:
            if installation.has_written:
                note(await _clean_up(installation))
    return results


async def _clean_up(installation: Installation) -> Result:
    try:
        async with asyncio.timeout(CLEAN_UP_S):
            return await run_check(CLEAN_UP, installation)
    except TimeoutError:
        names = f"{installation.collection} and {installation.users}"
        return Result(CLEAN_UP.name, Status.FAIL, CLEAN_UP_S * 1000, f"left behind: {names}")
