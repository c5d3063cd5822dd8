"""Whom a feed is ranked for: what its table says of them, and what they did with its rows."""

from dataclasses import replace
from typing import Protocol

from hapta.app.ranked.live import LiveTable
from hapta.model.identity import Identity
from hapta.ranking.features import NONE, Caller
from hapta.ranking.interactions import UserInteractions
from hapta.ranking.interests import with_interactions
from hapta.ranking.table import FeatureTable


class Interactions(Protocol):
    """What people did; :class:`hapta.app.interactions.Interactions` is one."""

    async def of(self, identity: Identity, collection_id: str) -> UserInteractions | None:
        """What one did with the rows of a collection; ``None``: nothing is kept."""
        ...


class Callers:
    """Finds out about callers.

    Args:
        interactions: what is kept.
    """

    def __init__(self, interactions: Interactions) -> None:
        self._interactions = interactions

    async def theirs(self, live: LiveTable, identity: Identity | None) -> UserInteractions | None:
        """What a caller did with the rows of a feed.

        Raises:
            HaptaError: it cannot be read just now.
        """
        if identity is None or identity.is_superuser or live.spec is None:
            return None
        return await self._interactions.of(identity, live.spec.collection.id)

    def caller(
        self, table: FeatureTable, identity: Identity | None, theirs: UserInteractions | None, now: float
    ) -> Caller:
        """The caller, for this table as it is now.

        Args:
            theirs: of :meth:`theirs`.
            now: Unix seconds.
        """
        if identity is None or identity.is_superuser:
            return Caller()
        spec = table.spec
        # the same id in another auth collection is somebody else
        is_known = identity.collection in spec.caller_collections
        caller = table.caller(identity.record) if is_known else Caller()
        if identity.collection not in spec.author_collections:
            caller = replace(caller, own=NONE)
        return with_interactions(caller, table, theirs, now, identity.record if is_known else "")
