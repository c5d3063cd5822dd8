"""Tell other services of changes: signed webhooks that are not lost.

Switch it on in config.toml, one table for each receiver::

    [plugins.webhooks]
    is_enabled = true

    [plugins.webhooks.receivers.shop]
    url = "https://shop.example.com/hooks"
    collections = ["orders"]
    on = ["create", "update"]
    fields = ["number", "total"]            # of the row; ["*"]: all, hidden ones too; []: the id alone
    secret = "SHOP_WEBHOOK_SECRET"          # the environment variable that holds it; .env is Hapta's alone

Every delivery is a row of ``hapta_outbox`` until the receiver has answered with 2xx: written when the change
feed tells of the change, taken out when it is delivered. Whatever dies in between, it is sent again, so a
receiver may get it more than once, under the same ``webhook-id``; and in no certain order. Changes of a time
when Hapta does not run, or hears nothing from PocketBase, are told to nobody.

A try that fails is repeated after a delay that doubles each time, or as ``Retry-After`` asks. After
``max_tries`` or ``give_up_after_s`` the row stays with the state ``dead``, and an error is logged: set the
state to ``waiting`` and ``tries`` to 0 to have it sent again. A receiver that answers 410 gets nothing more
until its row with the state ``gone`` is removed and Hapta started again.

Requests are signed as https://www.standardwebhooks.com has it: ``webhook-signature`` is HMAC-SHA256 over
``<webhook-id>.<webhook-timestamp>.<body>``, so a body cannot be sent again later or under another id.

Where a webhook goes the operator says, but what a name means its owner: names are resolved here, addresses of
this machine and of private networks are refused, and the connection goes to the address that was looked at.
Redirects are not followed. ``is_private_allowed`` is for receivers in the operator's own network.
"""

import asyncio
import hashlib
import hmac
import json
import os
import random
import secrets
import socket
from base64 import b32encode, b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Meta

from hapta.plugins import DatabaseError, HaptaError, PluginApi, Record, RowChange, Settings

OUTBOX = "hapta_outbox"
SHORTEST_SECRET = 24
"""Bytes, as Standard Webhooks has it."""
LARGEST_BODY = 256 * 1024
"""Bytes; a change whose row is larger is told without it."""
LONGEST_RETRY_AFTER_S = 24 * 3600.0
LOOKS_EVERY_S = 600.0
"""The outbox is looked at so often whatever is heard: of a Hapta that died with rows in it nobody tells."""
_NOT_GLOBAL = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""IPv6 that leads to any IPv4 address: translation and tunnels."""

Waits = Annotated[float, Meta(gt=0)]


class Receiver(Settings, frozen=True):
    url: str
    """Where it is; https, unless is_private_allowed."""
    secret: str
    """Name of the environment variable with the secret: at least 24 bytes, or whsec_ and base64."""
    collections: tuple[str, ...]
    """Names of those of whose changes it is told; "*" for all but system ones."""
    on: tuple[Literal["create", "update", "delete"], ...] = ("create", "update", "delete")
    """Of which changes."""
    fields: tuple[str, ...] = ()
    """Fields of the row it is told; "*" for all, hidden ones included."""
    is_private_allowed: bool = False
    """It may be on this machine or in a private network."""


class Webhooks(Settings, frozen=True):
    receivers: dict[str, Receiver]
    """Who is told, by a name of your choice."""
    at_once: Annotated[int, Meta(ge=1, le=100)] = 8
    """Tries under way at one receiver; each has its own, so none waits for another."""
    deadline_s: Annotated[float, Meta(gt=0, le=300)] = 15.0
    """Seconds of one try, from resolving the name to the answer."""
    first_delay_s: Waits = 5.0
    """Seconds until the second try; they double each time."""
    longest_delay_s: Waits = 3600.0
    """Seconds between two tries at most."""
    max_tries: Annotated[int, Meta(ge=1)] = 15
    """Tries before one is given up."""
    give_up_after_s: Waits = 3 * 86400.0
    """Age in seconds at which one is given up."""


class Refused(Exception):
    """An address webhooks do not go to."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet; what is no address is not."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if any(found in network for network in _NOT_GLOBAL):
            return False
    return found.is_global and not found.is_multicast


