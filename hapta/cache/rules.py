"""The API rules of one schema, each read once and looked at once for each audience.

A rule that cannot be read is told to the operator once: PocketBase lives by it, so only the cache suffers.
"""

from collections.abc import Callable

from hapta.cache.condition import ALWAYS, Condition, compile_condition
from hapta.cache.findings import CannotStore, Findings
from hapta.cache.ground import Ground
from hapta.cache.plan import Bypass, Reason
from hapta.cache.restrictions import Restriction, demands
from hapta.cache.scan import Place, Scan
from hapta.filters.errors import FilterError
from hapta.filters.nodes import Group
from hapta.filters.parser import MAX_CLIENT_BYTES, parse
from hapta.model.schema import Collection


def read_expression(place: Place, text: str, max_bytes: int | None) -> Group:
    """Read a rule or a client's filter.

    Raises:
        CannotStore: PocketBase refuses it, or it cannot be followed.
    """
    try:
        return parse(text, max_bytes=max_bytes)
    except FilterError as error:
        raise place.refusal(error.position, error.message) from None


class Rules:
    """All rules, for all audiences.

    Args:
        warn: told of each rule that cannot be read, once.
    """

    def __init__(self, ground: Ground, warn: Callable[[str], None]) -> None:
        self._ground = ground
        self._warn = warn
        self._seen: dict[tuple[str, str, str | None], Findings | Bypass] = {}
        self._warned: set[str] = set()
        self._demands: dict[str, list[Restriction]] = {}
        self._conditions: dict[tuple[str, str], Condition] = {}

    def condition(self, collection: Collection, name: str) -> Condition:
        """What a rule, which can be read, demands of a record."""
        key = (collection.id, name)
        found = self._conditions.get(key)
        if found is None:
            found, text = ALWAYS, collection.rules[name]
            if text:
                group = read_expression(Place(collection, name), text, None)
                found = compile_condition(self._ground.lookup, collection, group, is_client=False)
            self._conditions[key] = found
        return found

    def demands(self, collection: Collection) -> list[Restriction]:
        """What the listRule, which can be read, demands of every row."""
        found = self._demands.get(collection.id)
        if found is None:
            found, text = [], collection.rules["listRule"]
            if text:
                group = read_expression(Place(collection, "listRule"), text, MAX_CLIENT_BYTES)
                found = demands(self._ground.lookup, collection, group, is_client=False)
            self._demands[collection.id] = found
        return found

    def findings(self, collection: Collection, name: str, audience: Collection | None) -> Findings:
        """What a rule depends on; it must not be ``None``, that is for superusers.

        Raises:
            CannotStore: nothing that rests on this rule can be stored.
        """
        key = (collection.id, name, audience.id if audience else None)
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = self._look(collection, name, audience)
        if isinstance(found, Bypass):
            raise CannotStore(found.reason, found.detail)
        return found

    def list_rule(self, collection: Collection, audience: Collection | None) -> Findings:
        """What the listRule of a collection on the way of a client's path depends on.

        Raises:
            CannotStore: as :meth:`findings`, or only superusers may follow such a path.
        """
        if collection.rules.get("listRule") is None:
            raise CannotStore(Reason.RULE, f"only superusers may go by way of {collection.name}")
        return self.findings(collection, "listRule", audience)

    def _look(self, collection: Collection, name: str, audience: Collection | None) -> Findings | Bypass:
        text = collection.rules[name]
        findings = Findings()
        if not text:
            return findings
        place = Place(collection, name)
        try:
            group = read_expression(place, text, MAX_CLIENT_BYTES if name == "listRule" else None)
            scan = Scan(self._ground, audience, place, findings, lambda hop: self.list_rule(hop, audience))
            scan.group(group)
        except CannotStore as stop:
            if stop.bypass.reason is Reason.LANGUAGE and stop.bypass.detail not in self._warned:
                self._warned.add(stop.bypass.detail)
                self._warn(stop.bypass.detail)
            return stop.bypass
        return findings
