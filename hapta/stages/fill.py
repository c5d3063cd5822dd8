"""A fetch for the cache: as whom PocketBase is asked, who waits for the answer, and what of it is kept.

Where guests share the answer it is fetched as a guest, the weakest member: whatever a stronger one might see
is not in it. Else it is fetched as the caller, and then depends on the caller's auth record too: PocketBase
answers a token it no longer takes as it answers a guest, without a word, and the record's event tells.
What was fetched as one caller for others goes to nobody else before PocketBase was asked whether schema and
caller are still those the partition was concluded from: a rule that has just been changed behind Hapta could
have put the caller's own rows into it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cachetools import TTLCache

from hapta.cache.flights import Flights
from hapta.cache.generations import Fence, Generations, Standing
from hapta.cache.key import Key
from hapta.cache.plan import Bypass, Reason
from hapta.cache.reading import Read
from hapta.cache.store import ResponseStore
from hapta.cache.stored import Stored, concerns_nobody, may_store
from hapta.cache.tags import births
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError, UpstreamLost, UpstreamRefused
from hapta.model.exchange import Exchange, Handler
from hapta.model.identity import Identity
from hapta.stages.fetch import Fetched, ask, fill_request
from hapta.stages.keeping import Keeping
from hapta.stages.lookup import Coherence, Look, own_slot, tags_of
from hapta.stages.remake import Remaker

_SHARED_REFUSALS = frozenset({400, 403, 404})
"""What PocketBase refuses everybody of a partition alike; all else concerns who happened to ask."""
_TOKEN_LEFT_S = 30.0
"""A token that ends sooner may be dead at PocketBase already, if clocks differ."""
_MIDNIGHT_MARGIN_S = 5.0
"""So far may Hapta's clock and PocketBase's differ around midnight."""
_LARGE_KEPT, _LARGE_KEPT_S = 1024, 60.0
"""Targets whose answers were too large: nobody waits for another's fetch of them."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fetch brought.

    Attributes:
        stored: the same as a stored response, where it is of a kind that may be; else ``None``.
        is_kept: it was stored.
        members: ids of the auth rows in it, each of whom sees an e-mail there that others do not.
        leader: record id of the caller it was fetched as; ``None`` for a guest.
        is_for_all: it says the same to the whole partition, and to whoever asks next.
        shows_leader: what is stored shows an e-mail that only its leader may see.
    """

    fetched: Fetched
    leader: str | None
    is_for_all: bool
    stored: Stored | None = None
    is_kept: bool = False
    members: frozenset[str] = frozenset()
    shows_leader: bool = False

    @property
    def is_neutral(self) -> bool:
        """It shows nothing that is its leader's alone."""
        return self.leader is None or (self.is_for_all and not self.shows_leader)

    def suits(self, identity: Identity | None) -> bool:
        """Whether a caller of the partition may have it."""
        if not self.is_neutral:
            return identity is not None and identity.record == self.leader
        if identity is None:
            return True
        if self.leader is None and self.stored is None and self.fetched.status == 200:
            return False  # a guest's, and nobody looked whose e-mails are missing in it
        return identity.record not in self.members

    @property
    def may_be_shared(self) -> bool:
        """Whether those may have it who waited for it."""
        if not self.is_for_all or self.stored is not None:
            return self.is_for_all
        return self.fetched.status in _SHARED_REFUSALS and concerns_nobody(self.fetched.headers)

    def discard(self) -> None:
        """Nobody takes it."""
        if not isinstance(self.fetched.body, bytes):
            self.fetched.body.abort()


class Vouching(Protocol):
    """Asks PocketBase once more what a partition was concluded from."""

    async def vouch(self, look: Look) -> bool:
        """Whether schema and caller are, at an instant after the call, what they were when it was planned.

        Raises:
            HaptaError, OperatorError, TimeoutError: PocketBase did not say.
        """
        ...