class PublicResolver(AbstractResolver):
    """Resolves to public addresses or not at all. What is connected to is what was looked at."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(map(is_public, addresses)):
            raise Refused(f"{host} is not an address of the internet")  # one public among them proves nothing
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=entry[0], proto=0, flags=socket.AI_NUMERICHOST
            )
            for entry, address in zip(found, addresses, strict=True)
        ]

    async def close(self) -> None:
        """Nothing is open."""


def key_of(secret: str) -> bytes:
    """The key of a secret as it stands in the environment."""
    return b64decode(secret[6:], validate=True) if secret.startswith("whsec_") else secret.encode()


def signature(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """As Standard Webhooks has it."""
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()


def delay_s(settings: Webhooks, tries: int, chance: float) -> float:
    """Seconds until the next try after so many; ``chance`` (0 to 1) spreads those of one outage."""
    longest = min(settings.first_delay_s * 2.0 ** min(tries - 1, 40), settings.longest_delay_s)
    return longest * (0.5 + chance / 2)


def retry_after_s(header: str | None, now: datetime) -> float:
    """What ``Retry-After`` asks for, in seconds (RFC 9110 §10.2.3); 0.0 for nothing that can be read."""
    if header is None:
        return 0.0
    try:
        seconds = (
            float(header) if header.isdecimal() else (parsedate_to_datetime(header) - now).total_seconds()
        )
    except (ArithmeticError, LookupError, TypeError, ValueError):  # no date, or one without a zone
        return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def check(name: str, receiver: Receiver) -> bytes:
    """The receiver's key.

    Raises:
        ValueError: it cannot be used as it is set up.
    """
    url = urlsplit(receiver.url)
    schemes = ("https", "http") if receiver.is_private_allowed else ("https",)
    if url.scheme not in schemes or not url.hostname or url.username is not None:
        raise ValueError(f"receiver {name}: url is {' or '.join(schemes)}://…, without a user")
    host = url.hostname
    # what is taken for an address is not resolved, and 127.1 is one to some
    is_address = ":" in host or host.replace(".", "").isdigit()
    if is_address and not receiver.is_private_allowed and not is_public(host):
        raise ValueError(f"receiver {name}: {host} is not an address of the internet")
    key = key_of(os.getenv(receiver.secret, ""))
    if len(key) < SHORTEST_SECRET:
        raise ValueError(f"receiver {name}: {receiver.secret} holds no secret of {SHORTEST_SECRET} bytes")
    return key


def payload(receiver: Receiver, event: RowChange, at: datetime) -> Mapping[str, Any]:
    """What a receiver is told."""
    data: dict[str, Any] = {"collection": event.collection, "action": event.action, "id": event.id}
    if receiver.fields and event.record is not None:
        is_all = "*" in receiver.fields
        shown = {name: value for name, value in event.record.items() if is_all or name in receiver.fields}
        if len(json.dumps(shown, ensure_ascii=False).encode()) <= LARGEST_BODY:
            data["record"] = shown
    return {"type": f"{event.collection}.{event.action}", "timestamp": at.isoformat(), "data": data}


def delivery_id(receiver: str, event: RowChange) -> str:
    """The same for the same event heard twice, or by two Haptas; another each time for updates that cannot
    be told apart, because the row does not say when it was changed."""
    record = dict(event.record or {})
    if event.action == "update" and not record.get("updated"):
        return short_hash(secrets.token_hex())
    told = json.dumps([receiver, event.collection, event.action, event.id, record], sort_keys=True)
    return short_hash(told)


def short_hash(text: str) -> str:
    """An id PocketBase takes."""
    return b32encode(hashlib.sha256(text.encode()).digest()).decode()[:15].lower()


def outbox() -> Mapping[str, Any]:
    """The collection."""
    dates = [{"name": name, "type": "date"} for name in ("created", "due")]
    numbers = [{"name": name, "type": "number"} for name in ("tries", "status")]
    texts = [{"name": name, "type": "text"} for name in ("receiver", "state", "url", "error")]
    return {
        "name": OUTBOX,
        "fields": [*texts, *dates, *numbers, {"name": "payload", "type": "json", "maxSize": 1024 * 1024}],
        "indexes": [f"CREATE INDEX `idx_{OUTBOX}_due` ON `{OUTBOX}` (`receiver`, `state`, `due`)"],
    }


class Courier:
    """Delivers to one receiver what waits for it in the outbox."""

    def __init__(self, api: PluginApi, settings: Webhooks, name: str, key: bytes) -> None:
        self._api = api
        self._settings = settings
        self._receiver = settings.receivers[name]
        self._name = name
        self._key = key
        self._news = asyncio.Event()
        self._gone_id = short_hash(f"gone {self._receiver.url}")
        self.is_gone = False

    async def announce(self, event: RowChange) -> None:
        """A change: from the moment this returns it is not lost."""
        if self.is_gone or event.action not in self._receiver.on:
            return
        now = datetime.now(UTC)
        row = {
            "id": delivery_id(self._name, event),
            "receiver": self._name,
            "state": "waiting",
            "tries": 0,
            "payload": payload(self._receiver, event, now),
            "created": now,
            "due": now,
        }
        await self._create_once(row)
        self._news.set()

    async def _create_once(self, row: Record) -> None:
        for pause_s in (0.1, 1.0, 5.0, None):
            try:
                await self._api.database.create(OUTBOX, row)
                return
            except DatabaseError as exc:
                if "id" in exc.data:  # another Hapta was faster, or the answer was lost
                    return
                raise
            except HaptaError:
                if pause_s is None:
                    raise
                await asyncio.sleep(pause_s)

    def outbox_changed(self, event: RowChange) -> None:
        """Somebody has written to the outbox: another Hapta, an operator, or this one."""
        row = event.record or {}
        if event.id == self._gone_id:
            self.is_gone = event.action != "delete"
            self._news.set()
        elif row.get("receiver") == self._name and row.get("state") == "waiting" and not row.get("tries"):
            self._news.set()

    async def run(self) -> None:
        """Deliver, for ever."""
        connector = aiohttp.TCPConnector(
            limit=self._settings.at_once,
            use_dns_cache=False,
            resolver=None if self._receiver.is_private_allowed else PublicResolver(),
        )
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, trust_env=False) as session:
            is_known = False
            while True:
                self._news.clear()
                try:
                    if not is_known:
                        self.is_gone = await self._api.database.view(OUTBOX, self._gone_id) is not None
                        is_known = True
                    wait_s = await self._round(session)
                except Exception as exc:  # PocketBase does not answer; nor may one odd row end all deliveries
                    problem = f"{type(exc).__name__}: {exc}"
                    self._api.log.warning(f"the outbox has to wait: {problem}", receiver=self._name)
                    wait_s = self._settings.first_delay_s
                try:
                    async with asyncio.timeout(wait_s):
                        await self._news.wait()
                except TimeoutError:
                    pass

    async def _round(self, session: aiohttp.ClientSession) -> float:
        """Try all that is due; seconds until there is more to do."""
        while not self.is_gone:
            rows = await self._waiting(datetime.now(UTC), self._settings.at_once)
            tries = [self._try(session, row) for row in rows]
            for error in await asyncio.gather(*tries, return_exceptions=True):
                if error is not None:
                    raise error
            if len(rows) < self._settings.at_once:
                break
        if self.is_gone:
            return LOOKS_EVERY_S
        upcoming = await self._waiting(datetime.now(UTC) + timedelta(seconds=LOOKS_EVERY_S), 1)
        if not upcoming:
            return LOOKS_EVERY_S
        return max((_moment(upcoming[0]["due"]) - datetime.now(UTC)).total_seconds(), 0.01)

    async def _waiting(self, until: datetime, most: int) -> Sequence[Record]:
        return await self._api.database.list(
            OUTBOX,
            filter="receiver = {:receiver} && state = 'waiting' && due <= {:until}",
            params={"receiver": self._name, "until": until},
            sort="due",
            per_page=most,
        )

    async def _try(self, session: aiohttp.ClientSession, row: Record) -> None:
        try:
            await self._deliver(session, row)
        except DatabaseError as exc:
            if exc.status != 404:  # another Hapta has delivered it, or an operator has removed it
                raise

    async def _deliver(self, session: aiohttp.ClientSession, row: Record) -> None:
        now, settings = datetime.now(UTC), self._settings
        tries = int(row["tries"]) + 1
        # should we die now, it is due again when this try is over for certain
        lease = {"tries": tries, "due": now + timedelta(seconds=2 * settings.deadline_s)}
        await self._api.database.update(OUTBOX, row["id"], lease)
        status, retry_s, error = await self._send(session, row["id"], row["payload"])
        if 200 <= status < 300:
            await self._api.database.delete(OUTBOX, row["id"])
            return
        result: dict[str, Any] = {"status": status, "error": error[:500], "due": datetime.now(UTC)}
        age_s = (now - _moment(row["created"])).total_seconds()
        if status == 410:
            await self._stop()
            result["state"] = "dead"
        elif tries >= settings.max_tries or age_s >= settings.give_up_after_s:
            result["state"] = "dead"
            self._api.log.error(
                f"a webhook is given up after {tries} tries: {error}", receiver=self._name, delivery=row["id"]
            )
        else:
            seconds = max(delay_s(settings, tries, random.random()), retry_s)
            result["due"] += timedelta(seconds=seconds)
        await self._api.database.update(OUTBOX, row["id"], result)

    async def _send(self, session: aiohttp.ClientSession, id: str, told: Any) -> tuple[int, float, str]:
        """Status (0 for none), seconds it asks to be left alone, what went wrong."""
        body, now = json.dumps(told, ensure_ascii=False).encode(), datetime.now(UTC)
        timestamp = int(now.timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "hapta-webhooks",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._key, id, timestamp, body),
        }
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                async with session.post(
                    self._receiver.url, data=body, headers=headers, allow_redirects=False
                ) as answer:
                    retry_s = retry_after_s(answer.headers.get("Retry-After"), now)
                    return answer.status, retry_s, f"status {answer.status}"
        except TimeoutError:
            return 0, 0.0, f"no answer within {self._settings.deadline_s:g} s"
        except (aiohttp.ClientError, OSError, Refused, ValueError) as exc:
            return 0, 0.0, f"{type(exc).__name__}: {exc}"

    async def _stop(self) -> None:
        self.is_gone = True
        row = {"id": self._gone_id, "receiver": self._name, "state": "gone", "url": self._receiver.url}
        await self._create_once(row)
        self._api.log.error("a receiver wants no more webhooks (410)", receiver=self._name)


def _moment(text: str) -> datetime:
    """A date of a row; of one somebody has emptied, now."""
    if not text:
        return datetime.now(UTC)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def setup(api: PluginApi) -> None:
    settings = api.settings(Webhooks)
    couriers = {
        name: Courier(api, settings, name, check(name, receiver))
        for name, receiver in settings.receivers.items()
    }

    named = {name for receiver in settings.receivers.values() for name in receiver.collections}

    @api.on_change(*named)
    async def tell(event: RowChange) -> None:
        for name, receiver in settings.receivers.items():
            if event.collection in receiver.collections or "*" in receiver.collections:
                await couriers[name].announce(event)

    @api.on_change(OUTBOX)
    async def look(event: RowChange) -> None:
        for courier in couriers.values():
            courier.outbox_changed(event)

    @api.startup
    async def begin() -> None:
        await api.database.ensure_collection(outbox())
        for name, courier in couriers.items():
            api.spawn(courier.run(), name=f"webhooks to {name}")
