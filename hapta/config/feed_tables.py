"""``[feeds.<name>]``: what a ranked feed is made of, and ``[interactions]``: what is kept of what people do.

A feed's table has tables of its own (signals, edges), whose names are the operator's: it is read by
:func:`hapta.config.feeds.read_feeds`, which knows the file and line of each key.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec import field as msgspec_field

from hapta.config.types import Count, NonEmpty, Seconds

Preset = Literal["for_you", "hot", "gravity", "wilson", "chronological", "postly"]
Weight = Annotated[float, Meta(ge=-1_000_000, le=1_000_000)]
Age = Annotated[float, Meta(gt=0, le=3_153_600_000)]
AgeOrAny = Annotated[float, Meta(ge=0, le=3_153_600_000)]


class SignalConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number about a row: ``[feeds.<name>.signals.<signal>]``. Either a field, or the rows of another
    collection that point at it."""

    field: str = ""
    """A field of the row (of its author with of = "author"): how many values it has; of a number its value,
    of a bool 1 or 0, of a text 1 unless it is empty."""

    has: Literal["", "value", "link", "spam"] = ""
    """With field: 1 or 0. "value": it is not empty; "link": a text with a link in it; "spam": with a link to
    one of spam_domains."""

    collection: str = ""
    """How many rows of this collection point at the row (with of = "author" at its author)."""

    relation: str = ""
    """With collection: the field they point with."""

    of: Literal["row", "author"] = "row"
    """Whether it is about the row or about its author."""


class EdgeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is tied to whom: each row of a collection ties the record (or records) in one field to those in the
    other. "id" is the row itself, as in { collection = "users", from = "id", to = "following" }."""

    collection: NonEmpty
    """The collection with such rows."""

    from_: NonEmpty = msgspec_field(name="from")
    """The field with the one who follows, mutes, likes."""

    to: NonEmpty
    """The field with what is followed, muted, liked."""

    both: bool = False
    """Whether it holds the other way round, too: of a block neither sees the other."""


class RankedFeedConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ranked feed, ``[feeds.<name>]``."""

    collection: NonEmpty
    """The collection whose rows are ranked, by name or id."""

    preset: Preset = "for_you"
    """How rows are scored (docs/feeds.md has the formulas); @api.feed("<name>") in a plugin takes
    its place."""

    filter: str = ""
    """Which rows are candidates: a filter of PocketBase's about fields of the row itself."""

    limit: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    """The newest so many of the candidates a caller may see are ranked."""

    window_s: AgeOrAny = 0.0
    """Only rows no older than this; 0: of any age."""

    depth: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """So many of the best can be paged through."""

    created: NonEmpty = "created"
    """The date field that tells a row's age."""

    author: str = ""
    """The relation field with its author; empty: rows have none."""

    pinned: str = ""
    """A bool field: rows that have it set come first, the newest of them first of all. Empty: no row is
    pinned."""

    topics: tuple[str, ...] = ()
    """Relation or select fields whose values are its topics."""

    half_life_s: Age = 86_400.0
    """for_you and plugins: seconds in which a score falls to its half."""

    spacing: Annotated[int, Meta(ge=0, le=100)] = 0
    """At least so many rows of others stand between two of one author, as long as there are others."""

    seen: Literal["keep", "lower", "hide"] = "keep"
    """What becomes of rows the caller was shown or opened before (POST /api/hapta/interactions)."""

    follows: dict[str, EdgeConfig] = msgspec_field(default_factory=dict)
    """Whom a caller follows: edges from callers to authors."""

    hides: dict[str, EdgeConfig] = msgspec_field(default_factory=dict)
    """Whom a caller has muted or blocked: edges from callers to authors, whose rows they never get."""

    engaged: dict[str, EdgeConfig] = msgspec_field(default_factory=dict)
    """What a caller liked, saved or answered: edges from callers to rows, from which their interests are
    learned."""

    signals: dict[str, SignalConfig] = msgspec_field(default_factory=dict)
    """Numbers about rows, by names that weights can name."""

    weights: dict[str, Weight] = msgspec_field(default_factory=dict)
    """What each signal counts; besides them "follow", "author" and "topic" (for_you: how much a followed
    author, an author and a topic of interest count). What is not named counts as the preset says."""

    spam_domains: tuple[str, ...] = ()
    """Domains, those below them included, that signals with has = "spam" look for."""

    explain: Literal["superusers", "everyone"] = "superusers"
    """Who may ask for scores with ?explain=1; they tell counts of rows that the caller may not read."""

    deadline_s: Seconds = 0.5
    """Seconds that ranking one page may take, else 503."""


class InteractionsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people do with rows of ranked feeds (POST /api/hapta/interactions): what they were shown, opened,
    read and hid."""

    is_enabled: bool = True
    """false: none are taken (404); what was stored before is not looked at."""

    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 90
    """Days after which the last one about a row is forgotten."""

    max_per_user: Count = 2000
    """Rows remembered of one user; the one untouched for longest is forgotten."""

    max_users: Count = 10_000
    """Users whose interactions are held in memory; of another they are read again when needed."""
