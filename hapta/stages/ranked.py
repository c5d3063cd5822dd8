"""Ranked feeds: one page of the rows a caller may see, the best first, in PocketBase's list shape.

    GET /api/hapta/feeds/<name>?page&perPage&expand&fields&skipTotal&snapshot&explain
    GET /api/collections/<collection>/records?feed=<name>&…

An order is made for the first page and kept (:mod:`hapta.ranking.snapshots`); its id stands in each answer as
``snapshot``. A later page that names none goes on in the order that this caller, or this guest's address,
began last. Where that is kept no more a new one is made.

Stands behind the limits and in front of the cache, through which it asks for rows as the caller
(:mod:`hapta.stages.ranked_rows`). Its answers are made for one caller and never stored.
"""

import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Protocol

import orjson

from hapta.cache.answers import if_none_match, matches
from hapta.cache.status import Forward, forwarded, hit
from hapta.config.feed_tables import RankedFeedConfig
from hapta.model.concerns import only_for
from hapta.model.errors import HaptaError, NotFound
from hapta.model.exchange import Answer, Exchange, Handler, Header
from hapta.model.identity import Identity
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.ranking.snapshots import Snapshot, Snapshots
from hapta.stages.ranked_request import RankedRequest, feed_in_path, feed_in_query, read_request, seen_by
from hapta.stages.ranked_rows import CallerRows, NotListed

_LOOKED_AT_BEHIND: Final = (0, 0, 100, 400, 2000)
"""Rows behind a page that are asked for along with it, each time it is filled up again because some are gone:
where many went at once, a page in their midst is full all the same."""
_OF_OTHER_BYTES: Final = frozenset(
    {b"content-length", b"content-type", b"content-encoding", b"etag", b"cache-control", b"vary", b"age"}
    | {b"cache-status", b"last-modified", b"date"}
)


class NotExplained(HaptaError):
    """Scores tell of rows that the caller may not read."""

    status, code = 403, "not_explained"
    message = "Only superusers may ask this feed to explain its scores."


