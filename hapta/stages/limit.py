"""May this caller ask now? 429 with ``Retry-After`` if not; else the answer says how much is left.

Two stages. :meth:`Limits.charge` stands behind identify and in front of everything that costs: it charges one
request. :meth:`Limits.charge_parts` stands where bodies are held whole: a batch costs as much as its requests
would one by one, also where a limit is about a collection.

Headers: ``RateLimit-Policy`` and ``RateLimit`` of draft-ietf-httpapi-ratelimit-headers-11, one item a
limit; ``r`` is what may be sent right now, ``t`` the seconds until ``r`` is at its greatest again, in a
refusal those until ``Retry-After``.
"""

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from hapta.config import RateLimitConfig
from hapta.limits.gcra import NS, Quota
from hapta.limits.keys import address_key
from hapta.limits.limiter import Charged, Limiter, Refusal
from hapta.limits.rules import Asked, Rule, Subject
from hapta.limits.whereabouts import Whereabouts
from hapta.model.address import Address
from hapta.model.concerns import only_for
from hapta.model.errors import BadRequest, BodyTooLarge, HaptaError, RateLimited
from hapta.model.exchange import Answer, Exchange, Handler, Header
from hapta.model.identity import Identity
from hapta.model.operation import OperationClass
from hapta.stages.batch import batch_requests
from hapta.stages.ranked_request import feed_in_path
from hapta.stages.tab import Price, Tab

UNREADABLE_PARTS = 50
"""As many as PocketBase takes in one batch by default."""
_RECORDS = re.compile(r"/api/collections/([^/?#]+)/records(?=[/?#]|$)")


