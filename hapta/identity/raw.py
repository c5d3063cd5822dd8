"""PocketBase's own tokens from clients, adopted: browsers that were logged in before Hapta came stay logged
in.

An adopted token is parsed, must name a known auth collection and lie before its expiry, and is proved
upstream once; from then on the same doubts hold for it as for a session. Its next auth-refresh makes it one.
What does not prove is a guest, as at PocketBase. Proofs are bounded per address, so that made-up tokens
cannot be turned into a load on PocketBase.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from hapta.identity.lookup import LOOKS_IN_DOUBT, MAX_LOOKS
from hapta.identity.needs import Feed
from hapta.identity.proof import Prover, understand_auth_token
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, Overloaded
from hapta.model.identity import Identity
from hapta.model.tasks import TaskSet

MAX_TOKEN_CHARS = 2048
REMEMBERED = 50_000
PROOFS_PER_MINUTE = 60
_WITHOUT_FEED_S = 1.0
_REFUSED_KEPT_S = 60.0


class TooManyProofs(HaptaError):
    """One address shows one unknown token after the other."""

    status, code, message = 429, "too_many_proofs", "Too many requests."


def owner_of(identity: Identity) -> str:
    """What an event stream is bound to: the session's id, or a mark of the adopted token."""
    if identity.session is not None:
        return identity.session
    return "raw:" + hashlib.sha256(identity.upstream_token.encode()).hexdigest()


@dataclass(slots=True)
class Adopted:
    """A token that proved to live, and whether it still needs no second look."""

    identity: Identity
    exp: float
    epoch: int
    is_proved: bool
    seen_at: float
    doubts: int = 0
    proof_round: int = 0

    def holds(self, epoch: int, proof_round: int) -> bool:
        """Whether its proof is still good, of the feed's epoch and the round of now."""
        return self.is_proved and self.epoch == epoch and self.proof_round == proof_round


class AdoptedStanding:
    """Of an adopted token.

    Attributes:
        exp: its expiry, Unix seconds.
    """

    __slots__ = ("_adopted", "_proof_round", "exp")

    def __init__(self, adopted: Adopted, proof_round: Callable[[], int]) -> None:
        self._adopted = adopted
        self._proof_round = proof_round
        self.exp = adopted.exp

    def holds(self, epoch: int) -> bool:
        """Whether it needs no second look before :attr:`exp`."""
        return self._adopted.holds(epoch, self._proof_round())

    def used(self) -> None:
        """Looks at adopted tokens are not counted."""


