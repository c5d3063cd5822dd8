"""PocketBase as Hapta would find it: reachable, taking the credentials, set up for a gateway in front."""

import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from hapta.app.database import settings_warnings
from hapta.config import Secrets, UpstreamConfig
from hapta.doctor.exposure import is_loopback
from hapta.doctor.finding import Finding, fail, ok, warn
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError
from hapta.upstream.client import UpstreamClient
from hapta.upstream.superuser import Credentials, SuperuserClient

MAX_SKEW_S: Final = 5.0
_PROBE_S: Final = 3.0


async def pocketbase(
    url: str,
    secrets: Secrets,
    config: UpstreamConfig,
    clock: Clock,
    *,
    public_url: str,
    own_url: str,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Finding]:
    """Everything a superuser can see of the PocketBase at ``url``, or behind the Hapta there."""
    is_behind_hapta = secrets.database_url is None
    advice = "look at Hapta's log" if is_behind_hapta else "start it, or correct DatabaseURL"
    client = UpstreamClient(url, config, clock, tls)
    await client.open()
    try:
        credentials = Credentials(secrets.admin_email, secrets.admin_password, secrets.admin_token)
        superuser = SuperuserClient(client, credentials, clock)
        try:
            await superuser.check()
        except HaptaError as exc:
            yield fail("PocketBase", f"{url}: {exc}", advice)
            return
        except OperatorError as exc:
            yield fail("PocketBase", str(exc), "correct it in .env or the environment")
            return
        yield ok("PocketBase", f"{url} answers and takes the superuser")
        status, settings = await superuser.request("GET", "/api/settings")
        if status != 200 or not isinstance(settings, Mapping):
            yield warn("settings", f"PocketBase does not show them (status {status})", "look at its log")
            return
        for finding in settings_findings(settings, public_url, own_url):
            yield finding
        yield await sql(superuser)
        if is_behind_hapta and secrets.admin_token is None:
            await superuser.request("POST", "/api/hapta/logout")
    finally:
        await client.close()


async def sql(superuser: SuperuserClient) -> Finding:
    """Does PocketBase answer superusers' SQL?  Asked, because it does not tell its version."""
    status, _ = await superuser.request("POST", "/api/sql", {"query": "SELECT 1"})
    if status == 200:
        return ok("api/sql", "there: the schema is confirmed in one short question")
    return ok("api/sql", f"not there (status {status}): the schema is confirmed by reading all of it")


def settings_findings(settings: Mapping[str, Any], public_url: str, own_url: str) -> Iterator[Finding]:
    """What of PocketBase's settings matters to a gateway in front of it."""
    warnings = settings_warnings(settings, public_url, own_url)
    for warning in warnings:
        found, _, advice = warning.partition("; ")
        yield warn("settings", found, advice)
    if not warnings:
        yield ok("settings", "client addresses and links in mails go through Hapta")
    batch = settings.get("batch")
    if isinstance(batch, Mapping) and batch.get("enabled"):
        yield ok("batch", "on")
    else:
        yield ok("batch", "off, as it is by default; clients get 403 for a batch (Settings, Batch API)")


async def clock_skew(url: str, clock: Clock) -> Finding | None:
    """Do both machines agree on the time?  Tokens expire by it.  ``None`` when it cannot be told."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=_PROBE_S) as client:
            before = clock.now()
            answer = await client.get(f"{url}/api/health")
            here = (before + clock.now()) / 2
        there = parsedate_to_datetime(answer.headers["Date"]).timestamp() + 0.5  # given in whole seconds
    except (httpx.HTTPError, KeyError, ValueError):
        return None
    return skew_finding(there - here)


def skew_finding(seconds: float) -> Finding:
    """What a difference of ``seconds`` between PocketBase's clock and ours means."""
    if abs(seconds) <= MAX_SKEW_S:
        return ok("clocks", f"agree within {MAX_SKEW_S:g} s")
    direction = "ahead" if seconds > 0 else "behind"
    return warn(
        "clocks",
        f"PocketBase's clock is {abs(seconds):.0f} s {direction}: tokens expire too early or too late",
        "set both clocks by NTP",
    )


async def way_around(url: str) -> Finding:
    """Can PocketBase be reached around Hapta, from another machine?"""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    advice = "let only Hapta reach it (a firewall, or --http=127.0.0.1:PORT), or clients can go around Hapta"
    if not is_loopback(host):
        return warn("way around", f"PocketBase is at {host}, an address other machines may reach", advice)
    for address in outward_addresses():
        shown = f"[{address}]" if ":" in address else address
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=_PROBE_S) as client:
                await client.get(f"http://{shown}:{port}/api/health")
        except httpx.HTTPError:
            continue
        return warn("way around", f"PocketBase also answers at {shown}:{port}", advice)
    return ok("way around", "PocketBase answers this machine only")


def outward_addresses() -> list[str]:
    """The addresses this machine would be seen by; asked of the routing table, nothing is sent."""
    found = []
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                found.append(probe.getsockname()[0])
        except OSError:
            continue  # no route, or no such protocol here
    return [address for address in found if not is_loopback(address)]