class Feeds(Protocol):
    """The ranked feeds there are; :class:`hapta.app.ranked_feeds.RankedFeeds`."""

    def config_of(self, name: str) -> RankedFeedConfig | None:
        """The feed of this name."""
        ...

    async def collection_of(self, name: str) -> Collection:
        """The collection of a feed, with the rules of now.

        Raises:
            HaptaError: there is none just now.
        """
        ...

    def feeds_of(self, collection: str) -> Sequence[str]:
        """Names of the feeds of a collection, which is given by name or id."""
        ...

    def looks_at_store(self, collection: Collection) -> bool:
        """Whether single rows of it may be stored, and are what lists show of them."""
        ...

    def has_hooks(self, collection: Collection) -> bool:
        """Whether PocketBase's own hooks may decide what a caller sees of it."""
        ...

    def whole_by(self, name: str, collection: Collection) -> str:
        """The date field of a feed whose collection is small and open to all; empty for any other."""
        ...

    async def order(self, name: str, identity: Identity | None, rows: CallerRows) -> Sequence[str]:
        """Ids of rows for this caller, the best first.

        Raises:
            NotListed, HaptaError: there is none.
        """
        ...

    async def explain(self, name: str, identity: Identity | None, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The scores of rows taken apart; empty for one that is not there any more."""
        ...


class RankedPages:
    """The stage.

    Args:
        feeds: makes orders.
        snapshots: keeps them.
    """

    def __init__(self, feeds: Feeds, snapshots: Snapshots) -> None:
        self._feeds = feeds
        self._snapshots = snapshots

    @only_for(OperationClass.RECORD_READ, OperationClass.OWN)
    def __call__(self, exchange: Exchange, forward: Handler) -> Awaitable[Answer]:
        """Answer one request."""
        name = feed_in_path(exchange)
        if name is None:
            name = feed_in_query(exchange)
            if name is None or not (known := self._feeds.feeds_of(exchange.operation.collection or "")):
                return forward(exchange)
            if name not in known:
                return _not_found(
                    f"The collection has no ranked feed of this name: it has {', '.join(known)}."
                )
        elif exchange.method not in ("GET", "HEAD"):
            return forward(exchange)
        config = self._feeds.config_of(name)
        if config is None:
            return _not_found("There is no ranked feed of this name.")
        return self._page(exchange, forward, name, config)

    async def _page(
        self, exchange: Exchange, forward: Handler, name: str, config: RankedFeedConfig
    ) -> Answer:
        request, identity = read_request(exchange), exchange.identity
        if (
            request.explains
            and config.explain != "everyone"
            and (identity is None or not identity.is_superuser)
        ):
            raise NotExplained
        exchange.cache = "ranked"
        collection = await self._feeds.collection_of(name)
        rows = CallerRows(
            exchange,
            forward,
            collection,
            request.others,
            looks_at_store=self._feeds.looks_at_store(collection),
            whole_by=self._feeds.whole_by(name, collection),
        )
        try:
            owner = seen_by(
                exchange,
                request.others,
                collection.rules["listRule"],
                reads_all=self._feeds.has_hooks(collection),
            )
            snapshot = await self._snapshot(exchange, name, owner, request, rows)
            page = await self._filled(snapshot, request, rows)
        except NotListed as refusal:
            return refusal.answer
        explained = None
        if request.explains:
            explained = await self._feeds.explain(name, identity, list(page.rows))
        return _answer(exchange, request, snapshot, page, explained)

    async def _snapshot(
        self, exchange: Exchange, name: str, owner: str, request: RankedRequest, rows: CallerRows
    ) -> Snapshot:
        identity = exchange.identity
        asker = owner if identity is not None else f"{exchange.client} {owner}"
        found = None
        if request.snapshot:
            found = self._snapshots.get(name, owner, request.snapshot)
        elif request.paging.page > 1:
            found = self._snapshots.latest(name, owner, asker)
        if found is not None:
            return found
        order = await self._feeds.order(name, identity, rows)
        end = request.paging.page * request.paging.per_page
        return self._snapshots.keep(name, owner, asker, order, end)

    async def _filled(self, snapshot: Snapshot, request: RankedRequest, rows: CallerRows) -> "_Page":
        per_page = request.paging.per_page
        first = (request.paging.page - 1) * per_page
        part = snapshot.hand_out(first, first + per_page)
        known: dict[str, bytes] = {}
        asked: set[str] = set()
        answers: list[Answer] = []
        is_stored = True
        for count in _LOOKED_AT_BEHIND:
            missing = [each for each in (*part.ids, *part.behind(count)) if each not in asked]
            if missing or not answers:
                found = await rows.find(missing)
                asked.update(missing)
                known |= found.rows
                answers += found.answers
                is_stored = is_stored and found.is_stored
            gone = asked - known.keys()
            if not gone or not part.take_out(gone) or known.keys() >= set(part.ids):
                break
        shown = {each: known[each] for each in part.ids if each in known}
        return _Page(shown, answers, is_stored)


@dataclass(frozen=True, slots=True)
class _Page:
    """What stands on a page.

    Attributes:
        rows: JSON of each by id, in order.
        answers: what it was made of.
        is_stored: PocketBase was not asked.
    """

    rows: dict[str, bytes]
    answers: list[Answer]
    is_stored: bool


async def _not_found(message: str) -> Answer:
    raise NotFound(message)


def _answer(
    exchange: Exchange,
    request: RankedRequest,
    snapshot: Snapshot,
    page: _Page,
    explained: list[dict[str, Any]] | None,
) -> Answer:
    paging, total = request.paging, len(snapshot)
    figures: dict[str, Any] = {
        "page": paging.page,
        "perPage": paging.per_page,
        "snapshot": snapshot.id,
        "totalItems": -1 if paging.skips_total else total,
        "totalPages": -1 if paging.skips_total else math.ceil(total / paging.per_page),
    }
    if explained is not None:
        figures = {"explain": explained, **figures}
    body = b'{"items":[' + b",".join(page.rows.values()) + b"]," + orjson.dumps(figures)[1:]
    etag = b'"' + blake2b(body, digest_size=16).hexdigest().encode() + b'"'
    headers = [
        *_of_the_connection(page.answers[0].headers),
        (b"ETag", etag),
        (b"Cache-Control", b"private, no-cache"),
        (b"Vary", b"Origin, Authorization"),
        (b"Cache-Status", _status(page)),
    ]
    if matches(etag, if_none_match(exchange.headers)):
        return Answer(304, headers)
    headers.insert(0, (b"Content-Type", b"application/json"))
    if exchange.method == "HEAD":
        return Answer(200, headers, length=len(body))
    return Answer(200, headers, body)


def _of_the_connection(lines: Sequence[Header]) -> list[Header]:
    """Header lines that are about the caller's page in the browser, not about the bytes."""
    return [line for line in lines if line[0].lower() not in _OF_OTHER_BYTES]


def _status(page: _Page) -> bytes:
    for answer in page.answers:  # what is marked as stale stays marked
        for name, value in answer.headers:
            if name == b"Cache-Status" and b"detail=stale" in value:
                return value
    return hit(0) if page.is_stored else forwarded(Forward.URI_MISS, detail="ranked")
