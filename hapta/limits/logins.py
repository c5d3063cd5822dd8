"""Guessed passwords are slowed down, and nobody can be locked out by somebody else's guesses.

Failures are counted per account and network (/24, IPv6 /48): after ``failures`` of them the network waits,
twice as long each time, and only one try at a time is let through. Tries under way count as failures until
they are known not to be, so many at once gain nothing; where nothing has failed they wait for each other.

The account itself is never locked. Once it has seen that many failures, from wherever, its tries are only
spaced: one each ``pace_s``. A network that has not failed at this account itself waits for its turn, a few
seconds at most; one that has is refused while it is somebody else's turn, so guessers do not crowd out the
owner. A network in which the account has a living session is exempt from both the lock and the common turns,
and only paced by itself.

An account is what the client calls it, with the collection: whether it exists is never asked, so an answer
cannot tell. It is kept as a keyed hash: of fixed size, and readable to nobody.
"""

import secrets
import unicodedata
from dataclasses import dataclass
from hashlib import blake2b

from hapta.config import LoginConfig
from hapta.limits.keys import fold
from hapta.model.clock import Clock
from hapta.model.recent import Recent

MAX_WAIT_S = 5.0
"""A try that would have to wait longer for its turn is refused."""
_ASK_AGAIN_S = 0.05


def normalised(identity: str) -> str:
    """What a client calls an account, in one form: PocketBase may take any of several for the same."""
    return unicodedata.normalize("NFKC", identity).casefold().strip()


@dataclass(frozen=True, slots=True)
class Account:
    """What a client calls an account.

    Attributes:
        key: of collection and identity, normalised: failures are counted under it.
        name: of the same to the letter: PocketBase finds at most one record by it, so what is learnt of one
            client's account is never believed of another's.
    """

    key: bytes
    name: bytes