class AdoptedTokens:
    """Proves and remembers PocketBase tokens.

    Args:
        prover: asks PocketBase.
        feed: the change feed.
        clock: wall and monotonic time.
        is_auth_collection: whether an id is that of a known auth collection.
        take_proof: takes one proof from an address's allowance; ``False`` when it is used up.
        has_stream: whether an event stream is bound to an owner (:func:`owner_of`).
        on_ended: told the owner of a token that lives no more.
    """

    def __init__(
        self,
        prover: Prover,
        feed: Feed,
        clock: Clock,
        *,
        is_auth_collection: Callable[[str], bool],
        take_proof: Callable[[str], bool],
        has_stream: Callable[[str], bool],
        on_ended: Callable[[str], None],
    ) -> None:
        self._prover = prover
        self._feed = feed
        self._clock = clock
        self._is_auth_collection = is_auth_collection
        self._take_proof = take_proof
        self._has_stream = has_stream
        self._on_ended = on_ended
        self._adopted: OrderedDict[str, Adopted] = OrderedDict()
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Identity | None]] = {}
        self._asked: dict[str, tuple[int, int]] = {}
        self._tasks = TaskSet()
        self._proof_round = 0

    def recall(self, token: str) -> Identity | None:
        """The identity of a token that needs no second look."""
        adopted = self._adopted.get(token)
        if adopted is None:
            return None
        self._feed.touch()
        return adopted.identity if self._is_good(adopted) else None

    def standing(self, token: str) -> "AdoptedStanding | None":
        """Of a token that was looked up just now (:mod:`hapta.identity.standing`)."""
        adopted = self._adopted.get(token)
        return None if adopted is None else AdoptedStanding(adopted, lambda: self._proof_round)

    def _is_good(self, adopted: Adopted) -> bool:
        if not adopted.holds(self._feed.epoch, self._proof_round) or self._clock.now() >= adopted.exp:
            return False
        return self._feed.is_live or self._clock.monotonic() - adopted.seen_at < _WITHOUT_FEED_S

    async def resolve(self, token: str, address: str) -> Identity | None:
        """Whose a PocketBase token is; ``None`` for one that proves nothing.

        Raises:
            TooManyProofs: the address used up its allowance.
            HaptaError: PocketBase did not answer.
        """
        if (identity := self.recall(token)) is not None:
            return identity
        found = self._understand(token)
        if found is None:
            return None
        await self._feed.confirm()
        if (identity := self.recall(token)) is not None:
            return identity
        refused_until = self._refused.get(token)
        if refused_until is not None and self._clock.monotonic() < refused_until:
            return None
        if self._is_overtaken(token):
            await asyncio.shield(self._flights[token])
            return await self.resolve(token, address)  # what it found may be older than this request
        flight = self._flights.get(token)
        if flight is None:
            if token not in self._adopted and not self._take_proof(address):
                raise TooManyProofs(headers={"Retry-After": "60"})
            flight = self._tasks.spawn(self._prove(token, *found), name="proof of an adopted token")
            self._flights[token] = flight
            flight.add_done_callback(lambda _: self._flights.pop(token, None))
        return await asyncio.shield(flight)

    def _is_overtaken(self, token: str) -> bool:
        """Whether a doubt came since PocketBase was asked in the proof that is under way."""
        asked, adopted = self._asked.get(token), self._adopted.get(token)
        return asked is not None and (adopted is None or asked != (adopted.doubts, self._proof_round))

    def _understand(self, token: str) -> tuple[Identity, int] | None:
        if len(token) > MAX_TOKEN_CHARS:
            return None
        found = understand_auth_token(token)
        if found is None or found.exp <= self._clock.now() or not self._is_auth_collection(found.collection):
            return None
        return Identity(found.collection, found.record, token, None), found.exp

    async def _prove(self, token: str, identity: Identity, exp: float) -> Identity | None:
        for look in range(MAX_LOOKS):
            epoch, proof_round = self._feed.epoch, self._proof_round
            before = self._adopted.get(token)
            adopted = before or Adopted(identity, exp, epoch, False, 0.0)
            if before is None:
                self._adopted[token] = adopted  # in place before the question, so that doubts find it
                if len(self._adopted) > REMEMBERED:
                    self._adopted.popitem(last=False)[1].is_proved = False  # no doubt reaches it any more
            doubts = adopted.doubts
            self._asked[token] = doubts, proof_round
            try:
                lives = await self._prover.lives(token, identity.collection, identity.record)
            except HaptaError:
                if before is None:
                    self._adopted.pop(token, None)
                raise
            finally:
                del self._asked[token]
            if epoch != self._feed.epoch:
                continue
            is_in_doubt = (doubts, proof_round) != (adopted.doubts, self._proof_round)
            if is_in_doubt and (not lives or look < LOOKS_IN_DOUBT):
                continue
            if not lives:
                adopted.is_proved = False
                self._adopted.pop(token, None)
                self._refuse(token)
                self._on_ended(owner_of(identity))
                return None
            adopted.is_proved, adopted.epoch, adopted.proof_round = not is_in_doubt, epoch, proof_round
            adopted.seen_at = self._clock.monotonic()
            return identity
        raise Overloaded  # the record changes faster than it can be looked at

    def _refuse(self, token: str) -> None:
        self._refused[token] = self._clock.monotonic() + _REFUSED_KEPT_S
        if len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)

    def identity_changed(self, collection: str, record: str | None) -> None:
        """An auth record changed or may have; ``None``: all of its collection."""
        for adopted in list(self._adopted.values()):
            identity = adopted.identity
            if identity.collection == collection and record in (None, identity.record):
                self._doubt(adopted)

    def everybody_changed(self) -> None:
        """Any auth record may have changed: all tokens are proved again before the next answer."""
        self._proof_round += 1

    def everything_changed(self) -> None:
        """Anything may have changed."""
        for adopted in list(self._adopted.values()):
            self._doubt(adopted)

    def _doubt(self, adopted: Adopted) -> None:
        adopted.is_proved = False
        adopted.doubts += 1
        if self._has_stream(owner_of(adopted.identity)):
            token = adopted.identity.upstream_token
            self._tasks.spawn(self._recheck(token), name="adopted token with a stream")

    async def _recheck(self, token: str) -> None:
        with suppress(HaptaError):  # the next request asks again
            if token in self._adopted:
                await self.resolve(token, "")

    async def close(self) -> None:
        """End the questions under way."""
        await self._tasks.cancel()
