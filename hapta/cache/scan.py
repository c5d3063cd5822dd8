"""What one expression depends on: every operand of a rule, a client's filter or its sort, looked at once.

Operators and joins do not matter, but for one case: the caller's id compared with nothing asks only whether
somebody is logged in. A path through relations in a client's filter or sort brings the listRule of every
collection on its way, since PocketBase ANDs it onto the query; a path inside a rule does not
(``core/record_field_resolver.go`` updateQueryWithCollectionListRule).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hapta.cache.callers import read_auth
from hapta.cache.findings import CannotStore, Findings
from hapta.cache.ground import Ground
from hapta.cache.header_names import may_stand_in_key
from hapta.cache.lookup import PathError
from hapta.cache.plan import PartKind, Reason
from hapta.filters.errors import FilterError
from hapta.filters.macros import MACROS, Moves
from hapta.filters.nodes import Call, Comparison, Group, Identifier, Operand, Text
from hapta.filters.paths import Path, Root, split_path
from hapta.filters.sorts import RANDOM, SortTerm
from hapta.model.schema import Collection

_PURE_MODIFIER = re.compile(
    r"[+-]?\d{1,9}(\.\d{1,9})? (second|minute|hour|day|month|year)s?|start of (day|month|year)|weekday [0-6]"
    r"|ceiling|floor|subsecond|subsec"
)
"""SQLite's date modifiers that read nothing but the value before them: not ``localtime``, not ``auto``."""
_DATES = frozenset({"date", "autodate"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands.

    Attributes:
        base: the collection its paths start from.
        name: ``listRule`` …, or ``filter`` or ``sort`` of the client.
        is_client: the client wrote it.
    """

    base: Collection
    name: str
    is_client: bool = False

    def __str__(self) -> str:
        return f"the client's {self.name}" if self.is_client else f"{self.name} of {self.base.name}"

    def refusal(self, position: int, what: str) -> CannotStore:
        """Neither read nor guessed at."""
        where = self.name if self.is_client else f"collection {self.base.name}, {self.name}"
        return CannotStore(Reason.LANGUAGE, f"{where}, position {position}: {what}")


class Scan:
    """One expression, looked at for one audience.

    Args:
        audience: the caller's auth collection, ``None`` for guests.
        list_rule: finds out about the listRule of a collection on the way of a client's path.
    """

    def __init__(
        self,
        ground: Ground,
        audience: Collection | None,
        place: Place,
        findings: Findings,
        list_rule: Callable[[Collection], Findings],
    ) -> None:
        self._ground = ground
        self._lookup = ground.lookup
        self._audience = audience
        self._place = place
        self._findings = findings
        self._list_rule = list_rule

    def group(self, group: Group) -> None:
        """Look at all of it.

        Raises:
            CannotStore: it depends on something that cannot stand in a key, or cannot be read.
        """
        stack = [group]
        while stack:
            for term in stack.pop().terms:
                if isinstance(term.item, Group):
                    stack.append(term.item)
                else:
                    self._comparison(term.item)

    def sort(self, terms: Iterable[SortTerm]) -> None:
        """Look at the terms of a sort.

        Raises:
            CannotStore: as :meth:`group`, and for chance.
        """
        for term in terms:
            if term.name == RANDOM:
                raise CannotStore(Reason.RANDOM, f"{self._place} is {RANDOM}")
            if term.path is None:
                if self._place.base.is_view:
                    raise self._place.refusal(term.position, f"a view has no {term.name}")
            elif term.path.root is Root.FIELD:
                self._follow(self._place.base, term.path, Identifier(term.name, term.position))
            else:
                raise self._place.refusal(term.position, f"not for everybody to sort by: {term.name}")

    def _comparison(self, comparison: Comparison) -> None:
        left, right = comparison.left, comparison.right
        if comparison.operator in ("=", "!=") and (
            (_is_caller_id(left) and self._is_nothing(right))
            or (_is_caller_id(right) and self._is_nothing(left))
        ):
            why = f"{self._place} asks whether somebody is logged in"
            if self._audience is None:
                self._findings.add_part(PartKind.GUEST, f"guests by themselves: {why}")
            else:
                self._findings.add_part(PartKind.ANY_AUTH, f"shared by all who are logged in: {why}")
            return
        self._operand(left)
        self._operand(right)

    def _is_nothing(self, operand: Operand) -> bool:
        if isinstance(operand, Text):
            return operand.value == ""
        return (
            isinstance(operand, Identifier)
            and operand.name.lower() == "null"
            and self._lookup.field(self._place.base, operand.name) is None
        )

    def _operand(self, operand: Operand) -> None:
        if isinstance(operand, Identifier):
            self._identifier(operand)
        elif isinstance(operand, Call):
            self._call(operand)

    def _split(self, identifier: Identifier) -> Path:
        try:
            return split_path(identifier.name)
        except FilterError as error:
            raise self._place.refusal(identifier.position, error.message) from None

    def _identifier(self, identifier: Identifier) -> None:
        path = self._split(identifier)
        root = path.root
        if root is Root.MACRO:
            self._clock(identifier)
        elif root is Root.FIELD:
            if path.keyword is None or self._lookup.field(self._place.base, identifier.name) is not None:
                self._follow(self._place.base, path, identifier)
        elif self._place.is_client:
            raise CannotStore(
                Reason.RULE, f"only superusers may use {identifier.name} in a {self._place.name}"
            )
        elif root is Root.COLLECTION:
            self._collection(path, identifier)
        elif root is Root.AUTH:
            try:
                read_auth(self._ground, self._audience, path, self._findings, self._reads(identifier))
            except PathError as error:
                raise self._place.refusal(identifier.position, str(error)) from None
        else:
            self._request(path, identifier)

    def _reads(self, identifier: Identifier) -> str:
        return f"{self._place} reads {identifier.name}"

    def _clock(self, identifier: Identifier) -> None:
        if MACROS[identifier.name] is Moves.ALWAYS:
            raise CannotStore(Reason.CLOCK, self._reads(identifier))
        self._findings.ends_at_midnight = True

    def _collection(self, path: Path, identifier: Identifier) -> None:
        start = self._lookup.resolve(path.collection)
        if start is None:
            raise self._place.refusal(identifier.position, f"no collection {path.collection}")
        self._ground.read_any(start, self._findings, self._reads(identifier))
        self._follow(start, path, identifier)

    def _follow(self, start: Collection, path: Path, identifier: Identifier) -> None:
        try:
            way = self._lookup.way(
                start,
                path.parts,
                sees_hidden=not self._place.is_client,
                has_modifier=path.modifier is not None,
            )
        except PathError as error:
            raise self._place.refusal(identifier.position, str(error)) from None
        for hop in way.hops:
            self._ground.read_any(hop, self._findings, self._reads(identifier))
            if self._place.is_client:
                self._findings.merge(self._list_rule(hop))

    def _request(self, path: Path, identifier: Identifier) -> None:
        findings, why = self._findings, self._reads(identifier)
        if path.root is Root.METHOD:
            findings.add_part(PartKind.METHOD, f"GET and HEAD apart: {why}")
        elif path.root is Root.HEADERS:
            name = path.parts[0]
            if len(path.parts) > 1 or not may_stand_in_key(name):
                raise CannotStore(Reason.HEADER, why)
            findings.add_part(PartKind.HEADER, f"by header {name}: {why}", name)
        elif path.root is Root.QUERY:
            findings.add_part(PartKind.QUERY, f"by query parameter {path.parts[0]}: {why}", path.parts[0])
        # @request.context is fixed for a read, and @request.body is empty: reads with a body get no plan

    def _call(self, call: Call) -> None:
        if call.name == "strftime":
            self._strftime(call)
        elif call.name != "geoDistance":
            raise self._place.refusal(call.position, f"unknown function {call.name}")
        for argument in call.arguments:
            self._operand(argument)

    def _strftime(self, call: Call) -> None:
        """SQLite takes the text ``now`` for a time wherever it is from: only a date field cannot hold it."""
        pure = len(call.arguments) > 1 and self._is_date(call.arguments[1])
        for modifier in call.arguments[2:]:
            pure = (
                pure and isinstance(modifier, Text) and _PURE_MODIFIER.fullmatch(modifier.value) is not None
            )
        if not pure:
            raise CannotStore(Reason.CLOCK, f"{self._place} calls strftime on what may be the clock")

    def _is_date(self, operand: Operand) -> bool:
        if not isinstance(operand, Identifier):
            return False
        path = self._split(operand)
        if path.root is not Root.FIELD or path.modifier is not None:
            return False
        try:
            way = self._lookup.way(self._place.base, path.parts, sees_hidden=not self._place.is_client)
        except PathError:
            return False
        holder = way.hops[-1] if way.hops else self._place.base
        return way.field is not None and way.field["type"] in _DATES and not holder.is_view


def _is_caller_id(operand: Operand) -> bool:
    return isinstance(operand, Identifier) and operand.name == "@request.auth.id"