@dataclass(frozen=True, slots=True)
class Try:
    """One login, as far as it matters here.

    Attributes:
        account: key of collection and identity.
        place: key of account and network.
        is_exempt: the account has a living session in that network.
    """

    account: bytes
    place: bytes
    is_exempt: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Attributes:
    wait_s: its turn comes after so long, then it is passed on.
    retry_after_s: above 0: not at all, come back then.
    ask_again_s: above 0: not decided yet, others are under way; :meth:`LoginGuard.admit` again then.
    """

    wait_s: float = 0.0
    retry_after_s: float = 0.0
    ask_again_s: float = 0.0

    @property
    def is_admitted(self) -> bool:
        """Whether it may go on, now or after ``wait_s``."""
        return not self.retry_after_s and not self.ask_again_s


class _Record:
    """Failures of one account, or of one network at one account."""

    __slots__ = ("failed_at", "failures", "locked_until", "turn_at", "under_way")

    def __init__(self) -> None:
        self.failures = 0
        self.under_way = 0
        self.failed_at = 0.0
        self.locked_until = 0.0
        self.turn_at = 0.0


class LoginGuard:
    """Decides about tries, and is told how each ended.

    Every :meth:`admit` that was not refused is followed by exactly one of :meth:`failed`, :meth:`succeeded`
    and :meth:`ended`.

    Args:
        config: the ``[login]`` table.
        clock: monotonic time.
    """

    def __init__(self, config: LoginConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._accounts: Recent[bytes, _Record] = Recent(config.max_accounts)
        self._places: Recent[bytes, _Record] = Recent(config.max_accounts)
        self._names: Recent[bytes, str] = Recent(config.max_accounts)
        self._codes: Recent[bytes, Account] = Recent(config.max_accounts)

    def configure(self, config: LoginConfig) -> None:
        """Other bounds from now on; what was counted stays counted."""
        self._config = config

    def __len__(self) -> int:
        """Accounts and networks remembered now."""
        return len(self._accounts) + len(self._places)

    # who is meant

    def account(self, collection: str, identity: str) -> Account:
        """An account by collection (its one form) and identity (as the client wrote it)."""
        return Account(self._key(collection, normalised(identity)), self._key(collection, identity))

    def attempt(self, account: Account, address: int, *, is_exempt: bool) -> Try:
        """A try at an account from the network around an address (:func:`~hapta.limits.keys.address_key`)."""
        return Try(account.key, self._key(account.key.hex(), str(fold(address))), is_exempt)

    def _key(self, one: str, other: str) -> bytes:
        text = f"{one}\0{other}".encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=16, key=self._secret).digest()

    def learn(self, account: Account, record: str) -> None:
        """An answer to its owner told which record an account is."""
        self._names.put(account.name, record)

    def record_of(self, account: Account) -> str | None:
        """The record behind an account, if it was learnt."""
        return self._names.get(account.name)

    def code_sent(self, collection: str, code_id: str, account: Account) -> None:
        """A one-time code was asked for: tries at it are tries at its account."""
        self._codes.put(self._key(collection, code_id), account)

    def account_of_code(self, collection: str, code_id: str) -> Account:
        """The account a one-time code is for; an unknown one counts as an account of its own."""
        key = self._key(collection, code_id)
        return self._codes.get(key) or Account(key, key)

    # tries

    def admit(self, attempt: Try) -> Admission:
        """Whether a try may go on, and after which wait."""
        now, limit = self._clock.monotonic(), self._config.failures
        account = self._record(self._accounts, attempt.account, now)
        place = self._record(self._places, attempt.place, now)
        if not attempt.is_exempt and now < place.locked_until:
            return Admission(retry_after_s=place.locked_until - now)
        turns = place if attempt.is_exempt else account
        one_at_a_time = not attempt.is_exempt and place.failures >= limit
        if (one_at_a_time and place.under_way) or self._is_crowded(place) or self._is_crowded(turns):
            admission = Admission(ask_again_s=_ASK_AGAIN_S)
        else:
            admission = self._turn(turns, now, may_wait=attempt.is_exempt or not place.failures)
        if admission.is_admitted:
            account.under_way += 1
            place.under_way += 1
        return admission

    def _is_crowded(self, record: _Record) -> bool:
        """Whether those under way, if they all failed, would be as many as are let through freely."""
        free = self._config.failures - record.failures
        return free > 0 and record.under_way >= free

    def _turn(self, turns: _Record, now: float, *, may_wait: bool) -> Admission:
        pace_s = self._config.pace_s
        if not pace_s or turns.failures < self._config.failures:
            return Admission()
        wait_s = max(0.0, turns.turn_at - now)
        if wait_s > (MAX_WAIT_S if may_wait else 0.0):
            return Admission(retry_after_s=wait_s)
        turns.turn_at = now + wait_s + pace_s
        return Admission(wait_s)

    def _record(self, records: Recent[bytes, _Record], key: bytes, now: float) -> _Record:
        record = records.get(key)
        if record is None:
            record = _Record()
            records.put(key, record)
        elif not record.under_way and now - record.failed_at >= self._config.forget_s:
            record.failures = 0
        return record

    def failed(self, attempt: Try) -> None:
        """PocketBase refused the password or code."""
        config, now = self._config, self._clock.monotonic()
        for records, key in ((self._accounts, attempt.account), (self._places, attempt.place)):
            record = self._record(records, key, now)
            record.under_way = max(0, record.under_way - 1)
            record.failures += 1
            record.failed_at = now
        place = self._record(self._places, attempt.place, now)
        excess = place.failures - config.failures
        if excess >= 0 and not attempt.is_exempt:
            place.locked_until = now + min(config.max_lock_s, config.lock_s * 2.0 ** min(excess, 60))

    def succeeded(self, attempt: Try) -> None:
        """Somebody is logged in: that network's failures are forgiven, those of others are not."""
        self.ended(attempt)
        self._places.drop(attempt.place)

    def ended(self, attempt: Try) -> None:
        """It ended without a verdict about the password."""
        for records, key in ((self._accounts, attempt.account), (self._places, attempt.place)):
            record = records.get(key)
            if record is not None:
                record.under_way = max(0, record.under_way - 1)
                if not record.failures and not record.under_way:
                    records.drop(key)
