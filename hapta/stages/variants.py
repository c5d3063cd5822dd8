"""Which form of a stored response a client gets: its bytes as they are, or in gzip.

A response is coded at a hit of a client that takes gzip, if its key was asked for before that as well; the
client that occasions it gets the bytes as they are and waits for nothing. Coding is done in a thread, one
response at a time. Only so many wait for their turn, and what finds the line full is left for its next hit.
"""

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import Protocol

from hapta.cache.accepts import takes_gzip
from hapta.cache.answers import not_modified
from hapta.cache.store import Key, ResponseStore
from hapta.cache.stored import Stored
from hapta.cache.variant import Variant, coded_etag, compressed, may_be_coded
from hapta.model.exchange import Exchange
from hapta.model.tasks import TaskSet
from hapta.stages.lookup import Look

_LEAST_REQUESTS = 3
"""For the key, by the store's sketch: its fetch and two more."""
_LONGEST_LINE = 16


class VariantMeter(Protocol):
    """Counts, by id of the collection."""

    def variant_made(self, collection: str) -> None:
        """A response was coded."""

    def variant_served(self, collection: str, saved_bytes: int) -> None:
        """A body left in gzip."""


class Variants:
    """Chooses, and has variants made.

    Args:
        store: keeps them beside their responses.
        is_enabled: ``cache.gzip``.
        meter: counts.
    """

    def __init__(self, store: ResponseStore, *, is_enabled: bool, meter: VariantMeter) -> None:
        self._store = store
        self._is_enabled = is_enabled
        self._meter = meter
        self._line: OrderedDict[Key, Stored] = OrderedDict()
        self._tasks = TaskSet()
        self._is_making = False

    def configure(self, *, is_enabled: bool) -> None:
        """Whether there are any from now on."""
        self._is_enabled = is_enabled

    async def close(self) -> None:
        """Make no more."""
        self._line.clear()
        await self._tasks.cancel()

    async def settled(self) -> None:
        """Wait until nothing is in the line: for tests and measurements."""
        await self._tasks.finish(timeout_s=10)

    def may_have_one(self, look: Look, stored: Stored, *, is_own: bool) -> bool:
        """Whether there could be a variant, so that the answer depends on ``Accept-Encoding``.

        Args:
            is_own: the caller's own e-mail was put in.
        """
        return self._is_enabled and not is_own and not look.is_private and may_be_coded(stored)

    def choose(self, exchange: Exchange, look: Look, stored: Stored, if_none_match: str | None) -> Stored:
        """The form for this client, of a response that may have a variant.

        A client that takes gzip is told it holds a form if it names either; one that does not is never told
        to use the coded one, which a cache on the way may hold for others.
        """
        lines = exchange.headers.getall("Accept-Encoding", None)
        if lines is None or not takes_gzip(", ".join(lines)):
            return stored
        variant = self._store.variant(look.slot, stored)
        if variant is None and exchange.cache == "hit":
            self._want(look.slot, stored)
        coded = None if variant is None else variant.coded
        if if_none_match is not None:
            forms = (coded or stored, stored, replace(stored, etag=coded_etag(stored.etag)))
            held = next((form for form in forms if not_modified(form, if_none_match)), None)
            if held is not None:
                return held
        if coded is None:
            return stored
        if exchange.method != "HEAD":
            self._meter.variant_served(stored.collection, len(stored.body) - len(coded.body))
        return coded

    def settled_form(self, exchange: Exchange, look: Look, stored: Stored) -> Stored | None:
        """The form that :meth:`choose` has for this client from now on, as long as the response is stored;
        ``None`` where there may be another one soon."""
        if not self.may_have_one(look, stored, is_own=False):
            return stored
        lines = exchange.headers.getall("Accept-Encoding", None)
        if lines is None or not takes_gzip(", ".join(lines)):
            return stored
        variant = self._store.variant(look.slot, stored)
        return None if variant is None else variant.coded or stored

    def _want(self, key: Key, stored: Stored) -> None:
        if self._store.peek(key) is not stored or self._store.requests(key) < _LEAST_REQUESTS:
            return
        if key not in self._line and len(self._line) >= _LONGEST_LINE:
            return
        self._line[key] = stored
        if not self._is_making:
            self._is_making = True
            self._tasks.spawn(self._make_all(), name="gzip variants")

    async def _make_all(self) -> None:
        try:
            while self._line:
                key, stored = next(iter(self._line.items()))
                if self._store.peek(key) is stored:
                    variant = Variant.made(stored, await asyncio.to_thread(compressed, stored.body))
                    if self._store.attach(key, variant) and variant.coded is not None:
                        self._meter.variant_made(stored.collection)
                if self._line.get(key) is stored:  # else a newer one came meanwhile
                    del self._line[key]
        finally:
            self._line.clear()
            self._is_making = False
