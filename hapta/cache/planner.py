"""From a URL and an audience to a plan: who may share a stored answer, and what makes it wrong.

The order is PocketBase's own (``apis/record_crud.go``): the rule of the collection, the client's filter and
sort, the rows, their expands, and last what of the rows the caller gets to see. Whatever is not understood to
the letter ends in a :class:`~hapta.cache.plan.Bypass`: a wrong guess would show one caller the answer of
another. Superusers have no plan.
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from hapta.cache.callers import read_viewer
from hapta.cache.condition import ALWAYS, Condition, both, compile_condition
from hapta.cache.expansion import Expansion
from hapta.cache.findings import CannotStore, Findings
from hapta.cache.ground import Ground
from hapta.cache.indexes import scanned_fields, unique_fields
from hapta.cache.local import Local
from hapta.cache.lookup import Lookup
from hapta.cache.ordering import UNSORTED, compile_ordering
from hapta.cache.paging import parse_paging
from hapta.cache.plan import Audience, Bypass, HooksMode, Part, PartKind, Plan, Reason, Views
from hapta.cache.projection import may_show_email
from hapta.cache.query import Query, encode_query, parse_query
from hapta.cache.restrictions import Restriction, demands, most_specific
from hapta.cache.rules import Rules, read_expression
from hapta.cache.scan import Place, Scan
from hapta.cache.shapes import NO_SHAPES, Shapes
from hapta.cache.tags import EVERYTHING, all_rows, any_row, anywhere, births, record
from hapta.filters.errors import FilterError
from hapta.filters.expands import parse_expand
from hapta.filters.parser import MAX_CLIENT_BYTES
from hapta.filters.sorts import parse_sort
from hapta.model.identity import SUPERUSERS_ID
from hapta.model.operation import Operation, OperationClass
from hapta.model.schema import Collection, Schema
from hapta.model.target import Target

_VIEW_PARAMETERS = ("expand", "fields")
_LIST_PARAMETERS = ("page", "perPage", "skipTotal", "sort", "filter", *_VIEW_PARAMETERS)
_RECORD_ID = re.compile(r"[A-Za-z0-9_~@-]{1,255}")
"""Ids that a path writes in one way only; PocketBase's own are letters and digits."""
_SUPERUSERS_ONLY = ("@request.", "@collection.")
MAX_EXPANDS = 16
"""Paths of one expand list; what a plan weighs grows with it."""
MAX_TARGET = 12_288
"""Characters of a canonical target: it stands in the key."""
MAX_LOCAL_FILTER = 1_000
"""Characters of a filter that is kept to be asked about single records."""
_SORT_EFFORT = 5
"""How much more than by a filter a record is asked by a sort: once for each other it is compared with."""
_WEAKER = frozenset({PartKind.ANY_AUTH, PartKind.AUTH_COLLECTION, PartKind.AUTH_FIELD})
"""Parts that a caller's own record contains."""


class Planner:
    """Plans reads on the strength of one schema.

    Args:
        schema: all collections; with another schema goes another planner.
        views: what the SQL of each view reads.
        hooks: how server-side code may shape answers with rows of a collection.
        is_enabled: whether the operator lets answers with rows of a collection be stored.
        restricts: lists of rows with one value depend on these alone.
        shapes: how plugins shape rows.

    Attributes:
        warnings: one sentence for each API rule that could not be read so far, for the operator.
    """

    def __init__(
        self,
        schema: Schema,
        views: Views,
        hooks: Callable[[Collection], HooksMode],
        is_enabled: Callable[[Collection], bool],
        *,
        restricts: bool = True,
        shapes: Shapes = NO_SHAPES,
    ) -> None:
        self.warnings: list[str] = []
        self._lookup = Lookup(schema)
        self._ground = Ground(self._lookup, views, hooks)
        self._rules = Rules(self._ground, self.warnings.append)
        self._is_enabled = is_enabled
        self._restricts = restricts
        self._shapes = shapes

    def plan(self, target: Target, operation: Operation, audience: Audience) -> Plan | Bypass:
        """Plan one read; the same arguments always give the same plan.

        Args:
            target: the request's, read without a body, by GET or HEAD.
            operation: what the target was understood to ask for.
            audience: the id of the caller's auth collection, ``None`` for guests; never superusers.
        """
        try:
            draft = _Draft(self._lookup, self._ground, self._rules, self._is_enabled, self._shapes, audience)
            draft.restricts = self._restricts
            return draft.plan(target, operation)
        except CannotStore as stop:
            return stop.bypass


