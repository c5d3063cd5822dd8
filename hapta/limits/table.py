"""The TATs of one limit, in bounded memory.

Three places, each bounded: ``own`` with one entry a key; when that is full of keys that still owe something,
new keys share an entry per network (:func:`~hapta.limits.keys.fold`); when those are too many as well, they
share one of a fixed number of buckets. Only idle keys are ever dropped, those whose TAT has passed: nobody
gets a fresh burst by making Hapta forget. A key that shared an entry and later finds room of its own begins
with what it owed there, so folding never allows more than the quota, only less.

Idle keys are found by a sweep that advances with each new key: a few looks each, no pause, and none at all
while nobody new comes.
"""

from typing import TYPE_CHECKING

from hapta.limits.gcra import Decision, Quota, decide
from hapta.limits.keys import Key, fold

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUCKETS = 1024
_LOOKS = 8
_LOOKS_WHEN_FULL = 16
_SWEPT_FROM = 1024
_SHARED_SHARE = 8
"""The shared entries may be an eighth of the own ones."""


class _Entries:
    """TATs by key, at most ``most`` of them."""

    __slots__ = ("_sweep", "most", "tats")

    def __init__(self, most: int) -> None:
        self.most = most
        self.tats: dict[Key, int] = {}
        self._sweep: Iterator[Key] = iter(())

    def make_room(self, now: int) -> bool:
        """Drop some idle keys; whether one more key fits."""
        count = len(self.tats)
        if count < _SWEPT_FROM:
            return count < self.most
        self._look(_LOOKS, now)
        if len(self.tats) >= self.most:
            self._look(_LOOKS_WHEN_FULL, now)
        return len(self.tats) < self.most

    def _look(self, looks: int, now: int) -> None:
        tats = self.tats
        for _ in range(looks):
            key = next(self._sweep, None)
            if key is None:
                self._sweep = iter(list(tats))  # a dictionary that changes cannot be iterated over
                return
            if tats.get(key, now + 1) <= now:
                del tats[key]


class Table:
    """Decides for one limit.

    Args:
        quota: what each key is allowed; may be replaced at any time, what keys owe stays.
        max_keys: entries of keys of their own.
    """

    def __init__(self, quota: Quota, max_keys: int) -> None:
        self.quota = quota
        self._own = _Entries(max_keys)
        self._shared = _Entries(max(1, max_keys // _SHARED_SHARE))
        self._buckets: list[int] = []
        self._tats = self._own.tats

    def __len__(self) -> int:
        return len(self._tats) + len(self._shared.tats)

    def take(self, key: Key, cost: float, now: int) -> Decision:
        """Take ``cost`` requests, or nothing.

        Args:
            key: who asks.
            cost: in requests, above 0.
            now: nanoseconds of a clock that never runs backwards.
        """
        decision = self.peek(key, cost, now)
        if decision.allowed:
            self.settle(key, decision.tat, now)
        return decision

    def peek(self, key: Key, cost: float, now: int) -> Decision:
        """What :meth:`take` would say; nothing is taken."""
        quota = self.quota
        tat = self.tat(key)
        if tat - now > quota.ceiling_ns:  # owed under a quota that was replaced
            tat = now + quota.ceiling_ns
            self.settle(key, tat, now)
        return decide(quota, tat, cost * quota.step_ns if type(cost) is int else quota.steps_ns(cost), now)

    def offer(self, key: Key, cost: float, now: int) -> int:
        """What :meth:`peek` says, as one number: the TAT to be noted (:meth:`settle`) when it is allowed,
        else -1. Written out, because it is asked for every request."""
        quota = self.quota
        tat = self._tats.get(key)
        if tat is None:
            tat = self.tat(key)
        start = tat if tat > now else now
        if start - now > quota.ceiling_ns:
            start = now + quota.ceiling_ns
            self.settle(key, start, now)
        steps = cost * quota.step_ns if type(cost) is int else quota.steps_ns(cost)
        if steps <= quota.tolerance_ns:
            tat = start + steps
            return tat if tat - now <= quota.tolerance_ns else -1
        return -1 if start > now else now + min(steps, quota.ceiling_ns)

    def spend(self, key: Key, cost: float, now: int) -> int:
        """:meth:`offer`, and :meth:`settle` where it is allowed."""
        quota, tats = self.quota, self._tats
        tat = tats.get(key)
        if tat is not None and type(cost) is int:
            tat = (tat if tat > now else now) + cost * quota.step_ns
            if tat - now <= quota.tolerance_ns:
                tats[key] = tat
                return tat
        tat = self.offer(key, cost, now)
        if tat >= 0:
            self.settle(key, tat, now)
        return tat

    def settle(self, key: Key, tat: int, now: int) -> None:
        """Note what a key owes."""
        tats = self._tats
        if key in tats or self._own.make_room(now):
            tats[key] = tat
        else:
            self._share(key, tat, now)

    def charge_more(self, key: Key, cost: float, now: int) -> None:
        """Charge what turned out to be owed after all; nobody is asked, and what is owed stays below the
        quota's ceiling."""
        quota = self.quota
        tat = max(self.tat(key), now) + quota.steps_ns(cost)
        self.settle(key, min(tat, now + quota.ceiling_ns), now)

    def tat(self, key: Key) -> int:
        """The TAT of a key; 0 for one nothing is known of."""
        tat = self._tats.get(key)
        if tat is not None:
            return tat
        if self._shared.tats or self._buckets:
            return self._shared_tat(key)
        return 0

    def _shared_tat(self, key: Key) -> int:
        folded = fold(key)
        tat = self._shared.tats.get(folded, 0)
        return max(tat, self._buckets[self._bucket(folded)]) if self._buckets else tat

    def _share(self, key: Key, tat: int, now: int) -> None:
        folded, shared = fold(key), self._shared
        if folded in shared.tats or shared.make_room(now):
            shared.tats[folded] = tat
            return
        if not self._buckets:
            self._buckets = [0] * _BUCKETS
        self._buckets[self._bucket(folded)] = tat

    @staticmethod
    def _bucket(folded: Key) -> int:
        return hash(str(folded)) % _BUCKETS  # a text's hash is random in each process
