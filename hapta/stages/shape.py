"""Rows leave as plugins shape them, for whoever gets them.

Stands between the cache of reads and the stage that follows writes: what is stored is shaped already, for the
weakest of those who share it, and what own writes tell of rows is read before it is shaped. Superusers get
rows as they are. What cannot be taken apart for certain is not sent (500, ``hook_failed``). Where no hook
concerns the collection or anything that stands in the answer, nothing is looked at.

Answers of routes that nobody knows are not shaped: what in them is a row only their author can tell.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from hapta.cache.query import parse_query
from hapta.filters.expands import parse_expand
from hapta.hooks.reject import HookFailed
from hapta.identity.proof import unverified_claims
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.identity import SUPERUSERS_ID
from hapta.model.operation import OperationClass, SubOperation, classify_sub_request
from hapta.model.schema import Collection
from hapta.stages.altered import EVERYTHING, NOTHING, altered_by_query
from hapta.stages.batch import batch_requests
from hapta.stages.fetch import gather
from hapta.stages.reach import Reach
from hapta.stages.shape_events import EventShaper, ShapedStream
from hapta.stages.shaper import Shaper
from hapta.stages.shown_rows import Row, Rows, array_of, elements, members, object_of, text_of
from hapta.stages.streams import EventStream
from hapta.stages.viewers import CannotShape, Freshness, Who

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of an answer that is taken apart."""
_ROWS: Final = frozenset(
    {OperationClass.RECORD_READ, OperationClass.RECORD_WRITE, OperationClass.AUTH_ANSWER}
)
_OF_OTHER_BYTES: Final = frozenset(
    {b"etag", b"last-modified", b"content-md5", b"digest", b"content-digest", b"repr-digest"}
)
"""Headers that would tell of the bytes that were there before."""