class _Draft:
    """One plan in the making."""

    def __init__(
        self,
        lookup: Lookup,
        ground: Ground,
        rules: Rules,
        is_enabled: Callable[[Collection], bool],
        shapes: Shapes,
        audience: Audience,
    ) -> None:
        self._lookup = lookup
        self._ground = ground
        self._rules = rules
        self._is_enabled = is_enabled
        self._shapes = shapes
        self._audience = self._audience_of(audience)
        self._findings = Findings()
        self._shows_emails = True
        self._may_show_emails = False
        self.restricts = True
        self._demands: list[Restriction] = []
        self._is_own_email_all = True
        self._condition = ALWAYS
        self._ordering = UNSORTED
        self._shown: dict[str, Condition] = {}

    def plan(self, target: Target, operation: Operation) -> Plan:
        collection = self._collection(target, operation)
        query = parse_query(target.query)
        if query is None:
            raise CannotStore(Reason.TARGET, "the query has no canonical form")
        values, record_id = query.values, operation.record
        paths = parse_expand(values.get("expand", ""))
        if len(paths) > MAX_EXPANDS:
            raise CannotStore(Reason.LANGUAGE, f"more than {MAX_EXPANDS} expands")
        fields = values.get("fields", "")
        expanded = {hop.name for path in paths for hop in path}
        self._shows_emails = not fields or may_show_email(fields, expanded)

        self._rule(collection, record_id)
        if record_id is None:
            self._search(collection, values)
        self._emails(collection)
        self._shaped(collection)
        expansion = Expansion(
            self._ground,
            collection,
            self._findings,
            self._expanded,
            self._is_enabled,
            lambda parent: self._shapes.of(parent) is not None,
        )
        for path in paths:
            expansion.follow(path)
        return self._finish(collection, record_id, query, expansion, has_fields=bool(fields))

    def _audience_of(self, audience: Audience) -> Collection | None:
        if audience is None:
            return None
        if audience == SUPERUSERS_ID:
            raise CannotStore(Reason.SUPERUSER, "superusers see all there is")
        collection = self._lookup.schema.by_id.get(audience)
        if collection is None or collection.type != "auth":
            raise CannotStore(Reason.SCHEMA, "the caller's auth collection is not known")
        return collection

    def _collection(self, target: Target, operation: Operation) -> Collection:
        name, record_id = operation.collection, operation.record
        if operation.kind is not OperationClass.RECORD_READ or name is None:
            raise CannotStore(Reason.TARGET, "not a read of records")
        rest = () if record_id is None else (record_id,)
        if target.segments != ("api", "collections", name, "records", *rest):
            raise CannotStore(Reason.TARGET, "a path in another form")
        if record_id is not None and not _RECORD_ID.fullmatch(record_id):
            raise CannotStore(Reason.TARGET, "a record id that may be written in several ways")
        collection = self._lookup.resolve(name)
        if collection is None:
            raise CannotStore(Reason.COLLECTION, "no such collection")
        if collection.is_system:
            raise CannotStore(Reason.COLLECTION, f"{collection.name} is a system collection")
        if not self._is_enabled(collection):
            raise CannotStore(Reason.COLLECTION, f"caching of {collection.name} is switched off")
        return collection

    def _rule(self, collection: Collection, record_id: str | None) -> None:
        findings, name = self._findings, collection.name
        rule = "listRule" if record_id is None else "viewRule"
        if collection.rules.get(rule) is None:
            raise CannotStore(Reason.RULE, f"{rule} of {name} lets only superusers in")
        self._ground.enter(collection, findings, "it is read")
        if record_id is not None:
            findings.add_tag(
                record(collection.id, record_id), f"any change of {name}/{record_id}: it is viewed"
            )
            findings.add_tag(all_rows(collection.id), f"changes in {name} of rows nobody can name")
            findings.add_tag(births(collection.id), f"a new row in {name}, if there is no such record")
        findings.merge(self._rules.findings(collection, rule, self._audience))
        self._condition = self._rules.condition(collection, rule)
        if record_id is None:
            self._demands += self._rules.demands(collection)

    def _search(self, collection: Collection, values: Mapping[str, str]) -> None:
        text, sort = values.get("filter", ""), values.get("sort", "")
        for word in _SUPERUSERS_ONLY:
            if word in text or word in sort:
                raise CannotStore(Reason.RULE, f"only superusers may write {word} in a filter or sort")
        if text:
            place = Place(collection, "filter", is_client=True)
            group = read_expression(place, text, MAX_CLIENT_BYTES)
            self._scan(place).group(group)
            self._demands += demands(self._lookup, collection, group, is_client=True)
            filtered = compile_condition(self._lookup, collection, group, is_client=True)
            self._condition = both(self._condition, filtered)
        if sort:
            place = Place(collection, "sort", is_client=True)
            try:
                terms = parse_sort(sort)
            except FilterError as error:
                raise place.refusal(error.position, error.message) from None
            self._scan(place).sort(terms)
            self._ordering = compile_ordering(self._lookup, collection, terms)

    def _scan(self, place: Place) -> Scan:
        audience = self._audience
        return Scan(
            self._ground, audience, place, self._findings, lambda hop: self._rules.list_rule(hop, audience)
        )

    def _expanded(self, collection: Collection) -> None:
        self._findings.merge(self._rules.findings(collection, "viewRule", self._audience))
        self._shown[collection.id] = self._rules.condition(collection, "viewRule")
        self._emails(collection)
        self._shaped(collection)

    def _shaped(self, collection: Collection) -> None:
        """What plugins that shape a collection's rows look at."""
        shape = self._shapes.of(collection)
        if shape is None:
            return
        self._findings.is_shaped = True
        for name in sorted(shape.depends_on):
            why = f"a plugin shapes rows of {collection.name} by {name}"
            read_viewer(self._ground, self._audience, name, self._findings, why)
        for name in sorted(shape.reads):
            source = self._lookup.resolve(name)
            if source is not None:  # rows of one that is not there decide nothing
                why = f"a plugin reads it to shape rows of {collection.name}"
                self._ground.read_any(source, self._findings, why)

    def _emails(self, collection: Collection) -> None:
        """Auth records show their e-mail to themselves and to managers, under open rules too."""
        if collection.type != "auth" or not self._shows_emails:
            return
        email = self._lookup.field(collection, "email")
        if collection.rules.get("manageRule") is not None or (email is not None and email.get("hidden")):
            self._is_own_email_all = False
        if collection.rules.get("manageRule"):
            self._findings.merge(self._rules.findings(collection, "manageRule", self._audience))
        self._may_show_emails = True

    def _finish(
        self,
        collection: Collection,
        record_id: str | None,
        query: Query,
        expansion: Expansion,
        *,
        has_fields: bool,
    ) -> Plan:
        findings = self._findings
        tells_ids = not has_fields and findings.hooks is HooksMode.NONE
        tells_rows = tells_ids and not collection.is_view and not findings.is_shaped
        local = self._local(collection, query.values, expansion) if tells_rows else None
        restriction = self._listed(collection, tells_rows=tells_rows) if record_id is None else None
        if findings.hooks is HooksMode.AUTH:
            self._shape_by_hooks(query)
        if not tells_ids:
            for target in expansion.targets.values():
                self._ground.read_any(
                    target, findings, "it is expanded, and the answer need not show its ids"
                )
        if self._may_show_emails and not tells_ids and self._audience is not None:
            findings.add_part(
                PartKind.AUTH_RECORD,
                "own answers for each user: their own e-mail may be shown, "
                "and the answer need not tell whose it is",
            )
        is_own = findings.has(PartKind.AUTH_RECORD)
        parts = {part: why for part, why in findings.parts.items() if not (is_own and part.kind in _WEAKER)}
        # for guests as well: who is logged in shares their answer, unless it is for guests alone
        own_email = self._may_show_emails and tells_ids and not is_own and not findings.has(PartKind.GUEST)
        findings.add_tag(EVERYTHING, "whatever empties the cache")
        return Plan(
            collection.id,
            record_id,
            self._target(collection, record_id, query),
            tuple(sorted(parts)),
            frozenset(findings.tags),
            expands=expansion.tree() if tells_ids else (),
            has_auth_rows=collection.type == "auth",
            shows_own_email=own_email,
            can_overlay=own_email and self._is_own_email_all and not findings.is_shaped,
            reads_auth_record=findings.reads_auth_record,
            ends_at_midnight=findings.ends_at_midnight,
            restriction=restriction,
            tells_rows=tells_rows,
            local=local,
            shaped_by=self._shapes.version if findings.is_shaped else 0,
            why=self._why(parts, own_email=own_email),
        )

    def _listed(self, collection: Collection, *, tells_rows: bool) -> Restriction | None:
        """Which rows a list depends on: those with one value where that is demanded and nothing else in it
        reads any row of the same collection, else any."""
        findings, every = self._findings, any_row(collection.id)
        restriction = most_specific(self._demands) if self.restricts and tells_rows else None
        if restriction is None or every in findings.tags:
            self._ground.read_any(collection, findings, "it is listed")
            return None
        name, field = collection.name, restriction.field
        value = "the caller's id" if restriction.value is None else repr(restriction.value)
        findings.add_tag(
            anywhere(collection.id), f"changes of rows of {name} that had or have {field} = {value}"
        )
        findings.add_tag(all_rows(collection.id), f"changes in {name} of rows nobody can name")
        return restriction

    def _local(self, collection: Collection, values: Mapping[str, str], expansion: Expansion) -> Local | None:
        """What single records tell, before the collection is listed: if by now the answer depends on any row
        of it, a rule or an expand leads from one row to others."""
        text = values.get("filter", "")
        if any_row(collection.id) in self._findings.tags or not self._is_own_email_all:
            return None
        if len(text) > MAX_LOCAL_FILTER:
            return None
        shown = (collection, *expansion.targets.values())
        uniques = {each.id: unique_fields(each) for each in shown}
        demands = [each for each in self._demands if each.field in uniques[collection.id] and each.value]
        demand = most_specific([each for each in demands if each.kind != "number"])
        return Local(
            self._condition,
            self._ordering,
            scanned_fields(collection),
            self._shown,
            uniques,
            parse_paging(values),
            is_filtered=bool(text),
            effort=len(text) + _SORT_EFFORT * len(values.get("sort", "")),
            demand=None if demand is None else (demand.field, demand.value or ""),
        )

    def _shape_by_hooks(self, query: Query) -> None:
        """pb_hooks may read the whole URL and the caller."""
        if not query.is_plain:
            raise CannotStore(Reason.TARGET, "pb_hooks may read what the canonical query leaves out")
        if self._audience is None:
            self._findings.add_part(PartKind.GUEST, "guests by themselves: pb_hooks may look at the caller")
        else:
            self._findings.add_part(
                PartKind.AUTH_RECORD, "own answers for each user: pb_hooks may look at the caller"
            )
            self._findings.reads_auth_record = True

    def _target(self, collection: Collection, record_id: str | None, query: Query) -> str:
        path = f"/api/collections/{quote(collection.name, safe='')}/records"
        known: tuple[str, ...] = _LIST_PARAMETERS
        if record_id is not None:
            path += f"/{record_id}"
            known = _VIEW_PARAMETERS
        values = query.values
        pairs = [(name, values[name]) for name in known if name in values]
        if len(pairs) < len(values):
            others = sorted(values.keys() - set(known))
            if self._findings.hooks is HooksMode.NONE:
                others = [name for name in others if Part(PartKind.QUERY, name) in self._findings.parts]
            pairs += [(name, values[name]) for name in others]
        if pairs:
            path = f"{path}?{encode_query(pairs)}"
        if len(path) > MAX_TARGET:
            raise CannotStore(Reason.TARGET, "a target too long for a key")
        return path

    def _why(self, parts: Mapping[Part, str], *, own_email: bool) -> tuple[str, ...]:
        sentences = [parts[part] for part in sorted(parts)]
        if not sentences:
            sentences.append("shared by everybody but superusers: nothing of the caller is read")
        if own_email:
            sentences.append(
                "users whose own record is shown in it get an answer of their own: it has their e-mail"
            )
        if self._findings.reads_auth_record:
            sentences.append("any change of the caller's own record: a rule reads it")
        if self._findings.ends_at_midnight:
            sentences.append("not after midnight UTC: a clock is read that moves then")
        return (*sentences, *self._findings.tags.values())
