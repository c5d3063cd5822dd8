"""Rows of a ranked page, asked for as the caller: through the cache, shaped, under PocketBase's own rules.

An order only says which rows come first. Whether somebody gets one is decided here, by nobody but PocketBase:
what its listRule lets through in an ordinary list of these ids is shown, and nothing else. Where the viewRule
is the same, what is stored of single rows is looked at first, which costs no request; the rest comes in one
list. Of a small collection that is open to all everything is asked for instead: one list that is brought up
to date with every write from then on, and answers other lists, too (:mod:`hapta.cache.derive`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

import msgspec
from multidict import CIMultiDict, CIMultiDictProxy

from hapta.cache.query import encode_query
from hapta.hooks.filter_params import quoted
from hapta.model.errors import BadRequest, HaptaError, UpstreamLost
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import classify
from hapta.model.recent import Recent
from hapta.model.schema import Collection
from hapta.model.target import parse_target
from hapta.stages.fetch import gather

MOST_AT_ONCE: Final = 100
"""Ids in one filter; PocketBase takes 200 comparisons."""
MOST_WHOLE: Final = 500
"""Rows of a collection that is asked for as a whole."""
MOST_FILTER: Final = 3000
"""Characters of one filter; PocketBase takes 3,500 bytes."""
LOOKED_UP_AT_ONCE: Final = 50
"""Single rows, of some 50 microseconds each, before everybody else has a turn."""
PER_PAGE: Final = 1000
"""Of ids alone; PocketBase's most."""
_MOST_BYTES: Final = 32 * 1024 * 1024
_OF_THE_PAGE: Final = frozenset(
    {"if-none-match", "if-match", "if-modified-since", "if-unmodified-since", "if-range", "range"}
    | {"content-length", "content-type", "content-encoding", "transfer-encoding", "expect"}
    | {"accept-encoding"}  # rows are taken as they are: what is stored may be compressed, too
)
"""Headers about the page and its request's body, not about what it is made of."""

_WHOLE: Final[Recent[bytes, dict[str, bytes]]] = Recent(
    16 * 1024 * 1024, lambda rows: sum(map(len, rows.values()))
)
"""The rows of whole collections, by the list that shows them: the same bytes, the same rows."""


class TooMuch(HaptaError):
    """The rows of one page are more than anybody should hold."""

    status, code, message = 413, "page_too_large", "This page is too large. Ask for fewer rows."


