"""A feed's configuration against a schema: that all it names is there and fits, and what has to be read.

Everything that does not fit is told at once. A field may be hidden: the rows are read as a superuser, and
what a feed makes of them are numbers and an order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from hapta.cache.condition import ALWAYS, Condition, compile_condition
from hapta.cache.lookup import Field, Lookup, is_multiple
from hapta.config.feed_tables import EdgeConfig, RankedFeedConfig, SignalConfig
from hapta.config.problems import did_you_mean
from hapta.filters.errors import FilterError
from hapta.filters.parser import MAX_CLIENT_BYTES, parse
from hapta.model.schema import Collection, Schema
from hapta.ranking.features import Recipe
from hapta.ranking.list_rule import ListRule
from hapta.ranking.signals import ReadNumber, number_of
from hapta.records.links import plain_host

MOST_TOPICS: Final = 16
"""Topics of one row; what it has beyond them is left out."""

EdgeKind: TypeAlias = Literal["follows", "hides", "engaged"]
_KINDS: Final[tuple[EdgeKind, ...]] = ("follows", "hides", "engaged")
_ID: Final = "id"
_DATES: Final = frozenset({"date", "autodate"})
_TOPICS: Final = frozenset({"relation", "select"})
_TEXTS: Final = frozenset({"text", "editor", "url"})
_COUNTED: Final = frozenset(
    {*_TEXTS, *_DATES, "email", "number", "bool", "select", "relation", "file", "json"}
)


class UnusableFeed(ValueError):
    """The schema has not what a feed asks for.

    Attributes:
        problems: keys below the feed's table, dotted, each with a sentence.
    """

    def __init__(self, name: str, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        lines = "; ".join(f"{key}: {problem}" for key, problem in self.problems)
        super().__init__(f"feeds.{name}: {lines}")


@dataclass(frozen=True, slots=True)
class FieldSignal:
    """A number that a row tells of itself.

    Attributes:
        collection: id of the collection whose rows tell it: the feed's, or that of its authors.
    """

    name: str
    collection: str
    read: ReadNumber


@dataclass(frozen=True, slots=True)
class CountSignal:
    """How many rows of a collection point.

    Attributes:
        collection: its id.
        relation: the field they point with.
        at_author: at authors, not at rows.
    """

    name: str
    collection: str
    relation: str
    at_author: bool


@dataclass(frozen=True, slots=True)
class EdgeSpec:
    """Rows of a collection that tie.

    Attributes:
        collection: its id.
    """

    kind: EdgeKind
    collection: str
    from_: str
    to: str
    both: bool


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """A feed that the schema has all for.

    Attributes:
        name: of the feed.
        collection: whose rows are ranked.
        author_collections: ids of those authors are rows of; none or one.
        authors_sign_in: they are users; else an author with a user's id is not that user.
        reads: what a superuser has to read, by id of the collection: the fields of its rows.
        field_signals, count_signals, edges: what its rows are looked at for.
        topics: the fields, each with what its values are of: topics of two fields are the same where this
            is the same.
        topics_width: topics of one row.
        condition: which rows are candidates.
        rule: the listRule, if rows tell all of it.
    """

    name: str
    config: RankedFeedConfig
    collection: Collection
    author_collections: frozenset[str]
    authors_sign_in: bool
    reads: Mapping[str, frozenset[str]]
    field_signals: tuple[FieldSignal, ...]
    count_signals: tuple[CountSignal, ...]
    edges: tuple[EdgeSpec, ...]
    topics: tuple[tuple[str, str], ...]
    topics_width: int
    condition: Condition
    rule: ListRule | None

    @classmethod
    def of(cls, name: str, config: RankedFeedConfig, schema: Schema) -> "FeedSpec":
        """The feed under a schema.

        Raises:
            UnusableFeed: with everything that does not fit.
        """
        return _Fitting(name, config, schema).spec()

    @property
    def recipe(self) -> Recipe:
        """How it ranks."""
        config = self.config
        return Recipe(
            config.preset,
            config.weights,
            config.half_life_s,
            config.limit,
            config.window_s,
            config.depth,
            config.spacing,
            config.seen,
        )


class _Fitting:
    """One feed held against one schema."""

    def __init__(self, name: str, config: RankedFeedConfig, schema: Schema) -> None:
        self._name = name
        self._config = config
        self._schema = schema
        self._lookup = Lookup(schema)
        self._problems: list[tuple[str, str]] = []
        self._reads: dict[str, set[str]] = {}

    def spec(self) -> FeedSpec:
        config = self._config
        collection = self._collection("collection", config.collection)
        if collection is None:
            raise UnusableFeed(self._name, self._problems)
        self._reads[collection.id] = {_ID}
        self._typed("created", collection, config.created, _DATES, "a date")
        if config.pinned:
            self._typed("pinned", collection, config.pinned, {"bool"}, "a bool")
        authors = self._authors(collection)
        topics = [topic for topic in (self._topic(collection, each) for each in config.topics) if topic]
        fields, counts = self._signals(collection, authors)
        edges = [
            edge
            for kind in _KINDS
            for name, each in getattr(config, kind).items()
            if (edge := self._edge(kind, name, each, collection, authors)) is not None
        ]
        condition = self._candidates(collection)
        if self._problems:
            raise UnusableFeed(self._name, self._problems)
        rule = ListRule.of(self._lookup, collection)
        self._read(collection, condition.reads)
        self._read(collection, rule.fields if rule is not None else ())
        return FeedSpec(
            self._name,
            config,
            collection,
            frozenset() if authors is None else frozenset({authors.id}),
            authors is not None and authors.type == "auth",
            {collection_id: frozenset(names) for collection_id, names in self._reads.items()},
            tuple(fields),
            tuple(counts),
            tuple(edges),
            tuple((field, space) for field, space, _ in topics),
            min(MOST_TOPICS, sum(most for _, _, most in topics)),
            condition,
            rule,
        )

    def _add(self, key: str, problem: str) -> None:
        self._problems.append((key, problem))

    def _read(self, collection: Collection, names: Iterable[str]) -> None:
        self._reads.setdefault(collection.id, {_ID}).update(names)

    def _collection(self, key: str, name: str) -> Collection | None:
        """A collection whose rows can be followed."""
        found = self._lookup.resolve(name)
        if found is None:
            names = [each.name for each in self._schema.by_id.values() if not each.is_system]
            self._add(key, f"there is no collection {name}{did_you_mean(name, names)}")
        elif found.is_system:
            self._add(key, f"{found.name} is one of PocketBase's own collections")
            return None
        elif found.is_view:
            self._add(key, f"{found.name} is a view: PocketBase does not tell when its rows change")
            return None
        return found

    def _field(self, key: str, collection: Collection, name: str) -> Field | None:
        found = self._lookup.field(collection, name)
        if found is None:
            known = [each["name"] for each in collection.fields]
            self._add(key, f"{collection.name} has no field {name}{did_you_mean(name, known)}")
            return None
        self._read(collection, [name])
        return found

    def _typed(
        self, key: str, collection: Collection, name: str, kinds: Iterable[str], words: str
    ) -> Field | None:
        found = self._field(key, collection, name)
        if found is not None and found["type"] not in kinds:
            self._add(key, f"{name} of {collection.name} is of type {found['type']}: expected {words}")
            return None
        return found

    def _relation(self, key: str, collection: Collection, name: str, target: Collection, whose: str) -> bool:
        """Whether a field leads to a collection."""
        found = self._typed(key, collection, name, {"relation"}, "a relation")
        if found is None:
            return False
        if found.get("collectionId") != target.id:
            related = self._lookup.related(found)
            where = "nowhere" if related is None else f"to {related.name}"
            problem = f"leads {where}: expected a relation to {target.name}, {whose}"
            self._add(key, f"{name} of {collection.name} {problem}")
            return False
        return True

    def _authors(self, collection: Collection) -> Collection | None:
        name = self._config.author
        field = self._typed("author", collection, name, {"relation"}, "a relation") if name else None
        if field is None:
            return None
        related = self._lookup.related(field)
        if related is None:
            self._add("author", f"{name} of {collection.name} leads nowhere")
        return related

    def _topic(self, collection: Collection, name: str) -> tuple[str, str, int] | None:
        field = self._typed("topics", collection, name, _TOPICS, "a relation or a select")
        if field is None:
            return None
        space = field["collectionId"] if field["type"] == "relation" else f"select {name}"
        return name, space, field["maxSelect"] if is_multiple(field) else 1

    def _signals(
        self, collection: Collection, authors: Collection | None
    ) -> tuple[list[FieldSignal], list[CountSignal]]:
        fields: list[FieldSignal] = []
        counts: list[CountSignal] = []
        spam = frozenset(map(plain_host, self._config.spam_domains))
        for name, signal in self._config.signals.items():
            key, of_author = f"signals.{name}", signal.of == "author"
            about = authors if of_author else collection
            if about is None:
                continue  # that there is no author is told already
            if signal.field:
                if self._may_be_number(key, about, signal):
                    fields.append(FieldSignal(name, about.id, number_of(signal.field, signal.has, spam)))
                continue
            source = self._collection(f"{key}.collection", signal.collection)
            whose = "whose rows are the authors" if of_author else "whose rows are ranked"
            if source and self._relation(f"{key}.relation", source, signal.relation, about, whose):
                counts.append(CountSignal(name, source.id, signal.relation, of_author))
        return fields, counts

    def _may_be_number(self, key: str, about: Collection, signal: SignalConfig) -> bool:
        key = f"{key}.field"
        if signal.of == "author" and self._collection(key, about.id) is None:
            return False
        if signal.field == "tokenKey" and about.type == "auth":
            self._add(key, "PocketBase shows tokenKey to nobody")
            return False
        if signal.has in ("link", "spam"):
            return self._typed(key, about, signal.field, _TEXTS, "a text, an editor or an url") is not None
        words = "a number, a bool, a text or several values"
        return self._typed(key, about, signal.field, _COUNTED, words) is not None

    def _edge(
        self,
        kind: EdgeKind,
        name: str,
        edge: EdgeConfig,
        collection: Collection,
        authors: Collection | None,
    ) -> EdgeSpec | None:
        key = f"{kind}.{name}"
        source = self._collection(f"{key}.collection", edge.collection)
        target = collection if kind == "engaged" else authors
        if source is None or target is None:
            return None
        callers = self._callers(f"{key}.from", source, edge.from_)
        whose = "whose rows are ranked" if kind == "engaged" else "whose rows are the authors"
        if edge.to == _ID:
            if source.id != target.id:
                self._add(
                    f"{key}.to", f"id is a row of {source.name}: expected one of {target.name}, {whose}"
                )
                return None
        elif not self._relation(f"{key}.to", source, edge.to, target, whose):
            return None
        if callers is None:
            return None
        if edge.both and callers.id != target.id:
            self._add(f"{key}.both", f"{callers.name} and {target.name} are not the same collection")
        ends = [self._lookup.field(source, each) for each in (edge.from_, edge.to)]
        if all(end is not None and is_multiple(end) for end in ends):
            self._add(key, "from and to both hold several values: only one of them may")
        return EdgeSpec(kind, source.id, edge.from_, edge.to, edge.both)

    def _callers(self, key: str, source: Collection, name: str) -> Collection | None:
        """The auth collection an edge begins at."""
        found: Collection | None = source
        if name != _ID:
            field = self._typed(key, source, name, {"relation"}, "a relation")
            if field is None:
                return None
            found = self._lookup.related(field)
        if found is None or found.type != "auth" or found.is_system:
            what = "id" if name == _ID else f"{name} of {source.name}"
            where = "nowhere" if found is None else f"to {found.name}"
            self._add(key, f"{what} leads {where}: expected a collection of users")
            return None
        return found

    def _candidates(self, collection: Collection) -> Condition:
        """The feed's filter; it is evaluated over what a superuser reads, hidden fields included."""
        text = self._config.filter
        if not text:
            return ALWAYS
        shown: list[Mapping[str, Any]] = [{**field, "hidden": False} for field in collection.fields]
        everything = replace(collection, fields=tuple(shown))
        try:
            group = parse(text, max_bytes=MAX_CLIENT_BYTES)
        except FilterError as error:
            self._add("filter", f"cannot be read: {error.message} (at character {error.position + 1})")
            return ALWAYS
        lookup = Lookup(Schema.of(self._schema.version, [*self._others(collection), everything]))
        condition = compile_condition(lookup, everything, group, is_client=True)
        if condition.unsure:
            where = ", ".join(str(position + 1) for position in condition.unsure)
            self._add(
                "filter",
                f"whether a row passes cannot be told from the row alone (comparison at character {where}): "
                "fields of the row itself can be compared with texts, numbers, dates and bools",
            )
        return condition

    def _others(self, collection: Collection) -> list[Collection]:
        return [each for each in self._schema.by_id.values() if each.id != collection.id]
