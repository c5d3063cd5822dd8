"""What is limited: rules made of the configuration, and whether one applies to a request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from hapta.config import LimitConfig, RateLimitConfig, parse_rate
from hapta.limits.gcra import Quota
from hapta.limits.keys import Key

DEFAULT = "default"
"""Name of the limit ``[ratelimit]`` describes."""


class Who(Enum):
    """Who is counted together."""

    IP = "ip"
    IDENTITY = "identity"
    SESSION = "session"
    GLOBAL = "global"
    CALLER = "caller"
    """The identity, or for a guest the address."""


@dataclass(slots=True)  # frozen ones cost twice as much to make, and one is made for every request
class Subject:
    """Who asks.

    Attributes:
        address: key of the client's address.
        identity: collection and record of who is logged in, ``None`` for a guest.
        session: id of the session; the identity where a token has none.
    """

    address: int
    identity: str | None = None
    session: str | None = None


@dataclass(slots=True)
class Asked:
    """What is asked.

    Attributes:
        method: of the request.
        kind: its class (:class:`~hapta.model.operation.OperationClass`).
        collection: as written in the path or a batch, or ``None``.
        segments: of the path, decoded.
    """

    method: str
    kind: str
    collection: str | None
    segments: tuple[str, ...]


Resolve = Callable[[str], str]
"""The one form of a collection's name or id."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit.

    Attributes:
        name: in metrics, headers and configuration; its counts are kept under it.
        who: who is counted together.
        quota: how much.
        cost: what one request counts as.
        message: text of the refusal.
        kind, collection, segments, methods: what it applies to; empty for everything.
    """

    name: str
    who: Who
    quota: Quota
    message: str
    cost: float = 1
    kind: str = ""
    collection: str = ""
    segments: tuple[str, ...] = ()
    methods: frozenset[str] = frozenset()

    def key(self, subject: Subject) -> Key | None:
        """Whom a request counts for; ``None`` when the rule does not count such a caller."""
        who = self.who
        if who is Who.IP:
            return subject.address
        if who is Who.CALLER:
            return subject.address if subject.identity is None else subject.identity
        if who is Who.IDENTITY:
            return subject.identity
        return subject.session if who is Who.SESSION else ""

    def applies_to(self, asked: Asked, resolve: Resolve) -> bool:
        """Whether a request is one of those that are limited."""
        if self.kind and asked.kind != self.kind:
            return False
        if self.methods and asked.method not in self.methods:
            return False
        if self.segments and asked.segments[: len(self.segments)] != self.segments:
            return False
        if self.collection:
            return asked.collection is not None and resolve(asked.collection) == resolve(self.collection)
        return True

    @property
    def is_for_everything(self) -> bool:
        """Whether it applies to every request."""
        return not (self.kind or self.methods or self.segments or self.collection)


def rules_of(ratelimit: RateLimitConfig, limits: Mapping[str, LimitConfig]) -> tuple[Rule, ...]:
    """The rules of a configuration that was checked; none when they are switched off."""
    if not ratelimit.is_enabled:
        return ()
    default = Rule(
        DEFAULT,
        Who.IP if ratelimit.ip else Who.CALLER,
        Quota.of(ratelimit.max, ratelimit.duration, ratelimit.burst),
        ratelimit.message,
    )
    return (default, *(_rule(name, limit, ratelimit.message) for name, limit in limits.items()))


def _rule(name: str, limit: LimitConfig, message: str) -> Rule:
    rate = parse_rate(limit.rate)
    return Rule(
        name,
        Who(limit.who),
        Quota.of(rate.count, rate.duration_s, limit.burst or rate.count),
        limit.message or message,
        int(limit.cost) if limit.cost == int(limit.cost) else limit.cost,
        limit.class_,
        limit.collection,
        tuple(limit.path_prefix.strip("/").split("/")) if limit.path_prefix.strip("/") else (),
        frozenset(limit.methods) | ({"HEAD"} if "GET" in limit.methods else set()),  # the same work, unread
    )
