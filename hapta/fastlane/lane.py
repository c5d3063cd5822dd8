"""The lane itself: tells a known answer again, and learns from what the full way told."""

from collections.abc import Callable
from random import Random, SystemRandom
from typing import Final, Protocol
from weakref import WeakValueDictionary

from hapta.cache.generations import Generations
from hapta.cache.store import ResponseStore
from hapta.fastlane.entry import Entry, Pieces, Report
from hapta.fastlane.heads import LONGEST, VERSION, header_names
from hapta.fastlane.ledger import Ledger
from hapta.fastlane.party import Answers, Party, Peer, Profile
from hapta.feed.liveness import Liveness
from hapta.model.clock import Clock
from hapta.model.exchange import Answer, Exchange
from hapta.model.operation import OperationClass
from hapta.stages.basis import Basis
from hapta.stages.limit import Limits
from hapta.stages.lookup import Plans
from hapta.stages.origins import OriginMemo

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all that is kept, without the responses, which the store keeps."""
MAX_UNKNOWN: Final = 65_536
"""Header blocks that came once are remembered by their hash, so many of them."""
_NOTED_AGAIN_S: Final = 10.0
_STATUS_LINES: Final = {
    200: b"HTTP/1.1 200 OK\r\n",
    304: b"HTTP/1.1 304 Not Modified\r\n",
    404: b"HTTP/1.1 404 Not Found\r\n",
}


class Transport(Protocol):
    """Where answers are written."""

    def write(self, data: bytes) -> None: ...


class Reporter(Protocol):
    """Log and metrics."""

    def bind_hit(
        self,
        target: str,
        status: int,
        sent_bytes: int,
        kind: OperationClass,
        collection: str,
        how: str,
        saved_bytes: int,
    ) -> Report:
        """What is to be called with id, seconds and address of each answer of these."""
        ...


class FastLane:
    """Answers again what was answered before.

    Args:
        liveness: whether changes are heard of.
        store: where the responses are.
        generations: moves with whatever may break one.
        plans: what answers were told under.
        origins: CORS lines.
        limits: are charged as on the full way; ``None`` where there are none.
        reporter: log and metrics.
        clock: both times.
        date: the line of ``Date`` of this second.
    """

    def __init__(
        self,
        liveness: Liveness,
        store: ResponseStore,
        generations: Generations,
        plans: Plans,
        origins: OriginMemo,
        limits: Limits | None,
        reporter: Reporter,
        *,
        clock: Clock,
        date: Callable[[], bytes],
    ) -> None:
        self._liveness = liveness
        self._store = store
        self._generations = generations
        self._plans = plans
        self._origins = origins
        self._limits = limits
        self._reporter = reporter
        self._clock = clock
        self._date = date
        self._peers: WeakValueDictionary[tuple[str, bool, bool], Peer] = WeakValueDictionary()
        self._profiles: WeakValueDictionary[Profile, Answers] = WeakValueDictionary()
        self._ledger = Ledger(MAX_BYTES)
        self._unknown: set[int] = set()
        self._getrandbits = Random(SystemRandom().getrandbits(128)).getrandbits

    @property
    def weight(self) -> int:
        """Bytes of what is kept, about."""
        return self._ledger.weight

    def peer(self, address: str, *, is_trusted: bool, is_admin: bool) -> Peer:
        """What a connection from there asks with; held by the connection."""
        key = (address, is_trusted, is_admin)
        found = self._peers.get(key)
        if found is None:
            found = self._peers[key] = Peer()
        return found

    def forget(self) -> None:
        """The configuration changed: everything is learnt anew."""
        self._ledger.clear()

    def answer(self, peer: Peer, head: bytes, transport: Transport) -> bool:
        """Answer a request, if that is possible at once; else nothing happened.

        Args:
            peer: the connection's.
            head: all that came, on a connection that is idle and whose parser stands between two messages.
            transport: the connection's; it takes what is written.
        """
        line, _, block = head.partition(VERSION)
        party = peer.blocks.get(block)
        if party is None:
            return False
        entry = party.shared.get(line) or party.own.get(line)
        if entry is None:
            return False
        clock = self._clock
        now, wall = clock.monotonic(), clock.now()
        stored = entry.stored()
        if stored is None or not self._liveness.holds(now):
            return False
        if entry.moves != self._generations.moves and not self._still_holds(entry):
            return False
        identity = party.identity
        if identity is not None:
            if not party.is_current():
                return False
            if stored.members and identity.record in stored.members:
                return False
            if entry.fields is not None and not entry.fields.is_current:
                return False
        if entry.second != int(wall) and not self._render(entry, now, wall):
            return False
        body = entry.body()
        if now >= entry.good_until or entry.origins != self._origins.version or body is None:
            return False
        charge = b""
        if self._limits is not None:
            if now - party.noted_at > _NOTED_AGAIN_S:
                party.noted_at = now
                self._limits.note(party.subject, identity)
            taken = self._limits.charge_known(party.subject, entry.asked)
            if taken is None:
                return False
            charge = taken
        request_id = f"{self._getrandbits(64):016x}"
        transport.write(
            b"%s%sX-Request-Id: %s\r\n%s%s" % (entry.front, charge, request_id.encode(), entry.behind, body)
        )
        entry.report(request_id, clock.monotonic() - now, party.client)
        return True

    def _still_holds(self, entry: Entry) -> bool:
        """Something moved since it was last looked at."""
        moves = self._generations.moves
        stored = entry.stored()
        if stored is None or not stored.fence.holds() or entry.version != self._plans.version:
            return False
        entry.moves = moves
        return True

    def _render(self, entry: Entry, now: float, wall: float) -> bool:
        """A new second: its use is noted, as that of others is on the full way."""
        stored = self._store.get(entry.slot)
        if stored is None or stored is not entry.stored():
            return False
        entry.render(stored, now, wall, self._date())
        return True

    # learning

    def learn(self, peer: Peer, head: bytes, exchange: Exchange, answer: Answer) -> None:
        """An answer was sent whole, on a connection that stays open.

        Args:
            peer: the connection's.
            head: the whole request, which came by itself.
        """
        basis = answer.basis
        if not isinstance(basis, Basis) or not exchange.is_repeatable:
            return
        line, version, block = head.partition(VERSION)
        is_plain = (
            exchange.method == "GET"
            and exchange.operation.kind is OperationClass.RECORD_READ
            and line == b"GET " + exchange.target.raw.encode("ascii")
            and bool(version)
            and len(head) <= LONGEST
        )
        if not is_plain or (exchange.identity is None) != ("Authorization" not in exchange.headers):
            return
        party = self._party(peer, block, exchange)
        if party is None:
            return
        body = answer.body
        expected = b"" if answer.status == 304 else basis.told.body
        status_line = _STATUS_LINES.get(answer.status)
        if (body is not expected and body != expected) or status_line is None:
            return
        pieces = Pieces.of(status_line, answer, basis.told)
        if pieces is None:
            return
        report = self._reporter.bind_hit(
            exchange.target.raw,
            answer.status,
            len(expected),
            exchange.operation.kind,
            basis.plan.collection,
            basis.how,
            len(basis.stored.body) - len(expected) if expected and basis.told is not basis.stored else 0,
        )
        entry = Entry(line, basis, answer, pieces, exchange, self._origins, report)
        table = party.shared if basis.is_for_all else party.own
        self._ledger.add(table, line, entry, entry.weight)

    def _party(self, peer: Peer, block: bytes, exchange: Exchange) -> Party | None:
        party = peer.blocks.get(block)
        if party is not None and party.identity is exchange.identity and party.is_current():
            return party
        hashed = hash(block)
        if party is None and hashed not in self._unknown:
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown.add(hashed)
            return None
        names = header_names(block)
        if names is None or not _is_kept_alive(names, exchange):
            return None
        if exchange.identity is not None and exchange.recall is None:
            return None
        profile = Profile.of(exchange)
        shared = self._profiles.get(profile)
        if shared is None:
            shared = self._profiles[profile] = Answers()
        party = Party(
            exchange.identity,
            exchange.recall,
            Limits.subject(exchange.client, exchange.identity),
            str(exchange.client),
            shared,
            self._clock.monotonic(),
        )
        self._ledger.add(peer.blocks, block, party, party.weight_of(block))
        return party


def _is_kept_alive(names: frozenset[bytes], exchange: Exchange) -> bool:
    return b"connection" not in names or exchange.headers["Connection"].lower() == "keep-alive"
