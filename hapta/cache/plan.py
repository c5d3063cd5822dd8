"""What one read depends on: the planner's answer, as values.

A *plan* belongs to one URL, one schema and one :data:`Audience` (guests, or the records of one auth
collection). It names the *parts* that stand for the caller in the cache key, the tags known before anything
is fetched, and what has to be read out of the answer for the rest. Superusers have no plan: their answers are
never stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from hapta.cache.local import Local
from hapta.cache.restrictions import Restriction
from hapta.cache.tags import Tag, restricted

Audience: TypeAlias = str | None
"""Id of the caller's auth collection; ``None`` for guests."""


class PartKind(StrEnum):
    """What of a caller or request stands in the cache key."""

    GUEST = "guest"
    """Guests alone: an ``@request.auth`` operand is there, and guests read it as NULL."""
    ANY_AUTH = "any-auth"
    """Whether somebody is logged in, whoever it is."""
    AUTH_COLLECTION = "auth-collection"
    """Id of the caller's auth collection."""
    AUTH_FIELD = "auth-field"
    """Auth collection and the current value of one scalar field of the caller's record (``name``)."""
    AUTH_RECORD = "auth-record"
    """The caller's record: an answer of their own."""
    HEADER = "header"
    """Value of a request header a rule reads (``name`` as in ``@request.headers.name``)."""
    QUERY = "query"
    """Presence and first value of a query parameter a rule reads (``name``)."""
    METHOD = "method"
    """``GET`` or ``HEAD``, read by a rule."""

    __hash__ = str.__hash__  # Enum's own is a function in Python


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One part of the key, with the header, parameter or field it is about."""

    kind: PartKind
    name: str = ""


@dataclass(frozen=True, slots=True)
class Expand:
    """One relation of an expand, to be followed in the answer.

    Attributes:
        field: key under ``expand`` in the answer, such as ``author`` or ``comments_via_post``.
        target: id of the collection its rows are of.
        is_auth: its rows are auth records.
        relation: the relation field of the parent whose value names the ids asked for, or ``None`` where the
            answer does not show them (a back-relation, a hidden field): then the target's ``any`` tag is
            among the plan's tags already.
        children: further hops.
    """

    field: str
    target: str
    is_auth: bool
    relation: str | None
    children: tuple["Expand", ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A read that may be stored.

    Attributes:
        collection: id of the collection read.
        record: id of the record viewed; ``None`` for a list.
        target: canonical path and query to fill with: known parameters and those a rule names.
        parts: what stands for the caller in the key, sorted; empty: shared by all but superusers.
        tags: what it depends on, as far as that is known before the fetch, with
            :data:`~hapta.cache.tags.EVERYTHING`.
        expands: what the answer is searched for, to tag it with the records it shows.
        has_auth_rows: the rows of the collection itself are auth records.
        shows_own_email: the answer may contain auth records of callers who share it, guests' answers being
            shared by others too; each sees their own e-mail in it alone, so callers whose id is among the
            auth rows of the stored answer get one of their own.
        can_overlay: ``shows_own_email``, and that e-mail is all they see more: no manager sees any.
        reads_auth_record: a rule reads more of the caller's own record than its id and collection: whoever
            stores an answer adds the tag of that record, ``record(caller.collection, caller.record)``.
        ends_at_midnight: a rule or filter reads a clock that moves at midnight UTC.
        restriction: instead of ``any`` row of the collection those with one value make a list wrong, and the
            rows it shows; the tag of that value is in :meth:`tags_for`.
        tells_rows: the answer shows rows of the collection as they are, their ids included.
        local: what can be worked out from single records; ``None`` where the answer rests on anything more.
        shaped_by: version of the plugins that shape rows it shows (:mod:`hapta.cache.shapes`); 0: none does.
        why: sentences for ``hapta cache explain``: for each part and tag, what brought it in.
        kinds: of its parts.
    """

    collection: str
    record: str | None
    target: str
    parts: tuple[Part, ...]
    tags: frozenset[Tag]
    expands: tuple[Expand, ...] = ()
    has_auth_rows: bool = False
    shows_own_email: bool = False
    can_overlay: bool = False
    reads_auth_record: bool = False
    ends_at_midnight: bool = False
    restriction: Restriction | None = None
    tells_rows: bool = False
    local: Local | None = field(default=None, compare=False)
    shaped_by: int = 0
    why: tuple[str, ...] = field(default=(), compare=False)
    kinds: frozenset[PartKind] = field(init=False, repr=False, compare=False)
    _has_guests: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kinds = frozenset(part.kind for part in self.parts)
        object.__setattr__(self, "kinds", kinds)
        has_guests = not kinds & _ABOUT_CALLERS or PartKind.GUEST in kinds
        object.__setattr__(self, "_has_guests", has_guests)

    @property
    def is_shared_with_guests(self) -> bool:
        """Guests are members of the partition, and so its weakest."""
        return self._has_guests

    def value_for(self, caller: str | None) -> str | None:
        """The value a list is restricted to; ``None`` if it is not.

        Args:
            caller: record id of the caller it is fetched as, ``None`` for guests.
        """
        restriction = self.restriction
        if restriction is None:
            return None
        return (caller or "") if restriction.value is None else restriction.value

    def tags_for(self, caller: str | None) -> frozenset[Tag]:
        """All tags known before the fetch; ``caller`` as of :meth:`value_for`."""
        value = self.value_for(caller)
        if value is None or self.restriction is None:
            return self.tags
        return self.tags | {restricted(self.collection, self.restriction.field, value)}