class NotListed(Exception):
    """PocketBase lists nothing to this caller.

    Attributes:
        answer: its own.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _Id(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    items: list[msgspec.Raw]


_decode_id = msgspec.json.Decoder(_Id).decode
_decode_list = msgspec.json.Decoder(_List).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(slots=True)
class Found:
    """What was found of some rows.

    Attributes:
        rows: the JSON of each, by id; a row that is not here is not there, or not for this caller.
        answers: what PocketBase, or the cache for it, answered; for header lines.
        is_stored: PocketBase was not asked.
    """

    rows: dict[str, bytes]
    answers: list[Answer]
    is_stored: bool


class CallerRows:
    """Asks for rows of one collection as one caller.

    Args:
        exchange: the request for a page.
        forward: the way to the cache and on to PocketBase.
        collection: whose rows.
        others: parameters PocketBase gets, ``expand`` and ``fields`` among them.
        looks_at_store: single rows may be stored.
        whole_by: the date field of a collection that is small and open to all; empty of any other.

    Raises:
        BadRequest: by ``fields`` rows could not be told apart.
    """

    def __init__(
        self,
        exchange: Exchange,
        forward: Handler,
        collection: Collection,
        others: Mapping[str, str],
        *,
        looks_at_store: bool,
        whole_by: str = "",
    ) -> None:
        self._exchange = exchange
        self._forward = forward
        self._path = f"/api/collections/{collection.name}/records"
        rules = collection.rules
        self._looks_at_store = (
            looks_at_store and rules["listRule"] == rules["viewRule"] and not others.get("fields")
        )
        self._whole_by = whole_by if self._looks_at_store else ""
        self._others = dict(others)
        self._is_list_paid = False
        self._is_id_wanted = True
        if fields := others.get("fields"):
            names = [each.strip() for each in fields.split(",")]
            if any(name.startswith(("id:", "id.", "*:")) for name in names):
                raise BadRequest("A ranked feed shows the ids of its rows whole, or not at all.")
            self._is_id_wanted = "id" in names or "*" in names
            self._others["fields"] = fields if self._is_id_wanted else f"id,{fields}"

    async def find(self, ids: Sequence[str]) -> Found:
        """Rows by their ids.

        Raises:
            NotListed: the collection is not for this caller.
            HaptaError: no answer.
        """
        found = Found({}, [], is_stored=True)
        if self._whole_by:
            try:
                answer, found.is_stored = await self._listed({"sort": f"-{self._whole_by}"}, MOST_WHOLE)
            except (NotListed, BadRequest):  # nothing is sorted by what a plugin closes to this caller
                self._whole_by = ""
            else:
                found.answers.append(answer)
                self._read(answer, found.rows)
        if not self._whole_by and self._looks_at_store:
            for number, record_id in enumerate(ids):
                if number and not number % LOOKED_UP_AT_ONCE:
                    await asyncio.sleep(0)  # nothing below waits for anything
                answer = await self._stored(record_id)
                if answer.status == 200 and isinstance(answer.body, bytes):
                    found.rows[record_id] = answer.body
                    found.answers.append(answer)
        missing = sorted(each for each in ids if each not in found.rows)
        if missing or not found.answers:
            for part in _parts(missing):  # one after the other: each keeps everybody else waiting for a while
                answer, is_stored = await self._listed_by_ids(part)
                found.is_stored = found.is_stored and is_stored
                found.answers.append(answer)
                self._read(answer, found.rows)
        return found

    async def visible_ids(self, most: int) -> set[str]:
        """The newest ids the caller may see.

        Args:
            most: of them, rounded up to whole pages.

        Raises:
            NotListed, HaptaError: as of :meth:`find`.
        """
        ids: set[str] = set()
        page = 1
        while len(ids) < most:
            only_ids = {"expand": "", "fields": "id", "sort": "-@rowid", "page": str(page)}
            answer, _ = await self._listed(only_ids, PER_PAGE)
            items = _items(answer)
            ids.update(_decode_id(item).id for item in items)
            if len(items) < PER_PAGE:
                break
            page += 1
        return ids

    async def _listed_by_ids(self, ids: Sequence[str]) -> tuple[Answer, bool]:
        condition = " || ".join(f"id = {quoted(each)}" for each in ids) or "id = ''"
        return await self._listed({"filter": condition}, max(1, len(ids)))

    async def _listed(self, query: Mapping[str, str], per_page: int) -> tuple[Answer, bool]:
        """A list, and whether it was stored."""
        asked = {**self._others, **query, "perPage": str(per_page), "skipTotal": "1"}
        exchange = self._request(self._path, {name: value for name, value in asked.items() if value})
        answer = await self._sent(exchange)
        is_stored = exchange.cache == "hit"
        if not is_stored:
            self._charge()
        if answer.status != 200:
            raise NotListed(answer)
        return answer, is_stored

    def _charge(self) -> None:
        """PocketBase made a list for the page: each but the first counts as one more request."""
        if self._is_list_paid and self._exchange.charges is not None:
            self._exchange.charges.more(1)
        self._is_list_paid = True

    async def _stored(self, record_id: str) -> Answer:
        """A single row, if it is stored."""
        exchange = self._request(f"{self._path}/{quote(record_id, safe='')}", self._others)
        exchange.is_only_if_stored = True
        return await self._sent(exchange)

    async def _sent(self, exchange: Exchange) -> Answer:
        answer = await self._forward(exchange)
        self._exchange.upstream_s += exchange.upstream_s
        await gather(answer, _MOST_BYTES)
        if not isinstance(answer.body, bytes):
            answer.body.abort()
            raise TooMuch
        return answer

    def _request(self, path: str, query: Mapping[str, str]) -> Exchange:
        asked = self._exchange
        host = asked.headers.get("Host", "")
        target = parse_target(f"{path}?{encode_query(query.items())}" if query else path, host)
        headers: CIMultiDict[str] = CIMultiDict(asked.headers)
        for name in _OF_THE_PAGE:
            headers.popall(name, None)
        return replace(
            asked,
            method="GET",
            target=target,
            operation=classify("GET", target.segments),
            headers=CIMultiDictProxy(headers),
            body=None,
            upstream_target="",
            wants_plain_answer=True,
            is_repeatable=False,
            upstream_s=0.0,
            cache="",
        )

    def _read(self, answer: Answer, rows: dict[str, bytes]) -> None:
        """Add the rows of a list."""
        assert isinstance(answer.body, bytes), "it was gathered"
        if not self._whole_by:
            return self._add(answer, rows)
        known = _WHOLE.get(answer.body)
        if known is None:
            known = {}
            self._add(answer, known)
            _WHOLE.put(answer.body, known)
        rows |= known

    def _add(self, answer: Answer, rows: dict[str, bytes]) -> None:
        for item in _items(answer):
            record_id = _decode_id(item).id
            if self._is_id_wanted:
                rows[record_id] = bytes(item)
            else:
                members = _decode_members(item)
                del members["id"]
                rows[record_id] = msgspec.json.encode(members)


def _items(answer: Answer) -> list[msgspec.Raw]:
    assert isinstance(answer.body, bytes), "it was gathered"
    try:
        return _decode_list(answer.body).items
    except msgspec.DecodeError as exc:
        raise UpstreamLost from exc


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    """Ids in pieces that fit into one filter each; one empty piece if there are none."""
    longest = max(map(len, ids), default=0) + len("id = '' || ")
    size = max(1, min(MOST_AT_ONCE, MOST_FILTER // longest))
    return [ids[first : first + size] for first in range(0, len(ids), size)] or [ids]
