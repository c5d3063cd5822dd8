"""What of an answer is kept, whether it was fetched or made: read for what it says of itself, and weighed."""

from collections.abc import Callable, Iterable
from typing import Final

from hapta.cache.generations import Fence
from hapta.cache.key import Key
from hapta.cache.known_rows import KnownRows
from hapta.cache.reading import OddAnswer, Read, read_answer
from hapta.cache.stored import Stored
from hapta.cache.weight import HeaderPool
from hapta.model.exchange import Header
from hapta.stages.lookup import Look

_TAG_BYTES: Final = 400
"""Memory of one tag in a fence, on average."""


class Keeping:
    """Makes stored responses of answers.

    Args:
        rows: which collections' rows are worth knowing; told of them.
        lifetime_s: seconds for which answers about a collection (by id) stay fresh.
        has_overlay: members' answers may be made of what others share.
    """

    def __init__(self, rows: KnownRows, *, lifetime_s: Callable[[str], float], has_overlay: bool) -> None:
        self._rows = rows
        self._lifetime_s = lifetime_s
        self._has_overlay = has_overlay
        self._pool = HeaderPool()

    def configure(self, *, has_overlay: bool) -> None:
        """Whether members' answers may be made, from now on."""
        self._has_overlay = has_overlay

    def read(self, look: Look, status: int, body: bytes) -> Read | None:
        """What an answer says of itself; ``None`` for one that has not the form its plan expects."""
        try:
            return read_answer(
                look.plan,
                status,
                body,
                leader=None if look.caller is None else (look.caller.collection, look.caller.record),
                is_overlaid=self._has_overlay and not look.is_private,
                wants_rows=look.plan.collection in self._rows.collections,
            )
        except OddAnswer:
            return None

    def learn(self, look: Look, found: Read) -> None:
        """Its rows; covered by a fence that holds now."""
        self._rows.learn(look.plan.collection, found.rows)

    def stored(
        self,
        look: Look,
        slot: Key,
        found: Read,
        fence: Fence,
        *,
        status: int,
        headers: Iterable[Header],
        body: bytes,
        stored_at: float,
        ends_at: float | None,
    ) -> Stored:
        """The response to store.

        Args:
            slot: its place.
            found: what was read in it; where that has a body, it is stored instead.
            stored_at, ends_at: as of :class:`~hapta.cache.stored.Stored`.
        """
        return Stored.of(
            self._pool,
            key=slot,
            collection=look.plan.collection,
            status=status,
            headers=headers,
            body=body if found.body is None else found.body,
            stored_at=stored_at,
            lifetime_s=self._lifetime_s(look.plan.collection),
            fence=fence,
            fence_bytes=len(fence) * _TAG_BYTES,
            ends_at=ends_at,
            members=found.members,
            places=found.places,
        )