class ShapeAnswers:
    """The stage.

    Args:
        shaper: shapes rows.
        reach: which collections an answer may show.
        events: shapes events.
        freshness: confirms the schema.
        may_expand: PocketBase's own hooks may put rows into answers about a collection that nobody asked for.
    """

    def __init__(
        self,
        shaper: Shaper,
        reach: Reach,
        events: EventShaper,
        freshness: Freshness,
        *,
        may_expand: Callable[[Collection], bool],
    ) -> None:
        self._shaper = shaper
        self._reach = reach
        self._events = events
        self._freshness = freshness
        self._may_expand = may_expand

    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        kind = exchange.operation.kind
        if kind is OperationClass.REALTIME_STREAM:
            exchange.wants_plain_answer = exchange.wants_plain_answer or not self._shaper.is_idle
            answer = await forward(exchange)
            if isinstance(answer.body, EventStream):
                answer.body = ShapedStream(answer.body, self._events)
            return answer
        identity = exchange.identity
        if kind not in _ROWS or (identity is not None and identity.is_superuser):
            return await forward(exchange)
        if not self._shaper.is_idle:
            if not self._freshness.is_live:
                await self._freshness.confirm()
            exchange.wants_plain_answer = exchange.wants_plain_answer or await self._is_concerned(exchange)
        answer = await forward(exchange)
        if self._shaper.is_idle or not 200 <= answer.status < 300 or answer.status == 204:
            return answer
        if not await self._is_concerned(exchange):
            return answer
        try:
            await self._shape(exchange, answer)
        except HookFailed as error:
            if not isinstance(answer.body, bytes):
                answer.body.abort()
            what = f"an answer about {exchange.operation.collection or 'several collections'}"
            self._shaper.tell(error, what, exchange.request_id)
            raise
        return answer

    async def _is_concerned(self, exchange: Exchange) -> bool:
        """Whether hooks shape any row that may stand in the answer."""
        if exchange.operation.action != "batch":
            return self._concerns(exchange.operation.collection, exchange.target.query)
        for request in await batch_requests(exchange):
            write = _understood(request)
            if write is None or self._concerns(write.collection, write.query):
                return True
        return False

    def _concerns(self, name_or_id: str | None, query: str) -> bool:
        collection = self._shaper.lookup.resolve(name_or_id or "")
        if collection is None:
            return True  # nobody knows what its rows are: if any come, they are not sent
        if collection.id == SUPERUSERS_ID:
            return False
        if self._shaper.concerns(collection):
            return True
        if not self._reach.leads_to_shaped(collection):
            return False
        parsed = parse_query(query)
        if parsed is None or self._may_expand(collection):
            return True
        return self._reach.expands_to_shaped(collection, parse_expand(parsed.values.get("expand", "")))

    async def _shape(self, exchange: Exchange, answer: Answer) -> None:
        answer.headers = [line for line in answer.headers if line[0].lower() not in _OF_OTHER_BYTES]
        if exchange.method == "HEAD":
            answer.length = None  # it is that of what nobody gets
            return
        if any(name.lower() == b"content-encoding" for name, _ in answer.headers):
            raise CannotShape("it came in a content coding")
        await gather(answer, MAX_BYTES)
        body = answer.body
        if not isinstance(body, bytes) or len(body) > MAX_BYTES:
            raise CannotShape(f"it is longer than {MAX_BYTES} bytes")
        operation = exchange.operation
        if operation.action == "batch":
            answer.body = await self._batch(exchange, body)
        elif operation.kind is OperationClass.AUTH_ANSWER:
            answer.body = await self._auth_answer(exchange, body)
        else:
            collection = self._collection(operation.collection)
            who = Who.of(exchange.identity, exchange.shaped_for)
            if operation.action == "list":
                answer.body = await self._list(exchange, collection, body, who)
            else:
                row = self._rows(exchange).one(collection, body)
                await self._shaper.shape([row], who, exchange.request_id)
                answer.body = row.render()
        answer.length = None

    def _rows(self, exchange: Exchange) -> Rows:
        """Takes the answer to a request apart."""
        return self._shaper.rows(altered_by_query(exchange.target.query))

    def _collection(self, name_or_id: str | None) -> Collection:
        collection = self._shaper.lookup.resolve(name_or_id or "")
        if collection is None:
            raise CannotShape("the collection is not known")
        return collection

    async def _list(self, exchange: Exchange, collection: Collection, body: bytes, who: Who) -> bytes:
        envelope = members(body)
        if "items" not in envelope:
            raise CannotShape("a list without items")
        taken = self._rows(exchange)
        rows = [taken.one(collection, item) for item in elements(envelope["items"])]
        await self._shaper.shape(rows, who, exchange.request_id)
        envelope["items"] = msgspec.Raw(array_of(row.render() for row in rows))
        return object_of(envelope)

    async def _auth_answer(self, exchange: Exchange, body: bytes) -> bytes:
        """The viewer is who logs in, not who came."""
        collection = self._collection(exchange.operation.collection)
        envelope = members(body)
        if "record" not in envelope:
            return body
        row = self._rows(exchange).one(collection, envelope["record"])
        record = _named_in(text_of(envelope.get("token")), collection)
        if record is None and "id" not in row.altered:
            record = text_of(row.fields.get("id"))
        if record is None and exchange.operation.action == "auth-refresh" and exchange.identity is not None:
            record = exchange.identity.record
        if record is None:
            raise CannotShape("it does not tell who logs in: `fields` leaves out token and record.id")
        await self._shaper.shape([row], Who(collection.id, record), exchange.request_id)
        envelope["record"] = msgspec.Raw(row.render())
        return object_of(envelope)

    async def _batch(self, exchange: Exchange, body: bytes) -> bytes:
        requests = await batch_requests(exchange)
        answers = [members(each) for each in elements(body)]
        if len(answers) != len(requests):
            raise CannotShape("a batch with more or fewer answers than requests")
        rows: list[Row | None] = []
        altered = EVERYTHING if altered_by_query(exchange.target.query) else NOTHING
        for request, each in zip(requests, answers, strict=True):
            raw = each.get("body")
            is_row = raw is not None and bytes(raw) not in (b"null", b'""', b"{}")
            write = _understood(request) if is_row else None
            if not is_row or raw is None:
                rows.append(None)
                continue
            collection = self._collection(None if write is None else write.collection)
            own = NOTHING if write is None else altered_by_query(write.query)
            rows.append(self._shaper.rows(altered | own).one(collection, raw))
        shown: Sequence[Row] = [row for row in rows if row is not None]
        await self._shaper.shape(list(shown), Who.of(exchange.identity), exchange.request_id)
        for each, row in zip(answers, rows, strict=True):
            if row is not None:
                each["body"] = msgspec.Raw(row.render())
        return array_of(object_of(each) for each in answers)


def _understood(request: Mapping[str, Any]) -> SubOperation | None:
    return classify_sub_request(str(request.get("method")), str(request.get("url")))


def _named_in(token: str | None, collection: Collection) -> str | None:
    """Whose token it is; nobody but PocketBase and Hapta can have made one that stands in an answer."""
    claims = unverified_claims(token) if token is not None else None
    record = None if claims is None else claims.get("id")
    if claims is None or claims.get("collectionId") != collection.id or not isinstance(record, str):
        return None
    return record
