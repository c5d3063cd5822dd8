"""The stored responses, in a budget of bytes: W-TinyLFU [1] with weights [2].

A new response enters the *window*, a small LRU list. What the window pushes out is a *candidate* for the main
part, an LRU list in two segments: *probation*, and *protected* for what was used again there. While there is
room a candidate just moves in. Otherwise the oldest that would have to go for it are its *victims*, and it is
admitted only if it was asked for more often than all of them together, by the sketch
(:mod:`hapta.cache.sketch`), which remembers keys that are not stored as well. A key asked for once has no
claim, so a scan passes through the window and evicts nothing that was used twice. Before all that, the oldest
of each segment go if they can never be served again (too old, or written since).

A tie is lost by the candidate. Claims are added up: one large list must be worth the many small views that it
displaces (*aggregated victims* of [2], with its early pruning). Victims are taken from both segments, always
the one with less of a claim, protected ones having a bonus. In [1] they come from probation alone, and what
is protected and forgotten stays for as long as nothing in probation is used again.

A gzip variant stands beside the response it was made of, weighs with it, and leaves with it.

Invariants, after each call: every key is in exactly one segment; each segment's weight is the sum of its
responses' and their variants'; all of them and the sketch weigh no more than ``max_bytes``. There is no
clock-driven work: what happens depends on the calls alone, and on the hash of the keys.

1. Einziger, Friedman, Manes: TinyLFU, a highly efficient cache admission policy. ACM TOS 13 (2017).
2. Einziger, Eytan, Friedman, Manes: Lightweight robust size aware cache management. ACM TOS 18 (2022).
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeAlias

from hapta.cache.sketch import Sketch
from hapta.cache.stored import Stored
from hapta.cache.variant import Variant
from hapta.model.clock import Clock

Key: TypeAlias = Hashable
"""Text, bytes, or a tuple of these; its hash should be random in each process, as theirs is."""

LARGEST_SHARE = 8
"""No response may weigh more than this part (an eighth) of the budget."""
_WINDOW_SHARE = 0.01
_PROTECTED_SHARE = 0.8
_PROTECTION = 3
"""What a protected response has beyond its claim: more than the sketch's errors give to keys of a scan."""
_TYPICAL_BYTES = 4096
_MIN_WIDTH, _MAX_WIDTH = 256, 2**22


@dataclass(slots=True)
class Tally:
    """What the store holds of one collection, and what became of the rest.

    Attributes:
        responses: stored now.
        weight: bytes of these and their variants.
        evicted: were stored and had to make room; those discarded or replaced are not counted.
        not_admitted: had no room: too large, or less in demand than what is stored.
    """

    responses: int = 0
    weight: int = 0
    evicted: int = 0
    not_admitted: int = 0

    def add(self, other: "Tally") -> None:
        """Count another one's in."""
        self.responses += other.responses
        self.weight += other.weight
        self.evicted += other.evicted
        self.not_admitted += other.not_admitted


class _Segment:
    """Responses from the least to the most recently used, and their weight."""

    __slots__ = ("most", "responses", "weigh", "weight")

    def __init__(self, most: int, weigh: Callable[[Key, Stored], int]) -> None:
        self.most = most
        self.weigh = weigh
        self.weight = 0
        self.responses: OrderedDict[Key, Stored] = OrderedDict()

    def add(self, key: Key, stored: Stored) -> None:
        self.responses[key] = stored
        self.weight += self.weigh(key, stored)

    def take(self, key: Key) -> Stored:
        stored = self.responses.pop(key)
        self.weight -= self.weigh(key, stored)
        return stored

    def take_oldest(self) -> tuple[Key, Stored]:
        key, stored = self.responses.popitem(last=False)
        self.weight -= self.weigh(key, stored)
        return key, stored


