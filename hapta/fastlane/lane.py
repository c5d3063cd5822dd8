"""The lane itself: tells a known answer again, and learns from what the full way told."""

from collections.abc import Callable
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from hapta.cache.generations import Generations
from hapta.cache.store import ResponseStore
from hapta.fastlane.entry import Entry
from hapta.fastlane.heads import LONGEST, VERSION, header_names
from hapta.fastlane.ids import request_ids
from hapta.fastlane.ledger import Ledger
from hapta.fastlane.party import Answers, Party, Peer, Profile, Seat
from hapta.fastlane.template import Templates
from hapta.feed.liveness import Liveness
from hapta.limits.rules import Asked
from hapta.model.clock import Clock
from hapta.model.exchange import Answer, Exchange, Standing
from hapta.model.operation import OperationClass
from hapta.stages.basis import Basis
from hapta.stages.limit import Limits
from hapta.stages.lookup import Plans
from hapta.stages.origins import OriginMemo
from hapta.stages.tab import HEADS, Price, Tab

MAX_BYTES: Final = 32 * 1024 * 1024
LARGEST_SHARE: Final = 4
"""No more than that, and than a quarter of the store's bytes, is kept besides the responses."""
MAX_UNKNOWN: Final = 65_536
"""Header blocks that came once are remembered by their hash, so many of them."""
_MOST_TABS: Final = 32


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
    ) -> Any:
        """What :meth:`told` wants to know of an answer."""
        ...

    def told(self, told: Any, request_id: str, seconds: float, address: str) -> None:
        """It was given."""
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
        self._feed = liveness.feed
        self._store = store
        self._generations = generations
        self._plans = plans
        self._origins = origins
        self._limits = limits
        self._reporter = reporter
        self._told = reporter.told
        self._clock = clock
        self._date = date
        self._peers: WeakValueDictionary[tuple[str, bool, bool], Peer] = WeakValueDictionary()
        self._profiles: WeakValueDictionary[Profile, Answers] = WeakValueDictionary()
        self._ledger = Ledger(min(MAX_BYTES, store.max_bytes // LARGEST_SHARE))
        self._unknown: set[int] = set()
        self._templates = Templates()
        self._ids = request_ids()
        self._monotonic = clock.monotonic
        self._second = 0
        self._second_ends = float("-inf")
        self._wall_ahead = 0.0

    @property
    def weight(self) -> int:
        """Bytes of what is kept, about."""
        return self._ledger.weight

    def seat(self, address: str, *, is_trusted: bool, is_admin: bool) -> Seat:
        """Of a connection from there, which holds it while it is open."""
        key = (address, is_trusted, is_admin)
        peer = self._peers.get(key)
        if peer is None:
            peer = self._peers[key] = Peer()
        return Seat(peer)

    def answer(self, seat: Seat, head: bytes, transport: Transport) -> float:
        """Answer a request, if that is possible at once.

        Args:
            seat: the connection's.
            head: all that came, on a connection that is idle and whose parser stands between two messages.
            transport: the connection's; it takes what is written.

        Returns:
            Monotonic seconds at which it was answered; 0.0 if it was not, and nothing happened.
        """
        tail, party = seat.tail, seat.party
        if party is None or not head.endswith(tail):
            tail = head[head.find(VERSION) :]
            party = seat.peer.blocks.get(tail)
            if party is None:
                return 0.0
            seat.tail, seat.party = party.tail, party
            tail = party.tail
        line = head[: -len(tail)]
        entry = party.shared.get(line)
        if entry is None and (entry := party.own.get(line)) is None:
            return 0.0
        now = self._monotonic()
        if now >= self._second_ends:
            self._next_second(now)
        told = entry.told()
        if (
            told is None
            or not self._liveness.holds(now)
            or (
                (
                    entry.moves != self._generations.moves
                    or entry.second != self._second
                    or entry.origins != self._origins.version
                )
                and not self._look_at(entry, now)
            )
            or now >= entry.good_until
        ):
            return 0.0
        standing = party.standing
        if standing is not None and (
            not standing.holds(self._feed.epoch)
            or now >= self._good_until(party, standing)
            or (told.members and party.record in told.members)
            or (entry.fields is not None and not entry.fields.is_current)
        ):
            return 0.0
        uses = entry.uses = entry.uses + 1
        if not uses & (uses - 1) and not self._note_use(entry):
            return 0.0
        body = told.body if entry.has_body else b""
        request_id, prefix, suffix = next(self._ids)
        price = entry.price
        if price is None:
            answer: bytes | None = HEADS % (entry.front, prefix, suffix, entry.behind, body)
        else:
            tab = party.tabs.get(price) or self._open_tab(party, price)
            answer = tab.answer(now, entry.front, prefix, suffix, entry.behind, body)
        if answer is None:
            return 0.0
        if standing is not None:
            standing.used()
        transport.write(answer)
        done = self._monotonic()
        self._told(entry.report, request_id, done - now, party.client)
        return done

    def _next_second(self, now: float) -> None:
        wall = self._clock.now()
        self._second += 1
        self._wall_ahead = wall - now
        self._second_ends = now + int(wall) + 1 - wall

    def _look_at(self, entry: Entry, now: float) -> bool:
        """Something moved, or it is another second: whether the answer is still good, and how it is told."""
        stored = entry.stored()
        if (
            stored is None
            or not stored.fence.holds()
            or entry.version != self._plans.version
            or entry.origins != self._origins.version
            or (entry.price is not None and not self._is_in_force(entry.price))
        ):
            return False
        if entry.second != self._second:
            entry.render(stored, now, now + self._wall_ahead, self._date())
            entry.second, entry.uses = self._second, 0
        entry.moves = self._generations.moves
        return True

    def _is_in_force(self, price: Price) -> bool:
        return self._limits is not None and price.version == self._limits.version

    def _note_use(self, entry: Entry) -> bool:
        """Tell the store of the first, second, fourth, eighth … use in each second: it counts to fifteen.
        Whether the response is still there."""
        return self._store.get(entry.slot) is entry.stored()

    def _good_until(self, party: Party, standing: Standing) -> float:
        """Until when a token is good by the monotonic clock. Worked out in each second anew, in which it is
        also noted once where the token is used."""
        if party.second != self._second:
            party.second, party.good_until = self._second, standing.exp - self._wall_ahead
            if self._limits is not None:
                self._limits.note(party.subject, party.identity)
        return party.good_until

    def _open_tab(self, party: Party, price: Price) -> Tab:
        assert self._limits is not None
        if len(party.tabs) >= _MOST_TABS:
            party.tabs.clear()
        tab = party.tabs[price] = self._limits.tab(party.subject, price)
        return tab

    # learning

    def passes_on(self, seat: Seat) -> None:
        """A request goes the full way: stages in front of the cache decide by schema and plugins of now, and
        what the cache decides by others is not to be told again on the strength of it."""
        seat.version = self._plans.version

    def learn(self, seat: Seat, head: bytes, exchange: Exchange, answer: Answer) -> None:
        """An answer was sent whole, on a connection that stays open.

        Args:
            seat: the connection's.
            head: the whole request, which came by itself.
        """
        basis = answer.basis
        if not isinstance(basis, Basis) or not exchange.is_repeatable or basis.version != seat.version:
            return
        line, version, block = head.partition(VERSION)
        seat.party = None  # if it is known, it was not good enough
        is_plain = (
            exchange.method == "GET"
            and exchange.operation.kind is OperationClass.RECORD_READ
            and line == b"GET " + exchange.target.raw.encode("ascii")
            and bool(version)
            and len(head) <= LONGEST
        )
        if not is_plain or (exchange.identity is None) != ("Authorization" not in exchange.headers):
            return
        party = self._party(seat.peer, version + block, exchange)
        if party is None:
            return
        table = party.shared if basis.is_for_all else party.own
        price = self._price(exchange)
        known = table.get(line)
        if known is not None and known.repeats(basis, price, self._origins.version, self._monotonic()):
            return  # another party had it learnt
        body = answer.body
        expected = b"" if answer.status == 304 else basis.told.body
        if body is not expected and body != expected:
            return
        template = self._templates.of(answer, basis.told)
        if template is None:
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
        entry = Entry(line, basis, answer, template, exchange, self._origins, price, report)
        self._ledger.add(table, line, entry, entry.weight)

    def _party(self, peer: Peer, tail: bytes, exchange: Exchange) -> Party | None:
        party = peer.blocks.get(tail)
        if party is not None and party.identity is exchange.identity and self._is_current(party):
            return party
        hashed = hash(tail)
        if party is None and hashed not in self._unknown:
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown.add(hashed)
            return None
        names = header_names(tail[len(VERSION) :])
        if names is None or not _is_kept_alive(names, exchange):
            return None
        standing = exchange.standing
        if exchange.identity is not None and (standing is None or not standing.holds(self._feed.epoch)):
            return None  # a token whose time is measured is looked up each time
        profile = Profile.of(exchange)
        shared = self._profiles.get(profile)
        if shared is None:
            shared = self._profiles[profile] = Answers()
        party = Party(
            tail,
            exchange.identity,
            standing,
            Limits.subject(exchange.client, exchange.identity),
            str(exchange.client),
            shared,
        )
        self._ledger.add(peer.blocks, tail, party, party.weight)
        return party

    def _price(self, exchange: Exchange) -> Price | None:
        if self._limits is None:
            return None
        operation = exchange.operation
        segments = exchange.target.segments
        return self._limits.price(Asked(exchange.method, operation.kind, operation.collection, segments))

    def _is_current(self, party: Party) -> bool:
        return party.standing is None or party.standing.holds(self._feed.epoch)


def _is_kept_alive(names: frozenset[bytes], exchange: Exchange) -> bool:
    return b"connection" not in names or exchange.headers["Connection"].lower() == "keep-alive"
