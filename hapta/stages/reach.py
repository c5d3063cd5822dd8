"""Which collections an answer, a filter or an event may reach, and whether plugins shape any of them."""

from collections.abc import Iterable

from hapta.cache.named import reachable
from hapta.filters.expands import Hop
from hapta.model.schema import Collection
from hapta.stages.shaper import Shaper


class Reach:
    """What is reached under the schema and the hooks of now.

    Args:
        shaper: knows both.
    """

    def __init__(self, shaper: Shaper) -> None:
        self._shaper = shaper
        self._moment = (0, 0)
        self._shaped: dict[str, bool] = {}
        self._guarded: dict[str, bool] = {}

    def leads_to_shaped(self, collection: Collection) -> bool:
        """Whether some way along relations leads to rows that are shaped."""
        self._keep_up()
        found = self._shaped.get(collection.id)
        if found is None:
            found = self._shaped[collection.id] = any(map(self._shaper.concerns, self._all(collection)))
        return found

    def leads_to_guarded(self, collection: Collection) -> bool:
        """Whether some way along relations leads to a field that not everybody may read."""
        self._keep_up()
        found = self._guarded.get(collection.id)
        if found is None:
            guards = self._shaper.guards
            found = self._guarded[collection.id] = any(guards(each) for each in self._all(collection))
        return found

    def expands_to_shaped(self, collection: Collection, paths: Iterable[Iterable[Hop]]) -> bool:
        """Whether these expands show rows that are shaped."""
        lookup = self._shaper.lookup
        for path in paths:
            here = collection
            for hop in path:
                target = None
                if hop.back is not None:
                    back = lookup.back(here, hop.back)
                    target = None if back is None else back[0]
                else:
                    field = lookup.field(here, hop.name)
                    if field is not None and field["type"] == "relation":
                        target = lookup.related(field)
                if target is None:
                    break
                if self._shaper.concerns(target):
                    return True
                here = target
        return False

    def _all(self, collection: Collection) -> list[Collection]:
        schema = self._shaper.lookup.schema
        return [schema.by_id[each] for each in reachable(schema, collection) if each in schema.by_id]

    def _keep_up(self) -> None:
        moment = self._shaper.moment
        if moment != self._moment:
            self._moment = moment
            self._shaped.clear()
            self._guarded.clear()