class ResponseStore:
    """Stored responses by key; of one event loop.

    Args:
        max_bytes: of all responses and the sketch.
        clock: tells which victims are too old to be worth keeping.
        hash_of: of a key, 64 bits; for tests that must not depend on the process.
        window_share: of the budget, for what is new.
    """

    def __init__(
        self,
        max_bytes: int,
        clock: Clock,
        *,
        hash_of: Callable[[Key], int] = hash,
        window_share: float = _WINDOW_SHARE,
    ) -> None:
        self._clock, self._hash_of = clock, hash_of
        self._sketch = Sketch(_width(max_bytes))
        room = max_bytes - self._sketch.weight
        self.max_bytes = max_bytes
        self.max_response_bytes = room // LARGEST_SHARE
        window = int(room * window_share)
        self._main_most = room - window
        self._variants: dict[Key, Variant] = {}
        self._window = _Segment(window, self._weigh)
        self._probation = _Segment(self._main_most, self._weigh)
        self._protected = _Segment(int(self._main_most * _PROTECTED_SHARE), self._weigh)
        self._segments = (self._protected, self._probation, self._window)
        self._tallies: dict[str, Tally] = {}

    def __len__(self) -> int:
        return sum(len(segment.responses) for segment in self._segments)

    def __contains__(self, key: Key) -> bool:
        return any(key in segment.responses for segment in self._segments)

    @property
    def weight(self) -> int:
        """Bytes of everything, the sketch included; never above :attr:`max_bytes`."""
        return sum(segment.weight for segment in self._segments) + self._sketch.weight

    @property
    def tallies(self) -> dict[str, Tally]:
        """By id of the collection, of all that ever had a response here."""
        return self._tallies

    def get(self, key: Key) -> Stored | None:
        """The response under this key, whether it may still be served or not; counts as one request for it,
        stored or not."""
        self._sketch.add(self._hash_of(key))
        protected = self._protected.responses
        if (stored := protected.get(key)) is not None:
            protected.move_to_end(key)
            return stored
        if (stored := self._window.responses.get(key)) is not None:
            self._window.responses.move_to_end(key)
            return stored
        if (stored := self._probation.responses.get(key)) is not None:
            self._probation.take(key)
            self._protected.add(key, stored)
            self._demote()
        return stored

    def peek(self, key: Key) -> Stored | None:
        """The response under this key; counts as nothing."""
        segment = self._segment_of(key)
        return None if segment is None else segment.responses[key]

    def requests(self, key: Key) -> int:
        """About how many times the key was asked for lately."""
        return self._sketch.estimate(self._hash_of(key))

    def variant(self, key: Key, stored: Stored) -> Variant | None:
        """What was made of this very response, if it is the one under the key."""
        variant = self._variants.get(key)
        return variant if variant is not None and variant.of is stored else None

    def attach(self, key: Key, variant: Variant) -> bool:
        """Keep a variant beside its response, if that is still there; whether it is now kept. Room is made
        for it as for a larger response in place of a smaller one."""
        segment, stored = self._segment_of(key), variant.of
        if segment is None or segment.responses[key] is not stored:
            return False
        if stored.weight + variant.weight > self.max_response_bytes:
            return False
        self._forget(key, segment.take(key))
        self._variants[key] = variant
        if self._place(key, stored, segment):
            return key in self._variants
        self._place(key, stored, segment)  # there was no room for both: it loses its variant, not its place
        return False

    def put(self, key: Key, stored: Stored) -> bool:
        """Store a response in place of what is there; whether it is now stored."""
        tally = self._tallies.setdefault(stored.collection, Tally())
        segment = self._segment_of(key)
        if segment is not None:
            self._forget(key, segment.take(key))
        if stored.weight > self.max_response_bytes:
            tally.not_admitted += 1
            return False
        return self._place(key, stored, segment)

    def discard(self, key: Key) -> Stored | None:
        """Drop the response under this key, if there is one."""
        segment = self._segment_of(key)
        if segment is None:
            return None
        stored = segment.take(key)
        self._forget(key, stored)
        return stored

    def purge(self, collection: str) -> int:
        """Drop all about one collection; how many. Looks at every response."""
        keys = [key for key, stored in self.responses() if stored.collection == collection]
        for key in keys:
            self.discard(key)
        return len(keys)

    def clear(self) -> int:
        """Drop everything; how many. What was asked for how often is still known."""
        keys = [key for key, _ in self.responses()]
        for key in keys:
            self.discard(key)
        return len(keys)

    def responses(self) -> Iterator[tuple[Key, Stored]]:
        """Everything stored; not to be changed meanwhile."""
        for segment in self._segments:
            yield from segment.responses.items()

    def check_invariants(self) -> None:
        """Raises AssertionError if the structure is broken."""
        keys = [key for key, _ in self.responses()]
        assert len(keys) == len(set(keys)) == len(self), "a key in two segments"
        for segment in self._segments:
            assert segment.weight == sum(self._weigh(*each) for each in segment.responses.items()), (
                "weights do not add up"
            )
            assert 0 <= segment.weight <= segment.most, "a segment above its share"
        assert self._main_weight() <= self._main_most, "the main part above its share"
        assert self.weight <= self.max_bytes, "above the budget"
        held: dict[str, tuple[int, int]] = {}
        for key, stored in self.responses():
            count, weight = held.get(stored.collection, (0, 0))
            held[stored.collection] = (count + 1, weight + self._weigh(key, stored))
        for key, variant in self._variants.items():
            assert self.peek(key) is variant.of, "a variant without its response"
        for collection, tally in self._tallies.items():
            assert (tally.responses, tally.weight) == held.pop(collection, (0, 0)), "a tally that is wrong"
        assert not held, "a collection without a tally"

    def _segment_of(self, key: Key) -> _Segment | None:
        for segment in self._segments:
            if key in segment.responses:
                return segment
        return None

    def _weigh(self, key: Key, stored: Stored) -> int:
        variant = self._variants.get(key)
        return stored.weight if variant is None else stored.weight + variant.weight

    def _main_weight(self) -> int:
        return self._probation.weight + self._protected.weight

    def _place(self, key: Key, stored: Stored, segment: _Segment | None) -> bool:
        """Put it where the one before it was, or else into the window; whether it is now stored."""
        tally, weight = self._tallies[stored.collection], self._weigh(key, stored)
        tally.responses += 1
        tally.weight += weight
        if segment is not None and segment is not self._window:  # it was admitted before
            segment.add(key, stored)
            self._demote()
            while self._main_weight() > self._main_most:
                self._evict_one()
        elif weight > self._window.most:
            self._admit(key, stored)
        else:
            self._window.add(key, stored)
            while self._window.weight > self._window.most:
                self._admit(*self._window.take_oldest())
        return key in self

    def _demote(self) -> None:
        protected = self._protected
        while protected.weight > protected.most:
            self._probation.add(*protected.take_oldest())

    def _admit(self, key: Key, candidate: Stored) -> None:
        monotonic, wall = self._clock.monotonic(), self._clock.now()
        if candidate.is_dead(monotonic, wall):
            self._count_out(key, candidate)
            return
        weight = self._weigh(key, candidate)
        self._evict_dead(weight, monotonic, wall)
        needed = self._main_weight() + weight - self._main_most
        victims = self._victims(key, needed) if needed > 0 else []
        if victims is None:
            self._forget(key, candidate)
            self._tallies[candidate.collection].not_admitted += 1
            return
        for segment, victim in victims:
            self._count_out(victim, segment.take(victim))
        self._probation.add(key, candidate)

    def _evict_dead(self, weight: int, monotonic: float, wall: float) -> None:
        """Until there is room for so much, evict the oldest that can never be served again."""
        for segment in (self._probation, self._protected):
            while segment.responses and self._main_weight() + weight > self._main_most:
                oldest = next(iter(segment.responses.values()))
                if not oldest.is_dead(monotonic, wall):
                    break
                self._count_out(*segment.take_oldest())

    def _victims(self, key: Key, needed: int) -> list[tuple[_Segment, Key]] | None:
        """What has to go for the candidate; ``None`` if that is worth at least as much."""
        claim = self._claim(key)
        victims: list[tuple[_Segment, Key]] = []
        others = 0.0
        oldest = heapq.merge(
            self._oldest(self._probation, 0), self._oldest(self._protected, _PROTECTION), key=itemgetter(0)
        )
        for worth, segment, victim, weight in oldest:
            if needed <= 0:
                break
            # of the last one only the part that is needed counts, or two would be asked to go for each
            # candidate that is a few bytes larger than they are
            others += worth * min(1.0, needed / weight)
            if claim <= max(others, worth):
                return None
            victims.append((segment, victim))
            needed -= weight
        return victims

    def _oldest(self, segment: _Segment, bonus: int) -> Iterator[tuple[int, _Segment, Key, int]]:
        for key, stored in segment.responses.items():
            yield self._claim(key) + bonus, segment, key, self._weigh(key, stored)

    def _claim(self, key: Key) -> int:
        """Requests for the key beyond the first."""
        return max(0, self._sketch.estimate(self._hash_of(key)) - 1)

    def _evict_one(self) -> None:
        segment = self._probation if self._probation.responses else self._protected
        self._count_out(*segment.take_oldest())

    def _count_out(self, key: Key, stored: Stored) -> None:
        self._forget(key, stored)
        self._tallies[stored.collection].evicted += 1

    def _forget(self, key: Key, stored: Stored) -> None:
        """It is in no segment any more: count it out, and drop its variant."""
        tally = self._tallies[stored.collection]
        tally.responses -= 1
        tally.weight -= self._weigh(key, stored)
        self._variants.pop(key, None)


def _width(max_bytes: int) -> int:
    """Counters a row of the sketch needs: four for each response of usual size."""
    width = _MIN_WIDTH
    while width < _MAX_WIDTH and width * _TYPICAL_BYTES < max_bytes * 4:
        width *= 2
    return width
