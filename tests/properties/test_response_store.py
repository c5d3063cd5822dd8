"""The store against a dictionary: it may forget, but never returns what was not last put under a key."""

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hapta.cache.generations import Standing
from hapta.model.clock import ManualClock
from tests.unit.cache.support import Fence, store, stored

if TYPE_CHECKING:
    from hapta.cache.stored import Stored

KEYS = st.integers(0, 30).map(lambda number: f"k{number}")
MAX_BYTES = 128 * 1024


class AgainstADictionary(RuleBasedStateMachine):
    """Small budget, few keys: everything is evicted, replaced and refused all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = store(MAX_BYTES, self.clock)
        self.last: dict[str, Stored] = {}
        self.fences: list[Fence] = [Fence()]

    @rule(key=KEYS, size=st.integers(0, 17_000), collection=st.sampled_from(["posts", "users"]))
    def put(self, key: str, size: int, collection: str) -> None:
        made = stored(
            key,
            bytes(size),
            collection=collection,
            stored_at=self.clock.monotonic(),
            lifetime_s=5.0,
            fence=self.fences[-1],
        )
        is_stored = self.store.put(key, made)
        assert is_stored == (key in self.store)
        assert is_stored or self.store.peek(key) is None
        assert not is_stored or made.weight <= self.store.max_response_bytes
        self.last[key] = made

    @rule(keys=st.lists(KEYS, min_size=1, max_size=8))
    def get(self, keys: list[str]) -> None:
        for key in keys:
            assert self.store.get(key) in (None, self.last.get(key))

    @rule(key=KEYS)
    def discard(self, key: str) -> None:
        was_there = self.store.peek(key)
        assert self.store.discard(key) is was_there
        assert self.store.get(key) is None
        self.last.pop(key, None)

    @rule(collection=st.sampled_from(["posts", "users"]))
    def purge(self, collection: str) -> None:
        self.store.purge(collection)
        assert all(held.collection != collection for _, held in self.store.responses())
        self.last = {key: made for key, made in self.last.items() if made.collection != collection}

    @rule()
    def write(self) -> None:
        self.fences[-1].now = Standing.BROKEN
        self.fences.append(Fence())

    @rule(seconds=st.floats(0, 4))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def holds_together(self) -> None:
        self.store.check_invariants()
        assert self.store.weight <= MAX_BYTES
        assert all(self.last[key] is held for key, held in self.store.responses())


TestAgainstADictionary = AgainstADictionary.TestCase
TestAgainstADictionary.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
