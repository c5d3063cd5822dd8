"""What one process remembers of sessions: bounded in number, found by session id and by auth record.

Whoever holds on to a :class:`Known` must look at ``is_current``: what was dropped or replaced here is reached
by no event any more, and says so there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from cachetools import LRUCache

from hapta.model.identity import Identity
from hapta.sessions.rotation import Session


@dataclass(slots=True, eq=False)
class Known:
    """A session in memory.

    Attributes:
        epoch: the feed's epoch its rows were read in.
        is_proved: PocketBase took its token since anything cast doubt on this identity.
        proof_round: that of :class:`Remembered` when that was.
        is_current: its rows have not changed since they were read.
        seen_at: monotonic instant of the last look.
    """

    session: Session
    epoch: int
    is_proved: bool
    is_current: bool
    seen_at: float
    proof_round: int
    doubts: int = 0
    identities: dict[int, Identity] = field(default_factory=dict)

    def holds(self, epoch: int, proof_round: int) -> bool:
        """Whether its rows and its proof are still good.

        Args:
            epoch: of the feed now.
            proof_round: that of :class:`Remembered` now.
        """
        return self.is_proved and self.is_current and self.epoch == epoch and self.proof_round == proof_round

    def identity(self, generation: int) -> Identity:
        """The identity behind a token of ``generation``."""
        known = self.identities.get(generation)
        if known is None:
            session = self.session
            known = Identity(
                session.collection, session.record, session.newest.upstream_token, session.id, generation
            )
            self.identities[generation] = known
        return known


class Remembered:
    """Known sessions, bounded in number, found by id and by identity.

    Attributes:
        proof_round: a doubt about everybody begins a new one; proofs of an earlier one count no more.
    """

    def __init__(self, limit: int) -> None:
        self._by_id: LRUCache[str, Known] = LRUCache(limit)
        self._by_identity: dict[str, dict[str, set[str]]] = {}
        self.proof_round = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def check_invariants(self) -> None:
        """Every session stands in exactly one place of the index, and no place is empty."""
        indexed = [
            session_id
            for records in self._by_identity.values()
            for ids in records.values()
            for session_id in ids
        ]
        assert len(indexed) == len(set(indexed)) == len(self._by_id)
        assert all(ids for records in self._by_identity.values() for ids in records.values())

    def get(self, session_id: str) -> Known | None:
        return self._by_id.get(session_id)

    def put(self, known: Known) -> None:
        session = known.session
        while session.id not in self._by_id and len(self._by_id) >= self._by_id.maxsize:
            self._drop(self._by_id.popitem()[1])
        before = self._by_id.get(session.id)
        if before is not None:
            before.is_current = False  # a token may still point at it, and no event would reach it any more
        self._by_id[session.id] = known
        records = self._by_identity.setdefault(session.collection, {})
        records.setdefault(session.record, set()).add(session.id)

    def _drop(self, known: Known) -> None:
        known.is_current = False
        session = known.session
        records = self._by_identity[session.collection]
        records[session.record].discard(session.id)
        if not records[session.record]:
            del records[session.record]
            if not records:
                del self._by_identity[session.collection]

    def of(self, collection: str, record: str | None) -> Iterable[Known]:
        records = self._by_identity.get(collection, {})
        ids = records.get(record, set()) if record is not None else set().union(*records.values())
        return [self._by_id[session_id] for session_id in ids]

    def all(self) -> Iterable[Known]:
        return list(self._by_id.values())
