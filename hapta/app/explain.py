"""What the cache makes of one URL, in words: for ``hapta cache explain``.

It asks the very engines that decide about a request, and leaves no trace there: a look at what is stored
counts as no request for it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final
from urllib.parse import quote, urlsplit

from multidict import CIMultiDict, CIMultiDictProxy

from hapta.app.caching import Caching
from hapta.cache.generations import Standing
from hapta.cache.plan import Bypass, Plan, Reason
from hapta.cache.stored import Stored
from hapta.model.clock import Clock
from hapta.model.errors import BadRequest, NotFound
from hapta.model.exchange import Exchange
from hapta.model.identity import SUPERUSERS_ID, Identity
from hapta.model.operation import OperationClass, classify
from hapta.model.target import Target, parse_target
from hapta.stages.lookup import Look

GUEST, SUPERUSER = "guest", "superuser"
REASONS: Final[Mapping[Reason, str]] = {
    Reason.SUPERUSER: "what superusers are shown is never stored",
    Reason.METHOD: "it is no read",
    Reason.BODY: "it has a body",
    Reason.TARGET: "the path or query has no canonical form that Hapta knows",
    Reason.COLLECTION: "the collection is not known, is PocketBase's own, or is switched off",
    Reason.RULE: "PocketBase refuses it to everybody but superusers",
    Reason.LANGUAGE: "Hapta cannot read the rule, filter, sort, expand or fields to the letter",
    Reason.CLOCK: "the answer depends on the time of day",
    Reason.RANDOM: "the answer depends on chance",
    Reason.HEADER: "a rule reads a header that cannot stand in a key",
    Reason.VIEW: "it is not known what the view reads",
    Reason.HOOKS: "PocketBase's hooks may change the answer by anything in the request",
    Reason.FEED: "changes in PocketBase cannot be heard of just now",
    Reason.SCHEMA: "the schema is changing just now",
    Reason.WRITE: "a write to what it depends on is open or in doubt just now",
    Reason.SIZE: "the answer is larger than cache.max_response_bytes, or a value in its key too long",
    Reason.ORIGIN: "what PocketBase tells pages of this origin is not known yet",
}
"""Why a read is passed on, as a sentence each."""

_TRIES, _PAUSE_S = 20, 0.05
_AS_SENT = "%/?&=:@!$'()*+,;~[]-._"
"""Everything that may stand in a target as it is; what an SDK would escape is escaped here, too."""


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who asks: as shown, and as the engines know them."""

    shown: str
    identity: Identity | None


