"""The rows of an answer, taken apart into members, changed, and put together again.

Values stay the bytes they came as: nothing is decoded but the figures of a list. What is parsed and rendered
unchanged is the same bytes, or it is not parsed. Names are written in order, as PocketBase does.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import orjson

from hapta.cache.canonical import Fields, OddBody, parse_array, parse_object
from hapta.model.schema import Collection

EXPAND: Final = "expand"
_EMAIL, _VISIBILITY = "email", "emailVisibility"
_TRUE, _FALSE = msgspec.Raw(b"true"), msgspec.Raw(b"false")
_AS_STORED: Final = re.compile(rb"0|-?[1-9][0-9]{0,14}|[^-0-9].*", re.DOTALL)
"""JSON that a column takes as it is: SQLite makes numbers of its own of others that look like one."""
_ALWAYS: Final = ("collectionId", "collectionName", "id")
_MEMBERS: Final = frozenset({"items", "page", "perPage", "totalItems", "totalPages"})

_decode_int = msgspec.json.Decoder(int).decode


@dataclass(slots=True)
class ListBody:
    """The body of a list.

    Attributes:
        rows: its items.
        page: from 1.
        per_page: rows a page has room for.
        total_items: on all pages; -1 where the client does without (``skipTotal``).
        total_pages: 0 if there is nothing, -1 as above.
        order: of the members.
    """

    rows: list[Fields]
    page: int
    per_page: int
    total_items: int
    total_pages: int
    order: tuple[str, ...] = ("items", "page", "perPage", "totalItems", "totalPages")

    @classmethod
    def parse(cls, body: bytes) -> "ListBody":
        """Take a body apart.

        Raises:
            OddBody: PocketBase would write it in another way.
        """
        members = parse_object(body)
        if members.keys() != _MEMBERS:
            raise OddBody(tuple(members))
        rows = [parse_row(row) for row in parse_array(members["items"])]
        page, per_page, items, pages = (
            _figure(members[name]) for name in ("page", "perPage", "totalItems", "totalPages")
        )
        if page < 1 or per_page < 1 or items < -1 or pages != _pages(items, per_page):
            raise OddBody((page, per_page, items, pages))
        return cls(rows, page, per_page, items, pages, tuple(members))

    def render(self) -> bytes:
        """The body again."""
        members = {
            "items": b"[" + b",".join(map(render_row, self.rows)) + b"]",
            "page": b"%d" % self.page,
            "perPage": b"%d" % self.per_page,
            "totalItems": b"%d" % self.total_items,
            "totalPages": b"%d" % self.total_pages,
        }
        return _render((name, members[name]) for name in self.order)

    def set_total(self, total_items: int) -> None:
        """Let it have so many rows on all pages, if it tells how many."""
        if self.total_items != -1:
            self.total_items = total_items
            self.total_pages = _pages(total_items, self.per_page)


def parse_row(raw: bytes | msgspec.Raw) -> Fields:
    """The members of a row.

    Raises:
        OddBody: PocketBase would write them in another way.
    """
    fields = parse_object(raw)
    names = list(fields)
    if names != sorted(names):
        raise OddBody(names)
    return fields


def render_row(fields: Fields) -> bytes:
    """The row again."""
    return _render(fields.items())


def own(row: Fields) -> Fields:
    """What a row has itself, without what is expanded from it."""
    return {name: raw for name, raw in row.items() if name != EXPAND}


def with_own(row: Fields, new: Fields) -> Fields:
    """``row`` with other members of its own and the expand it has."""
    return joined(own(new), row.get(EXPAND))


def joined(fields: Fields, expand: msgspec.Raw | None) -> Fields:
    """A row of its own members and an expand."""
    return fields if expand is None else dict(sorted({**fields, EXPAND: expand}.items()))


def values(row: Fields) -> dict[str, object]:
    """What a row has itself, decoded.

    Raises:
        OddBody: it cannot be.
    """
    try:
        decoded: dict[str, object] = orjson.loads(render_row(own(row)))
    except orjson.JSONDecodeError as exc:
        raise OddBody(repr(exc)) from exc
    return decoded


def public_fields(collection: Collection, row: Fields) -> Fields | None:
    """What everybody is shown of a row, hidden fields and e-mails being left out.

    Args:
        collection: the row's.
        row: as its writer or a superuser was shown it.

    Returns:
        ``None`` if the schema does not say what is shown: a member of it is unknown, or one is missing; or if
        the row may be read in other words than its writer was shown, as are -0 and the JSON text ``1e5``.
    """
    is_hidden = {field["name"]: bool(field.get("hidden")) for field in collection.fields}
    if not own(row).keys() <= {*_ALWAYS, *is_hidden}:
        return None
    wanted = {*_ALWAYS, *(name for name, hidden in is_hidden.items() if not hidden)}
    if collection.type == "auth" and _EMAIL in wanted:
        visibility = row.get(_VISIBILITY)
        if visibility not in (_TRUE, _FALSE):
            return None
        if visibility == _FALSE:
            wanted.remove(_EMAIL)
    if not wanted <= row.keys():
        return None
    for field in collection.fields:
        raw = bytes(row.get(field["name"], b""))
        if (field["type"] == "number" and raw == b"-0") or (
            field["type"] == "json" and not _AS_STORED.fullmatch(raw)
        ):
            return None
    return {name: raw for name, raw in row.items() if name in wanted}


def _figure(raw: msgspec.Raw) -> int:
    try:
        figure = _decode_int(raw)
    except msgspec.DecodeError as exc:
        raise OddBody(repr(exc)) from exc
    if b"%d" % figure != bytes(raw):
        raise OddBody(bytes(raw))
    return figure


def _pages(items: int, per_page: int) -> int:
    return -1 if items == -1 else -(-items // per_page)


def _render(members: Iterable[tuple[str, bytes | msgspec.Raw]]) -> bytes:
    return b"{" + b",".join(b'"%b":%b' % (name.encode(), raw) for name, raw in members) + b"}"