class Filler:
    """Fetches, one fetch for all who may share it, and stores.

    Args:
        store: what is kept.
        generations: what writes moved.
        keeping: makes stored responses of answers.
        remaker: told of what is stored.
        coherence: whether changes are heard of.
        vouching: asks once more before one caller's answer is shared.
        token_end: Unix seconds at which a PocketBase token ends.
        host: the ``Host`` field of fetches.
        max_body_bytes: larger bodies are passed on.
        clock: both times.
    """

    def __init__(
        self,
        store: ResponseStore,
        generations: Generations,
        keeping: Keeping,
        remaker: Remaker,
        coherence: Coherence,
        vouching: Vouching,
        *,
        token_end: Callable[[str], float | None],
        host: str,
        max_body_bytes: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._generations = generations
        self._keeping = keeping
        self._remaker = remaker
        self._coherence = coherence
        self._vouching = vouching
        self._token_end = token_end
        self._host = host
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._flights: Flights[Filled] = Flights()
        self._large: TTLCache[Key, bool] = TTLCache(_LARGE_KEPT, _LARGE_KEPT_S, timer=clock.monotonic)

    def configure(self, *, max_body_bytes: int) -> None:
        """Up to what size bodies are kept from now on."""
        self._max_body_bytes = max_body_bytes
        self._large.clear()

    async def close(self) -> None:
        """End the fetches under way."""
        await self._flights.close()

    async def fill(
        self, exchange: Exchange, forward: Handler, look: Look
    ) -> tuple[Filled, bool] | Bypass | None:
        """Fetch, or wait for a fetch under way.

        Returns:
            What came and whether another read had asked for it already; why nothing may be stored now; or
            ``None`` where what was waited for concerns its own reader only.

        Raises:
            HaptaError: no answer.
        """
        slot = look.slot
        if slot in self._large:
            return Bypass(Reason.SIZE)
        if self._flights.is_joinable(slot):
            try:
                filled = await self._flights.join(slot)
            except (UpstreamLost, UpstreamRefused) as error:
                raise error.for_another() from error
            except HaptaError:
                return None  # it concerns whoever asked first: their share of Hapta was used up, not ours
            return (filled, True) if filled.may_be_shared else None
        tags = tags_of(look)
        if not self._coherence.covers(tags):
            return Bypass(Reason.FEED)
        fence = self._generations.fence(tags)
        if fence is None:
            return Bypass(Reason.WRITE)
        try:
            return await self._flights.lead(
                slot, fence, lambda: self._fetch(exchange, forward, look, fence)
            ), False
        except HaptaError as error:
            raise error.for_another() from error

    def why_not(self, look: Look) -> Reason | None:
        """Why nothing would be stored if this were fetched now; ``None`` where nothing speaks against it."""
        if look.slot in self._large:
            return Reason.SIZE
        tags = tags_of(look)
        if not self._coherence.covers(tags):
            return Reason.FEED
        fence = self._generations.fence(tags)
        if fence is None:
            return Reason.WRITE
        fence.fetched()
        return None

    async def _fetch(self, exchange: Exchange, forward: Handler, look: Look, fence: Fence) -> Filled:
        began_at, began = self._clock.now(), self._clock.monotonic()
        fetched = await ask(fill_request(exchange, look, self._host), forward, self._max_body_bytes)
        leader = None if look.caller is None else look.caller.record
        body = fetched.body
        if not isinstance(body, bytes) or len(body) > self._max_body_bytes:
            self._large[look.slot] = True
            return Filled(fetched, leader, is_for_all=False)
        is_vouched_for = await self._vouch(look)
        ends_at = _midnight_after(began_at) if look.plan.ends_at_midnight else None
        is_for_all = is_vouched_for and self._is_told_again(look, ends_at)
        found = self._read(look, fetched, body)
        if found is None:
            return Filled(fetched, leader, is_for_all)
        if fetched.status == 200 and look.plan.record is not None:
            fence.waive({births(look.plan.collection)})  # the record is there: others may be born
        # a write to what the answer names was not known to break the fence: who joined may have seen it
        is_for_all = fence.extend(found.tags) and is_for_all
        is_good = is_for_all and fence.standing() is not Standing.BROKEN
        if fence.holds():
            self._keeping.learn(look, found)
        if not is_for_all:
            found = replace(found, places={}, body=body)  # its leader's, as it came
        shows_leader = _shows_leader(look, found)
        slot = _slot(look, shows_leader=shows_leader)
        stored = self._keeping.stored(
            look,
            slot,
            found,
            fence,
            status=fetched.status,
            headers=fetched.headers,
            body=body,
            stored_at=began,
            ends_at=ends_at,
        )
        is_kept = is_good and self._store.put(slot, stored)
        if is_kept:
            self._remaker.learn(look, stored)
        return Filled(fetched, leader, is_for_all, stored, is_kept, found.members, shows_leader)

    async def _vouch(self, look: Look) -> bool:
        if look.caller is None or look.is_private:
            return True
        try:
            return await self._vouching.vouch(look)
        except (HaptaError, OperatorError, TimeoutError):
            return False

    def _read(self, look: Look, fetched: Fetched, body: bytes) -> Read | None:
        """What the answer says of itself; ``None`` for one that cannot be stored at all."""
        is_view = look.plan.record is not None
        if not may_store("GET", fetched.status, fetched.headers, is_view=is_view, body=body):
            return None
        return self._keeping.read(look, fetched.status, body)

    def _is_told_again(self, look: Look, ends_at: float | None) -> bool:
        """Whether the answer says the same to whoever asks next."""
        now = self._clock.now()
        if ends_at is not None and not _is_far_from_midnight(now, ends_at):
            return False
        if look.caller is not None:
            token_end = self._token_end(look.caller.upstream_token)
            if token_end is None or token_end - now < _TOKEN_LEFT_S:
                return False
        return True


def _shows_leader(look: Look, found: Read) -> bool:
    """Whether it was fetched as one of its own members, and shows their e-mail: then it is theirs alone."""
    caller = look.caller
    if caller is None or caller.record not in found.members:
        return False
    return (caller.collection, caller.record) not in found.places


def _slot(look: Look, *, shows_leader: bool) -> Key:
    if look.caller is None or look.is_private or not shows_leader:
        return look.slot
    return own_slot(look.slot, look.caller)


def _midnight_after(instant: float) -> float:
    day = datetime.fromtimestamp(instant, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1)).timestamp() - _MIDNIGHT_MARGIN_S


def _is_far_from_midnight(now: float, ends_at: float) -> bool:
    """It ends later than now, and did not begin just after a midnight that PocketBase may not have seen."""
    midnight_before = ends_at + _MIDNIGHT_MARGIN_S - 86_400.0
    return midnight_before + _MIDNIGHT_MARGIN_S <= now < ends_at
