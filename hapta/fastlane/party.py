"""Who asks: one header block, from one address, and what the full way made of it."""

from dataclasses import dataclass, field

from hapta.fastlane.entry import Entry
from hapta.limits.rules import Subject
from hapta.model.exchange import Exchange, Standing
from hapta.model.identity import Identity
from hapta.stages.tab import Price, Tab

_BYTES = 1300


class Answers(dict[bytes, Entry]):
    """By request line, without the version; goes with the last who may get them."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the answer to a target is chosen by, besides what stands in the key of a single caller.

    Attributes:
        audience: id of the caller's auth collection; ``None`` for guests.
        is_admin: it comes from ``admin.networks``.
        origin, accept_encoding, if_none_match: header values; ``None`` where there is none.
    """

    audience: str | None
    is_admin: bool
    origin: str | None
    accept_encoding: str | None
    if_none_match: str | None

    @classmethod
    def of(cls, exchange: Exchange) -> "Profile":
        """Of a request none of whose header lines comes twice."""
        identity, headers = exchange.identity, exchange.headers
        return cls(
            None if identity is None else identity.collection,
            exchange.is_admin_client,
            headers.get("Origin"),
            headers.get("Accept-Encoding"),
            headers.get("If-None-Match"),
        )


@dataclass(slots=True, eq=False)
class Party:
    """Requests that differ in nothing but the request line.

    Attributes:
        tail: what follows the target in their heads.
        identity: whose they are; ``None`` for guests.
        record: its record id.
        standing: of their token; ``None`` for guests.
        subject: whom they are charged to.
        client: the address, as text.
        shared: answers that everybody of its profile gets.
        own: answers that nobody else may get.
        tabs: its accounts with the limits.
        second: in which it was looked after last.
        good_until: monotonic instant at which the token expires.
    """

    tail: bytes
    identity: Identity | None
    standing: Standing | None
    subject: Subject
    client: str
    shared: Answers
    own: Answers = field(default_factory=Answers)
    tabs: dict[Price, Tab] = field(default_factory=dict)
    second: int = -1
    good_until: float = float("inf")
    record: str = field(init=False)

    def __post_init__(self) -> None:
        self.record = "" if self.identity is None else self.identity.record

    @property
    def weight(self) -> int:
        """Bytes of memory, about; without its answers. What its profile is made of stands in the tail again,
        and may be nearly all of it."""
        return _BYTES + 2 * len(self.tail)


@dataclass(slots=True, eq=False, weakref_slot=True)
class Peer:
    """The other end of connections, while there are any.

    Attributes:
        blocks: those that ask from there, by what follows the target in their heads.
    """

    blocks: dict[bytes, Party] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Seat:
    """One connection.

    Attributes:
        tail: what followed the target in the head it sent last, and is likely to send again.
        party: who asks with that.
        version: of the plans when its last request began the full way.
    """

    peer: Peer
    tail: bytes = b"\n"  # no head ends like this, but for one that is nobody's
    party: Party | None = None
    version: int = -1