_ABOUT_CALLERS = frozenset(
    {
        PartKind.GUEST,
        PartKind.ANY_AUTH,
        PartKind.AUTH_COLLECTION,
        PartKind.AUTH_FIELD,
        PartKind.AUTH_RECORD,
    }
)


class Reason(StrEnum):
    """Why a read is not stored; the label of metrics and the ``detail`` of ``Cache-Status``."""

    SUPERUSER = "superuser"
    METHOD = "method"
    BODY = "body"
    TARGET = "target"
    """A path or query that is not canonical."""
    COLLECTION = "collection"
    """Unknown, a system collection, or switched off by the operator."""
    RULE = "rule"
    """PocketBase refuses it anyway: a rule that only superusers pass."""
    LANGUAGE = "language"
    """A rule, filter, sort, expand or fields list that Hapta cannot read."""
    CLOCK = "clock"
    RANDOM = "random"
    HEADER = "header"
    """A rule reads a header that cannot stand in a key."""
    VIEW = "view"
    """A view whose tables are not known, or no collections."""
    HOOKS = "hooks"
    FEED = "feed"
    """Changes cannot be heard of just now."""
    SCHEMA = "schema"
    WRITE = "write"
    """A write to what it depends on is open or in doubt."""
    SIZE = "size"
    ORIGIN = "origin"
    """What PocketBase tells pages of this origin is not known yet."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """A read that is passed on and not stored.

    Attributes:
        reason: which kind of reason.
        detail: what exactly, for ``hapta cache explain``: collection, rule, position.
    """

    reason: Reason
    detail: str = ""


class HooksMode(StrEnum):
    """How server-side code may shape answers (``cache.pb_hooks``)."""

    NONE = "none"
    """Not at all."""
    AUTH = "auth"
    """By the caller's identity: guests share, everybody else has answers of their own."""
    REQUEST = "request"
    """By anything in the request: nothing is stored."""


@dataclass(frozen=True, slots=True)
class ViewReads:
    """What the SQL of a view collection reads.

    Attributes:
        collections: ids of the collections whose rows it reads; views resolved.
        trouble: why answers of it cannot be stored (a clock, chance, a table that is no collection); empty if
            they can.
    """

    collections: frozenset[str]
    trouble: str = ""


Views: TypeAlias = Mapping[str, ViewReads]
"""By id of the view collection; a view that is missing here is not known."""