class Explainer:
    """Explains.

    Args:
        caching: the cache that runs.
        clock: both times.
    """

    def __init__(self, caching: Caching, clock: Clock) -> None:
        self._caching = caching
        self._clock = clock

    async def explain(self, url: str, caller: str) -> Mapping[str, Any]:
        """What becomes of a GET for a URL or path.

        Args:
            caller: ``guest``, ``superuser`` or ``COLLECTION/ID``; empty is a guest.

        Raises:
            BadRequest: one of them cannot be read.
            NotFound: there is no such account.
        """
        target = _target(url)
        operation = classify("GET", target.segments)
        who = await self._caller(caller or GUEST)
        answer: dict[str, Any] = {
            "target": target.raw,
            "as": who.shown,
            "is_enabled": self._caching.is_enabled,
        }
        if operation.kind is not OperationClass.RECORD_READ:
            return answer | _refusal(Bypass(Reason.METHOD, "only lists and views of records are stored"))
        audience = None if who.identity is None else who.identity.collection
        plan = self._caching.book.plan(target, operation, audience)
        if isinstance(plan, Bypass):
            return answer | _refusal(plan) | self._hooks(operation.collection)
        now = await self._now(target, who.identity) if self._caching.is_enabled else {"state": "off"}
        return answer | self._planned(plan) | {"now": now}

    def _planned(self, plan: Plan) -> dict[str, Any]:
        """The sentences of a plan by what they are about; their order is the planner's."""
        about_callers = max(1, len(plan.parts)) + plan.shows_own_email
        touched = {tag[1] for tag in plan.tags if len(tag) > 1}
        return {
            "is_storable": True,
            "canonical": plan.target,
            "shared_by": list(plan.why[:about_callers]),
            "unusable_after": list(dict.fromkeys(plan.why[about_callers:])),
            "lifetime_s": self._caching.lifetime_s(plan.collection),
            "ends_at_midnight": plan.ends_at_midnight,
            **self._hooks(*touched),
        }

    def _hooks(self, *collections: str | None) -> dict[str, Any]:
        caching, found, because = self._caching, {}, ""
        for name_or_id in collections:
            collection = caching.book.schema.resolve(name_or_id or "")
            if collection is not None:
                found[collection.name] = str(caching.hooks.of(collection))
                because = because or caching.hooks.because(collection)
        return {"pb_hooks": dict(sorted(found.items())), "pb_hooks_auto": because}

    async def _now(self, target: Target, identity: Identity | None) -> Mapping[str, Any]:
        """What is stored at this moment, or why nothing could be."""
        exchange = _exchange(target, identity)
        store, lookup = self._caching.store, self._caching.lookup
        await self._become_live()
        look = await lookup.look_up(exchange, is_own=False)
        stored = None if isinstance(look, Bypass) else store.peek(look.slot)
        is_own = stored is not None and identity is not None and identity.record in stored.members
        if is_own:
            look = await lookup.look_up(exchange, is_own=True)
            stored = None if isinstance(look, Bypass) else store.peek(look.slot)
        if isinstance(look, Bypass):
            return _why_not(look)
        if stored is not None:
            return self._kept(stored)
        return self._absent(look)

    async def _become_live(self) -> None:
        """While nobody reads, changes are not listened for; a look is a reason to."""
        for _ in range(_TRIES):
            self._caching.touch()
            if self._caching.is_live:
                return
            await self._caching.confirm()
            await asyncio.sleep(_PAUSE_S)

    def _kept(self, stored: Stored) -> Mapping[str, Any]:
        monotonic = self._clock.monotonic()
        ttl_s = stored.ttl_s(monotonic, self._clock.now())
        state = {Standing.HOLDS: "fresh", Standing.UNSETTLED: "unsettled", Standing.BROKEN: "stale"}[
            stored.fence.standing()
        ]
        return {
            "state": "stale" if ttl_s <= 0 else state,
            "is_outdated": stored.fence.standing() is Standing.BROKEN,
            "age_s": round(max(0.0, monotonic - stored.stored_at), 3),
            "ttl_s": round(max(0.0, ttl_s), 3),
            "status": stored.status,
            "bytes": stored.weight,
        }

    def _absent(self, look: Look) -> Mapping[str, Any]:
        reason = self._caching.filler.why_not(look)
        return {"state": "absent"} if reason is None else _why_not(Bypass(reason))

    async def _caller(self, text: str) -> _Caller:
        if text == GUEST:
            return _Caller(GUEST, None)
        if text == SUPERUSER:
            return _Caller(SUPERUSER, Identity(SUPERUSERS_ID, "", "", None))
        name, slash, record = text.partition("/")
        if not slash or not name or not record:
            raise BadRequest(f"{text}: expected {GUEST}, {SUPERUSER} or COLLECTION/ID.")
        collection = self._caching.book.schema.resolve(name)
        if collection is None or collection.type != "auth":
            raise NotFound(f"There is no auth collection {name}.")
        if await self._caching.auth_records.fields(collection.id, record) is None:
            raise NotFound(f"PocketBase does not know of a record {record} in {collection.name}.")
        return _Caller(f"{collection.name}/{record}", Identity(collection.id, record, "", None))


def _target(url: str) -> Target:
    """Path and query of a URL, escaped as an SDK would."""
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise BadRequest(f"{url}: {exc}.") from exc
    path = parts.path or "/"
    if not path.startswith("/"):
        raise BadRequest(f"{url}: expected a URL, or a path that begins with a slash.")
    text = f"{path}?{parts.query}" if parts.query else path
    return parse_target(quote(text, safe=_AS_SENT), "")


def _exchange(target: Target, identity: Identity | None) -> Exchange:
    """A GET with nothing of its own but who asks."""
    nowhere = IPv4Address("127.0.0.1")
    return Exchange(
        method="GET",
        target=target,
        operation=classify("GET", target.segments),
        headers=CIMultiDictProxy(CIMultiDict[str]()),
        body=None,
        scheme="http",
        peer=nowhere,
        client=nowhere,
        is_peer_trusted=False,
        is_admin_client=False,
        request_id="explain",
        on_client_gone=_stays,
        identity=identity,
    )


def _refusal(bypass: Bypass) -> dict[str, Any]:
    return {"is_storable": False, **_words(bypass)}


def _why_not(bypass: Bypass) -> Mapping[str, Any]:
    return {"state": "not now", **_words(bypass)}


def _words(bypass: Bypass) -> Mapping[str, str]:
    return {"reason": str(bypass.reason), "detail": bypass.detail, "because": REASONS[bypass.reason]}


def _stays(callback: Callable[[], None]) -> Callable[[], None]:
    return callback
