"""One caller's account with the limits, for one kind of request: charged again and again without looking up
which rules apply and whom they count it for."""

from typing import TYPE_CHECKING

from hapta.limits.gcra import NS, remaining
from hapta.limits.limiter import Charge, Charged, Limiter

if TYPE_CHECKING:
    from hapta.limits.keys import Key
    from hapta.limits.table import Table

HEADS = b"%sX-Request-Id: %s%s\r\n%s%s"
"""A whole answer without limits: head up to here, id in two parts, rest of the head, body."""


class Price:
    """What requests of one kind are charged to, under the limits of now.

    Attributes:
        charges: the rules that apply.
        version: of the limiter.
    """

    __slots__ = ("charges", "version")

    def __init__(self, charges: tuple[Charge, ...], version: int) -> None:
        self.charges = charges
        self.version = version


class Tab:
    """Made for one caller and one price, and void with it.

    Args:
        limiter: counts.
        charged: whom the rules of the price count; none of them may be left out of it.
        policies: ``RateLimit-Policy`` of these rules; empty where no headers are wanted.
    """

    __slots__ = ("_charged", "_cost", "_form", "_key", "_limiter", "_table")

    def __init__(self, limiter: Limiter, charged: Charged, policies: bytes) -> None:
        self._limiter = limiter
        self._charged = charged
        self._form = HEADS
        if policies:
            states = b", ".join(b'"%s";r=%%d;t=%%d' % _literal(rule.name) for rule, _, _ in charged.entries)
            lines = b"RateLimit-Policy: %s\r\nRateLimit: %s\r\n" % (policies.replace(b"%", b"%%"), states)
            self._form = b"%s" + lines + HEADS[2:]
        self._table: Table | None = None
        self._key: Key = ""
        self._cost: float = 0
        if len(charged.entries) == 1:  # one limit is what most have
            rule, self._table, self._key = charged.entries[0]
            self._cost = rule.cost

    def answer(
        self, now: float, front: bytes, prefix: bytes, suffix: bytes, behind: bytes, body: bytes
    ) -> bytes | None:
        """Charge one request and make its answer; ``None`` where it is refused, and then not charged.

        Args:
            now: monotonic seconds.
            front: the head up to the lines of the limits.
            prefix, suffix: the request's id.
            behind: the rest of the head.
        """
        table, form = self._table, self._form
        if table is None:
            return self._answer(front, prefix, suffix, behind, body)
        now_ns = int(now * NS)
        tat = table.spend(self._key, self._cost, now_ns)
        if tat < 0:
            return None
        if form is HEADS:
            return form % (front, prefix, suffix, behind, body)
        quota = table.quota
        left = quota.tolerance_ns - tat + now_ns
        left = left // quota.step_ns if left > 0 else 0
        return form % (front, left, -((now_ns - tat) // NS), prefix, suffix, behind, body)

    def _answer(self, front: bytes, prefix: bytes, suffix: bytes, behind: bytes, body: bytes) -> bytes | None:
        """The same for any number of rules."""
        if self._limiter.again(self._charged) is not None:
            return None
        if self._form is HEADS:
            return HEADS % (front, prefix, suffix, behind, body)
        now_ns, states = self._limiter.now(), list[int]()
        for _, table, key in self._charged.entries:
            tat = table.tat(key)
            states += remaining(table.quota, tat, now_ns), max(0, -((now_ns - tat) // NS))
        return self._form % (front, *states, prefix, suffix, behind, body)


def _literal(name: str) -> bytes:
    return name.encode().replace(b"%", b"%%")
