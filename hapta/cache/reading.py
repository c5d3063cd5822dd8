"""What an answer itself says of what it depends on: the records it shows.

A response is tagged with the rows an expand asked for, whether it shows them or not: a row that was hidden
or missing may appear. The ids stand in the relation fields of the parents, so they are read there. Auth rows
that it shows are its *members*: whoever is one of them sees their own e-mail and gets an answer of their own
(PocketBase ``apis/record_helpers.go``, compared by id alone). Those whose e-mail all can see are none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from hapta.cache.overlay import Row, find_places
from hapta.cache.plan import Expand, Plan
from hapta.cache.restrictions import Restriction, normal_form
from hapta.cache.stored import Places
from hapta.cache.tags import Tag, births, record

Shown: TypeAlias = Mapping[str, Any]
"""A row as an answer shows it."""


class OddAnswer(ValueError):
    """Not what PocketBase answers: nothing may be concluded from it, and it is not stored."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was found in an answer.

    Attributes:
        tags: what it depends on besides the plan's tags.
        members: ids of the auth rows in it whose owners see another answer, if the plan asks for them.
        places: where the members' e-mails are missing in ``body``, of those of whom it is known.
        body: what the others are shown, where that is known.
        rows: rows of the collection read, if they were asked for.
    """

    tags: frozenset[Tag]
    members: frozenset[str]
    places: Places = field(default_factory=dict)
    body: bytes | None = None
    rows: tuple[Shown, ...] = ()


NOTHING = Read(frozenset(), frozenset())


def read_answer(
    plan: Plan,
    status: int,
    body: bytes,
    *,
    leader: Row | None = None,
    is_overlaid: bool = False,
    wants_rows: bool = False,
) -> Read:
    """Look into an answer.

    Args:
        plan: of the read.
        status: 200, or what PocketBase refuses with.
        body: JSON.
        leader: as whom it was fetched; what that row shows, it need not show to others.
        is_overlaid: places are wanted.
        wants_rows: the rows are to be kept, where the plan says that the answer tells them.

    Raises:
        OddAnswer: it has not the form the plan expects.
    """
    wants_members = plan.shows_own_email and plan.has_auth_rows
    wants_rows = plan.tells_rows and wants_rows
    if status != 200 or not (plan.expands or wants_members or wants_rows or plan.restriction):
        return NOTHING
    try:
        answer = orjson.loads(body)
        rows = [answer] if plan.record is not None else answer["items"]
        ids = _ids(rows)
        tags: set[Tag] = set()
        members = set(ids) if wants_members else set()
        if plan.restriction is not None:
            tags.update(record(plan.collection, record_id) for record_id in ids)
            _compare(plan.restriction, plan.value_for(None if leader is None else leader[1]), rows)
        _follow(plan.expands, rows, tags, members)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as exc:
        raise OddAnswer(repr(exc)) from exc
    kept = tuple(rows) if wants_rows else ()
    found = find_places(plan, body, leader) if members and is_overlaid and plan.can_overlay else None
    if found is None:
        return Read(frozenset(tags), frozenset(members), rows=kept)
    places = {row: offsets for row, offsets in found.places.items() if offsets}
    return Read(frozenset(tags), frozenset(record_id for _, record_id in places), places, found.body, kept)


def _compare(restriction: Restriction, value: str | None, rows: Iterable[Shown]) -> None:
    """What the tag rests on: that equal means the same to PocketBase and to us."""
    for row in rows:
        if normal_form(restriction.kind, row[restriction.field]) != value:
            raise TypeError(restriction)


def _follow(
    expands: Iterable[Expand], rows: Sequence[Mapping[str, Any]], tags: set[Tag], members: set[str]
) -> None:
    for expand in expands:
        shown: list[Mapping[str, Any]] = []
        asked: set[str] = set()
        for row in rows:
            shown += _listed(row.get("expand", {}).get(expand.field))
            if expand.relation is not None:
                asked.update(_texts(row[expand.relation]))
        ids = _ids(shown)
        tags.update(record(expand.target, record_id) for record_id in asked)
        if asked - ids:
            tags.add(births(expand.target))
        if expand.is_auth:
            members |= ids
        if expand.children:
            _follow(expand.children, shown, tags, members)


def _listed(value: Any) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _texts(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError(value)
    return [text for text in texts if text]


def _ids(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    ids = {row["id"] for row in rows}
    if not all(isinstance(record_id, str) for record_id in ids):
        raise TypeError(ids)
    return ids