class Limits:
    """The stages.

    Args:
        limiter: counts.
        config: the ``[ratelimit]`` table.
        whereabouts: told where sessions are used.
        on_limited: told the rule's name for every request that is refused.
        feeds: the collections of ranked feeds, by the feed's name.
    """

    def __init__(
        self,
        limiter: Limiter,
        config: RateLimitConfig,
        whereabouts: Whereabouts,
        on_limited: Callable[[str], None],
        feeds: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._limiter = limiter
        self._feeds = feeds
        self._config = config
        self._whereabouts = whereabouts
        self._on_limited = on_limited
        self._policies: dict[str, tuple[Quota, tuple[bytes, bytes]]] = {}
        self._prices: dict[tuple[str, ...], Price] = {}

    async def charge(self, exchange: Exchange, forward: Handler) -> Answer:
        """Charge one request, and what a refused write costs on top."""
        identity = exchange.identity
        subject = self.subject(exchange.client, identity)
        self.note(subject, identity)
        limiter = self._limiter
        charges = limiter.for_everything
        if charges is None:
            charges = limiter.applying(self._asked(exchange))
        charged = limiter.take_charges(subject, charges)
        if isinstance(charged, Refusal):
            raise self._refused(charged)
        exchange.charges = charged
        try:
            answer = await forward(exchange)
        except HaptaError as error:
            if "RateLimit" not in error.headers:
                error.headers |= {name.decode(): value.decode() for name, value in self._headers(charged)}
            raise
        if exchange.operation.kind is OperationClass.RECORD_WRITE and 400 <= answer.status < 500:
            charged.more(self._config.refused_write_cost)
        answer.headers += self._headers(charged)
        return answer

    @only_for(OperationClass.RECORD_WRITE, OperationClass.OWN)
    async def charge_parts(self, exchange: Exchange, forward: Handler) -> Answer:
        """Charge a batch for what is in it."""
        charged = exchange.charges
        if exchange.operation.action == "batch" and isinstance(charged, Charged):
            refusal = self._limiter.take_parts(charged, await _parts(exchange))
            if refusal is not None:
                raise self._refused(refusal)
        return await forward(exchange)

    def _asked(self, exchange: Exchange) -> Asked:
        operation = exchange.operation
        kind, collection = operation.kind, operation.collection
        if self._feeds and (of_feed := self._feeds.get(feed_in_path(exchange) or "")) is not None:
            kind, collection = OperationClass.RECORD_READ, of_feed  # the other path to the same rows
        return Asked(exchange.method, kind, collection, exchange.target.segments)

    @property
    def version(self) -> int:
        """Of what applies to requests; prices of another are void."""
        return self._limiter.version

    def price(self, asked: Asked) -> Price:
        """What requests of a kind are charged to; the same object for all that are charged to the same."""
        version, charges = self._limiter.version, self._limiter.applying(asked)
        names = tuple(rule.name for rule, _, _ in charges)
        price = self._prices.get(names)
        if price is None or price.version != version:
            price = self._prices[names] = Price(charges, version)
        return price

    def tab(self, subject: Subject, price: Price) -> Tab:
        """A caller's account for requests of one price."""
        entries = [
            (rule, table, key) for rule, table, _ in price.charges if (key := rule.key(subject)) is not None
        ]
        policies = (
            b", ".join(self._policy(rule)[0] for rule, _, _ in entries) if self._config.headers else b""
        )
        return Tab(self._limiter, Charged(self._limiter, subject, entries), policies)

    def note(self, subject: Subject, identity: Identity | None) -> None:
        """A request of somebody was accepted."""
        if identity is not None and identity.session is not None:
            self._whereabouts.seen(identity.collection, identity.record, identity.session, subject.address)

    @staticmethod
    def subject(client: Address, identity: Identity | None) -> Subject:
        """Whom a request is charged to."""
        address = address_key(client)
        if identity is None:
            return Subject(address)
        return Subject(address, identity.key, identity.session or identity.key)

    def _refused(self, refusal: Refusal) -> RateLimited:
        rule = refusal.rule
        self._on_limited(rule.name)
        error = RateLimited(rule.message, refusal.retry_after_s)
        if self._config.headers:
            error.headers["RateLimit-Policy"] = self._policy(rule)[0].decode()
            error.headers["RateLimit"] = f'"{rule.name}";r=0;t={error.headers["Retry-After"]}'
        return error

    def _headers(self, charged: Charged) -> list[Header]:
        if not self._config.headers:
            return []
        standing = self._limiter.standing(charged)
        if len(standing) == 1:
            rule, left, reset_s = standing[0]
            policy, name = self._policy(rule)
            return [
                (b"RateLimit-Policy", policy),
                (b"RateLimit", b"%b;r=%d;t=%d" % (name, left, math.ceil(reset_s))),
            ]
        if not standing:
            return []
        policies = [self._policy(rule) for rule, _, _ in standing]
        states = [
            b"%b;r=%d;t=%d" % (name, left, math.ceil(reset_s))
            for (_, name), (_, left, reset_s) in zip(policies, standing, strict=True)
        ]
        return [
            (b"RateLimit-Policy", b", ".join(policy for policy, _ in policies)),
            (b"RateLimit", b", ".join(states)),
        ]

    def _policy(self, rule: Rule) -> tuple[bytes, bytes]:
        """What a rule allows, and its name in quotes; made once."""
        quota = rule.quota
        found = self._policies.get(rule.name)
        if found is None or found[0] is not quota:
            name, window_s = b'"%s"' % rule.name.encode(), max(1, round(quota.duration_ns / NS))
            found = quota, (b"%b;q=%d;w=%d" % (name, quota.max, window_s), name)
            self._policies[rule.name] = found
        return found[1]


async def _parts(exchange: Exchange) -> list[Asked]:
    """The requests in a batch. PocketBase may carry out one that Hapta cannot read (it passes over what
    follows the JSON), so that one counts as many."""
    try:
        return [_part(request) for request in await batch_requests(exchange)]
    except (BadRequest, BodyTooLarge):
        return [Asked("POST", OperationClass.RECORD_WRITE, None, ())] * UNREADABLE_PARTS


def _part(request: Mapping[str, Any]) -> Asked:
    method, url = str(request.get("method", "")).upper(), str(request.get("url", ""))
    found = _RECORDS.search(url)  # PocketBase finds it in the text the same way
    collection = unquote(found[1]) if found else None
    segments = tuple(unquote(segment) for segment in re.split(r"[?#]", url)[0].split("/")[1:])
    return Asked(method, OperationClass.RECORD_WRITE, collection, segments)
