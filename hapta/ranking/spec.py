"""A feed's configuration against a schema: that all it names is there and fits, and what has to be read.

Everything that does not fit is told at once. A field may be hidden: the rows are read as a superuser, and
what a feed makes of them are numbers and an order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hapta.cache.condition import ALWAYS, Condition
from hapta.cache.lookup import is_multiple
from hapta.config.feed_tables import EdgeConfig, RankedFeedConfig, SignalConfig
from hapta.model.schema import Collection, Schema
from hapta.ranking.candidates import UnusableFilter, candidates
from hapta.ranking.features import Recipe
from hapta.ranking.fitting import ID, Fitting
from hapta.ranking.list_rule import ListRule
from hapta.ranking.signals import ReadNumber, number_of
from hapta.records.links import plain_host

MOST_TOPICS: Final = 16
"""Topics of one row; what it has beyond them is left out."""

EdgeKind: TypeAlias = Literal["follows", "hides", "engaged"]
_KINDS: Final[tuple[EdgeKind, ...]] = ("follows", "hides", "engaged")
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
        caller_collections: ids of the auth collection whose users it knows something of; none or one.
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
    caller_collections: frozenset[str]
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
        return _Draft(name, config, schema).spec()

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


class _Draft:
    """One feed in the making."""

    def __init__(self, name: str, config: RankedFeedConfig, schema: Schema) -> None:
        self._name = name
        self._config = config
        self._fit = Fitting(schema)
        self._callers: Collection | None = None

    def spec(self) -> FeedSpec:
        config = self._config
        collection = self._fit.collection("collection", config.collection)
        if collection is None:
            raise UnusableFeed(self._name, self._fit.problems)
        self._fit.reads[collection.id] = {ID}
        self._fit.typed("created", collection, config.created, _DATES, "a date")
        if config.pinned:
            self._fit.typed("pinned", collection, config.pinned, {"bool"}, "a bool")
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
        if self._fit.problems:
            raise UnusableFeed(self._name, self._fit.problems)
        rule = ListRule.of(self._fit.lookup, collection)
        authors_sign_in = authors is not None and authors.type == "auth"
        callers = [each for each in (self._callers or (authors if authors_sign_in else None),) if each]
        self._fit.read(collection, condition.reads)
        self._fit.read(collection, rule.fields if rule is not None else ())
        return FeedSpec(
            self._name,
            config,
            collection,
            frozenset() if authors is None else frozenset({authors.id}),
            frozenset(each.id for each in callers),
            authors_sign_in,
            {collection_id: frozenset(names) for collection_id, names in self._fit.reads.items()},
            tuple(fields),
            tuple(counts),
            tuple(edges),
            tuple((field, space) for field, space, _ in topics),
            min(MOST_TOPICS, sum(most for _, _, most in topics)),
            condition,
            rule,
        )

    def _authors(self, collection: Collection) -> Collection | None:
        name = self._config.author
        field = self._fit.typed("author", collection, name, {"relation"}, "a relation") if name else None
        if field is None:
            return None
        related = self._fit.lookup.related(field)
        if related is None:
            self._fit.add("author", f"{name} of {collection.name} leads nowhere")
        return related

    def _topic(self, collection: Collection, name: str) -> tuple[str, str, int] | None:
        field = self._fit.typed("topics", collection, name, _TOPICS, "a relation or a select")
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
            source = self._fit.collection(f"{key}.collection", signal.collection)
            whose = "whose rows are the authors" if of_author else "whose rows are ranked"
            if source and self._fit.relation(f"{key}.relation", source, signal.relation, about, whose):
                counts.append(CountSignal(name, source.id, signal.relation, of_author))
        return fields, counts

    def _may_be_number(self, key: str, about: Collection, signal: SignalConfig) -> bool:
        key = f"{key}.field"
        if signal.of == "author" and self._fit.collection(key, about.id) is None:
            return False
        if signal.field == "tokenKey" and about.type == "auth":
            self._fit.add(key, "PocketBase shows tokenKey to nobody")
            return False
        if signal.has in ("link", "spam"):
            return (
                self._fit.typed(key, about, signal.field, _TEXTS, "a text, an editor or an url") is not None
            )
        words = "a number, a bool, a text or several values"
        return self._fit.typed(key, about, signal.field, _COUNTED, words) is not None

    def _edge(
        self,
        kind: EdgeKind,
        name: str,
        edge: EdgeConfig,
        collection: Collection,
        authors: Collection | None,
    ) -> EdgeSpec | None:
        key = f"{kind}.{name}"
        source = self._fit.collection(f"{key}.collection", edge.collection)
        target = collection if kind == "engaged" else authors
        if source is None or target is None:
            return None
        callers = self._fit.callers(f"{key}.from", source, edge.from_)
        whose = "whose rows are ranked" if kind == "engaged" else "whose rows are the authors"
        if edge.to == ID:
            if source.id != target.id:
                self._fit.add(
                    f"{key}.to", f"id is a row of {source.name}: expected one of {target.name}, {whose}"
                )
                return None
        elif not self._fit.relation(f"{key}.to", source, edge.to, target, whose):
            return None
        if callers is None:
            return None
        self._callers = self._callers or callers
        if callers is not self._callers:  # an id says who somebody is within one collection only
            problem = (
                f"begins at {callers.name}, others of the feed at {self._callers.name}: expected one of them"
            )
            self._fit.add(f"{key}.from", problem)
        if edge.both and callers.id != target.id:
            self._fit.add(f"{key}.both", f"{callers.name} and {target.name} are not the same collection")
        ends = [self._fit.lookup.field(source, each) for each in (edge.from_, edge.to)]
        if all(end is not None and is_multiple(end) for end in ends):
            self._fit.add(key, "from and to both hold several values: only one of them may")
        return EdgeSpec(kind, source.id, edge.from_, edge.to, edge.both)

    def _candidates(self, collection: Collection) -> Condition:
        try:
            return candidates(self._fit.schema, collection, self._config.filter)
        except UnusableFilter as error:
            self._fit.add("filter", str(error))
            return ALWAYS
