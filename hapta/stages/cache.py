"""Can a stored response answer this read? If not, fetch once for all who may share it, and store it.

The decisions are engines' (:mod:`hapta.cache`): the planner says who may share an answer and what makes it
wrong, generations whether it still holds, the store what is kept. This stage asks them in order and carries
out: serve, fetch, or pass the request on as it came. Every answer says in ``Cache-Status`` which it was.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from hapta.cache.answers import answer_headers, if_none_match, not_modified
from hapta.cache.generations import Standing
from hapta.cache.key import Key
from hapta.cache.overlay import Row, own_answer
from hapta.cache.plan import Bypass, Reason
from hapta.cache.status import Forward, Hit, forwarded, hit, with_status
from hapta.cache.store import ResponseStore
from hapta.cache.stored import Stored
from hapta.model.clock import Clock
from hapta.model.errors import Overloaded, UpstreamLost, UpstreamRefused
from hapta.model.exchange import Answer, Exchange, Handler, Header
from hapta.model.identity import Identity
from hapta.model.operation import OperationClass
from hapta.stages.basis import Basis
from hapta.stages.fill import Filled, Filler
from hapta.stages.lookup import Look, Lookup
from hapta.stages.origins import OriginMemo
from hapta.stages.own_emails import OwnEmails
from hapta.stages.remake import Remaker
from hapta.stages.stale import Stale, StaleAnswers
from hapta.stages.variants import Variants

_LOOKS = 5
"""Times a read looks: again when the schema was confirmed, for an answer of its own, and after a fetch it
could not share."""


class CacheMeter(Protocol):
    """Counts what the cache did, by id of the collection."""

    def cache_hit(self, collection: str, how: str) -> None:
        """Served without PocketBase; a :class:`~hapta.cache.status.Hit`."""

    def cache_miss(self, collection: str, reason: str) -> None:
        """Asked PocketBase because nothing was stored (``uri-miss``) or it was no longer good (``stale``)."""

    def cache_bypass(self, collection: str, reason: str) -> None:
        """Asked PocketBase and stored nothing; a :class:`~hapta.cache.plan.Reason`."""


class ReadCache:
    """The stage.

    Args:
        lookup: plans reads.
        filler: fetches.
        remaker: makes answers without PocketBase.
        store: what is kept.
        origins: CORS lines.
        emails: for members' answers made of what others share.
        stale: what may be given though it is no longer good.
        variants: the forms of what is kept.
        id_of: the id of a collection, from a name or id; one word for all that are unknown.
        meter: counts.
        clock: both times.
    """

    def __init__(
        self,
        lookup: Lookup,
        filler: Filler,
        remaker: Remaker,
        store: ResponseStore,
        origins: OriginMemo,
        emails: OwnEmails,
        stale: StaleAnswers,
        variants: Variants,
        *,
        id_of: Callable[[str], str],
        meter: CacheMeter,
        clock: Clock,
    ) -> None:
        self._lookup = lookup
        self._filler = filler
        self._remaker = remaker
        self._store = store
        self._origins = origins
        self._emails = emails
        self._stale = stale
        self._variants = variants
        self._id_of = id_of
        self._meter = meter
        self._clock = clock

    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        if exchange.operation.kind is OperationClass.RECORD_READ:
            try:
                return await self._read(exchange, forward)
            except (Overloaded, UpstreamLost, UpstreamRefused):
                stale = await self._stale.on_error(exchange)
                cors = self._origins.lines(exchange.headers.get("Origin"))
                if stale is None or cors is None:
                    raise
                return self._serve_stale(exchange, stale, cors, Hit.STALE_IF_ERROR)
        answer = await forward(exchange)
        is_read = exchange.method in ("GET", "HEAD")
        answer.headers = with_status(answer.headers, forwarded(Forward.BYPASS if is_read else Forward.METHOD))
        return answer

    async def _read(self, exchange: Exchange, forward: Handler) -> Answer:
        identity, is_own, how, is_asked = exchange.identity, False, Hit.SHARED, False
        cors = self._origins.lines(exchange.headers.get("Origin"))
        for _ in range(_LOOKS):
            look = self._lookup.look_now(exchange, is_own=is_own)
            if look is None:
                look = await self._lookup.look_up(exchange, is_own=is_own)
            if isinstance(look, Bypass):
                return await self._pass_on(exchange, forward, look.reason)
            if cors is None:
                return await self._pass_on(exchange, forward, Reason.ORIGIN)
            found = self._store.get(look.slot)
            why = self._why_not(found)
            if isinstance(why, Forward) and self._remaker.may_make(look):
                if not self._remaker.is_sure and not is_asked:
                    is_asked = True
                    await self._remaker.make_sure()
                    continue  # what was looked up is older than the answer
                if self._remaker.is_sure and (made := self._remaker.make(look, found)) is not None:
                    found, why, how = made.stored, None, made.hit
            row = None if is_own else _member(found, identity)
            if found is not None and row is not None:
                if row not in found.places:
                    is_own = True
                    continue
                if why is None:
                    email = self._emails.known(row)
                    if email is None:  # what was looked up is as old as the question will be
                        is_own = await self._emails.ask(row) is None
                        continue
                    found = own_answer(found, row, email)
            if found is not None and why is None:
                if how is Hit.SHARED:
                    how = Hit.OVERLAY if row is not None else Hit.PRIVATE if look.is_private else how
                exchange.cache = "hit"
                self._meter.cache_hit(look.plan.collection, how)
                ttl_s = found.ttl_s(self._clock.monotonic(), self._clock.now())
                status = hit(ttl_s, how)
                answer = self._serve(exchange, look, found, cors, status, is_own=row is not None)
                if exchange.is_repeatable and row is None and not is_own:
                    answer.basis = self._basis(exchange, look, found)
                return answer
            if exchange.is_only_if_stored:
                return _not_stored()
            if why is Forward.STALE and (stale := self._stale.while_revalidating(exchange, look, found)):
                self._stale.refresh(look.slot, partial(self._refetch, exchange, forward, look.slot))
                return self._serve_stale(exchange, stale, cors, Hit.STALE_WHILE_REVALIDATE)
            if why is Reason.WRITE:
                return await self._pass_on(exchange, forward, Reason.WRITE)
            assert isinstance(why, Forward)
            if exchange.method == "HEAD":
                return await self._ask_head(exchange, forward, look, why)
            asked_at = self._clock.monotonic()
            filled = await self._filler.fill(exchange, forward, look)
            exchange.upstream_s += self._clock.monotonic() - asked_at
            if isinstance(filled, Bypass):
                return await self._pass_on(exchange, forward, filled.reason)
            if filled is not None:
                if filled[0].suits(identity):
                    return self._serve_filled(exchange, look, *filled, cors, why)
                own = await self._overlaid(filled[0], identity)
                if own is not None:
                    return self._serve_filled(exchange, look, own, filled[1], cors, why, is_own=True)
                filled[0].discard()
                is_own = True
        return await self._pass_on(exchange, forward, Reason.WRITE)

    async def _overlaid(self, filled: Filled, identity: Identity | None) -> Filled | None:
        """What was fetched for others, made the answer of a caller whose row is shown in it."""
        stored = filled.stored
        row = _member(stored, identity)
        if stored is None or row is None or row not in stored.places or not filled.is_neutral:
            return None
        email = await self._emails.ask(row)
        if email is None or self._why_not(stored) is not None:
            return None
        return replace(filled, stored=own_answer(stored, row, email))

    def _why_not(self, found: Stored | None) -> Forward | Reason | None:
        """Why a stored response may not be served now; ``None`` when it may."""
        if found is None:
            return Forward.URI_MISS
        standing = found.fence.standing()
        if standing is Standing.UNSETTLED:
            return Reason.WRITE
        if standing is Standing.BROKEN or found.ttl_s(self._clock.monotonic(), self._clock.now()) <= 0:
            return Forward.STALE
        return None

    async def _refetch(
        self, exchange: Exchange, forward: Handler, slot: Key
    ) -> tuple[Filled, bool] | Bypass | None:
        """Planned anew: a plan holds only for as long as nothing was awaited."""
        look = await self._lookup.look_up(exchange, is_own=False)
        if isinstance(look, Bypass) or look.slot != slot:
            return None
        return await self._filler.fill(exchange, forward, look)

    def _serve_stale(self, exchange: Exchange, stale: Stale, cors: tuple[Header, ...], how: Hit) -> Answer:
        look = stale.look
        exchange.cache = "hit"
        self._meter.cache_hit(look.plan.collection, how)
        return self._serve(exchange, look, stale.stored, cors, hit(-stale.stale_s, how), is_own=False)

    def _serve(
        self,
        exchange: Exchange,
        look: Look,
        stored: Stored,
        cors: tuple[Header, ...],
        status: bytes,
        *,
        is_own: bool,
    ) -> Answer:
        held = if_none_match(exchange.headers)
        if varies_by_coding := self._variants.may_have_one(look, stored, is_own=is_own):
            stored = self._variants.choose(exchange, look, stored, held)
        is_304 = not_modified(stored, held)
        headers = answer_headers(
            stored,
            is_private=look.is_private or is_own,
            reads_authorization=not look.plan.is_shared_with_guests or look.plan.shows_own_email,
            varies_by_coding=varies_by_coding,
            now=self._clock.monotonic(),
            is_304=is_304,
        )
        headers += cors
        headers.append((b"Cache-Status", status))
        if is_304:
            return Answer(304, headers)
        if exchange.method == "HEAD":
            return Answer(stored.status, headers, length=len(stored.body))
        return Answer(stored.status, headers, stored.body)

    def _serve_filled(
        self,
        exchange: Exchange,
        look: Look,
        filled: Filled,
        was_joined: bool,
        cors: tuple[Header, ...],
        why: Forward,
        *,
        is_own: bool = False,
    ) -> Answer:
        self._missed(exchange, look, "collapsed" if was_joined else why)
        status = forwarded(
            why,
            is_stored=filled.is_kept and not was_joined,
            is_collapsed=was_joined,
            detail=Hit.OVERLAY if is_own else "",
        )
        if filled.stored is not None:
            answer = self._serve(exchange, look, filled.stored, cors, status, is_own=is_own)
            if exchange.is_repeatable and not is_own and not look.is_own:
                answer.basis = self._basis(exchange, look, filled.stored)
            return answer
        fetched = filled.fetched
        headers = with_status([*fetched.headers, *cors], status)
        return Answer(fetched.status, headers, fetched.body, length=fetched.length)

    def _basis(self, exchange: Exchange, look: Look, stored: Stored) -> Basis | None:
        """By which the next one who asks the same may be told the same."""
        told = self._variants.settled_form(exchange, look, stored)
        if told is None or self._store.peek(look.slot) is not stored:
            return None
        how = Hit.PRIVATE if look.is_private else Hit.SHARED
        return Basis(look.slot, stored, told, look.plan, look.version, how, look.fields)

    async def _ask_head(self, exchange: Exchange, forward: Handler, look: Look, why: Forward) -> Answer:
        """HEAD never fills: its answer has no body to keep."""
        self._missed(exchange, look, why)
        answer = await forward(exchange)
        answer.headers = with_status(answer.headers, forwarded(why))
        return answer

    def _missed(self, exchange: Exchange, look: Look, why: str) -> None:
        exchange.cache = f"miss:{why}"
        self._meter.cache_miss(look.plan.collection, why)

    async def _pass_on(self, exchange: Exchange, forward: Handler, reason: Reason) -> Answer:
        if exchange.is_only_if_stored:
            return _not_stored()
        exchange.cache = f"bypass:{reason}"
        self._meter.cache_bypass(self._id_of(exchange.operation.collection or ""), reason)
        answer = await forward(exchange)
        if (origin := exchange.headers.get("Origin")) is not None:
            self._origins.learn(origin, answer.headers)
        answer.headers = with_status(answer.headers, forwarded(Forward.BYPASS, detail=reason))
        return answer


def _not_stored() -> Answer:
    return Answer(504, reason="only_if_stored")


def _member(stored: Stored | None, identity: Identity | None) -> Row | None:
    """The caller's row, if it is one of those whose owners see something else in the response."""
    if stored is None or identity is None or identity.record not in stored.members:
        return None
    return (identity.collection, identity.record)
