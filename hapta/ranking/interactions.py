"""What one user did with one row, and what more of it makes of that.

A client that does not know whether it was heard sends the same again. So that this does no harm, what is one
and the same is told from what is there:

* a *view* begins with the first one told, and all that are told within :data:`VIEW_S` of it are the same;
* a view has one length, the longest *dwell* told of it, of at most :data:`MAX_DWELL_MS`; where no view was
  told, the first dwell begins one;
* *clicks* within :data:`CLICK_S` are one;
* a row is *hidden* or it is not, whichever was told last.

Of two states of one row :func:`join` makes one in which nothing of either is missing, whichever came first:
events of PocketBase come in any order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["view", "dwell", "click", "hide", "unhide"]
KINDS: Final[tuple[Kind, ...]] = ("view", "dwell", "click", "hide", "unhide")

VIEW_S: Final = 30.0
CLICK_S: Final = 2.0
MAX_DWELL_MS: Final = 600_000

_ID_CHARS: Final = 15
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One thing that was done.

    Attributes:
        record: the row's id.
        kind: what was done.
        ms: of a dwell its length.
    """

    record: str
    kind: Kind
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """What a user did with a row so far. Instants are Unix seconds in whole milliseconds; 0.0: never.

    Attributes:
        views: how often it was looked at.
        viewed: when the last view began.
        view_ms: how long that one was, as far as is known.
        dwell_ms: how long all views were together.
        clicks: how often it was opened.
        clicked: when last.
        hidden: the user does not want to see it.
        judged: when that was last said.
        first, last: when the first and the last of all this was.
    """

    views: int = 0
    viewed: float = 0.0
    view_ms: int = 0
    dwell_ms: int = 0
    clicks: int = 0
    clicked: float = 0.0
    hidden: bool = False
    judged: float = 0.0
    first: float = 0.0
    last: float = 0.0

    @property
    def is_seen(self) -> bool:
        """It was shown or opened."""
        return self.views > 0 or self.clicks > 0


NOTHING: Final = Row()


def after(row: Row, done: Interaction, at: float) -> Row:
    """What becomes of a row; the very same object where it is what was told before.

    Args:
        row: so far; :data:`NOTHING` at first.
        done: what was done.
        at: when.
    """
    at = round(at, 3)
    match done.kind:
        case "view":
            if row.views and abs(at - row.viewed) < VIEW_S:
                return row
            changed = replace(row, views=row.views + 1, viewed=at, view_ms=0)
        case "dwell":
            ms = min(done.ms, MAX_DWELL_MS)
            if row.views and ms <= row.view_ms:
                return row
            changed = replace(
                row,
                views=row.views or 1,
                viewed=row.viewed if row.views else at,
                view_ms=ms,
                dwell_ms=row.dwell_ms + ms - row.view_ms,
            )
        case "click":
            if row.clicks and abs(at - row.clicked) < CLICK_S:
                return row
            changed = replace(row, clicks=row.clicks + 1, clicked=at)
        case "hide" | "unhide":
            if row.hidden == (done.kind == "hide"):
                return row
            changed = replace(row, hidden=not row.hidden, judged=at)
    return replace(changed, first=row.first or at, last=max(row.last, at))


def join(one: Row, other: Row) -> Row:
    """The state in which both are contained: commutative, associative, idempotent."""
    viewed, view_ms = max((one.viewed, one.view_ms), (other.viewed, other.view_ms))
    judged, hidden = max((one.judged, one.hidden), (other.judged, other.hidden))
    return Row(
        views=max(one.views, other.views),
        viewed=viewed,
        view_ms=view_ms,
        dwell_ms=max(one.dwell_ms, other.dwell_ms),
        clicks=max(one.clicks, other.clicks),
        clicked=max(one.clicked, other.clicked),
        hidden=hidden,
        judged=judged,
        first=min(one.first or other.first, other.first or one.first),
        last=max(one.last, other.last),
    )


@dataclass(frozen=True)
class UserInteractions:
    """What one user did with the rows of one collection.

    Attributes:
        rows: by the rows' ids.
    """

    rows: Mapping[str, Row] = field(default_factory=dict)

    @cached_property
    def seen(self) -> frozenset[str]:
        """Ids of rows they were shown or opened."""
        return frozenset(record for record, row in self.rows.items() if row.is_seen)

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Ids of rows they do not want to see."""
        return frozenset(record for record, row in self.rows.items() if row.hidden)


def interaction_id(auth: str, user: str, collection: str, record: str) -> str:
    """The id of the row in which PocketBase keeps it: whoever writes it first, it is the same row.

    Args:
        auth, user: ids of the auth collection and of the record in it.
        collection, record: ids of the collection and of the row in it; ids of PocketBase have no slash.
    """
    text = f"{auth}/{user}/{collection}/{record}"
    number = int.from_bytes(sha256(text.encode()).digest(), "big")
    digits = []
    for _ in range(_ID_CHARS):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def oldest(rows: Iterable[tuple[str, Row]], most: int) -> list[str]:
    """Which of some rows to forget so that of at most ``most`` nine in ten remain: those untouched for
    longest. None as long as there are not more than that; not one at a time either, or each further one would
    cost a write."""
    ordered = sorted(rows, key=lambda item: (item[1].last, item[0]))
    if len(ordered) <= most:
        return []
    return [row_id for row_id, _ in ordered[: len(ordered) - max(1, most - most // 10)]]
