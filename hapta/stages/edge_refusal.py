"""A write that its rule provably denies is refused here: PocketBase is not asked, what is stored stays good.

Only where PocketBase's answer is surely known. It reads the body first, then looks at the rule, then at all
else (``apis/record_crud.go``; measured): so the body must be one it can read, and the rule must deny whatever
the record and the body are (:mod:`hapta.filters.fold`), for this caller and for a guest, as whom PocketBase
treats a token that died a moment ago. Hooks stand before all of that, so there must be none; and feed and
schema must be live, or the rule could be another by now.

The words are PocketBase's; so are the other header lines: the first refusal of a kind is its own, and where
that is not what was expected the collection is left to PocketBase.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, Protocol

import orjson

from hapta.cache.book import PlanBook
from hapta.cache.plan import HooksMode
from hapta.cache.stored import concerns_nobody
from hapta.filters.errors import FilterError
from hapta.filters.fold import Facts, provably
from hapta.filters.nodes import Group
from hapta.filters.parser import parse
from hapta.model.exchange import Answer, Exchange, Handler, Header, RequestBody
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.stages.origins import OriginMemo

MAX_BODY_BYTES: Final = 16 * 1024
"""A longer body is not read here to save PocketBase from reading it."""
STATUS: Final = b"hapta; detail=edge-refusal"
_RULES = {"create": "createRule", "update": "updateRule", "delete": "deleteRule"}
_NAME = r"[A-Za-z0-9_]{1,255}"
_PLAIN = re.compile(rf"/api/collections/{_NAME}/records(?:/{_NAME})?")
"""Paths that are written in one way only."""
_DENIED = {"create": 400, "update": 404, "delete": 404}
_BODIES = {
    status: b'{"data":{},"message":"%s","status":%d}' % (message, status)
    for status, message in (
        (400, b"Failed to create record."),
        (403, b"Only superusers can perform this action."),
        (404, b"The requested resource wasn't found."),
    )
}
_CORS = b"access-control-"
_OF_ONE_ANSWER = frozenset({b"cache-status", b"content-length", b"date", b"x-request-id"})


class Coherence(Protocol):
    """Whether rules can be relied upon."""

    @property
    def is_live(self) -> bool:
        """The feed lives and the schema is confirmed."""
        ...

    async def confirm(self) -> None:
        """Confirm the schema if that is all that is missing."""

    def touch(self) -> None:
        """Something is answered on the strength of it."""


class EdgeRefusal:
    """The stage; stands behind the limits and in front of the cache.

    Args:
        book: the schema of the present.
        coherence: the change feed and the schema.
        hooks_of: what hooks may do around writes to a collection.
        origins: CORS lines.
        on_refused: told the collection's id and the action.
    """

    def __init__(
        self,
        book: PlanBook,
        coherence: Coherence,
        *,
        hooks_of: Callable[[str | None], HooksMode],
        origins: OriginMemo,
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._book = book
        self._coherence = coherence
        self._hooks_of = hooks_of
        self._origins = origins
        self._on_refused = on_refused
        self._headers: dict[int, tuple[Header, ...]] = {}
        self._version = -1
        self._rules: dict[tuple[str, str], tuple[Group, frozenset[str]] | None] = {}
        self._left_alone: set[tuple[str, str]] = set()

    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        action = exchange.operation.action
        if exchange.operation.kind is not OperationClass.RECORD_WRITE or action not in _RULES:
            return await forward(exchange)
        collection = await self._collection(exchange)
        if collection is None or not await _is_readable(exchange):
            return await forward(exchange)
        # nothing is awaited from here on until it is answered
        self._keep_up()
        status = self._denied(exchange, collection, action) if self._coherence.is_live else None
        if status is None or (collection.id, action) in self._left_alone:
            return await forward(exchange)
        origin = exchange.headers.get("Origin")
        headers, cors = self._headers.get(status), self._origins.lines(origin)
        if headers is None or cors is None:
            answer = await forward(exchange)
            self._learn(collection, action, status, origin, answer)
            return answer
        self._coherence.touch()
        self._on_refused(collection.id, action)
        return Answer(
            status, [*headers, *cors, (b"Cache-Status", STATUS)], _BODIES[status], reason="edge_refusal"
        )

    async def _collection(self, exchange: Exchange) -> Collection | None:
        """What is written to, if it is of the kind that may be refused here."""
        identity = exchange.identity
        if (identity is None) is not (exchange.authorization is None):
            return None  # an Authorization that is no token
        if identity is not None and identity.is_superuser:
            return None
        if not _PLAIN.fullmatch(exchange.target.path):
            return None
        if not self._coherence.is_live:
            await self._coherence.confirm()
        collection = self._book.schema.resolve(exchange.operation.collection or "")
        if collection is None or collection.is_view or collection.is_system:
            return None
        return collection if self._hooks_of(collection.id) is HooksMode.NONE else None

    def _denied(self, exchange: Exchange, collection: Collection, action: str) -> int | None:
        """The status of a write that is denied whatever it says; else ``None``."""
        present = self._book.schema.by_id.get(collection.id)
        name = _RULES[action]
        if present is not collection or name not in collection.rules:
            return None
        text = collection.rules[name]
        if text is None:
            return 403
        if not text:
            return None
        rule = self._rule(collection, name, text)
        if rule is None:
            return None
        group, fields = rule
        identity = exchange.identity
        if provably(group, Facts(fields, None)) is not False:
            return None
        if identity is not None:
            of = self._book.schema.by_id.get(identity.collection)
            known = {"id": identity.record, "collectionId": identity.collection}
            if of is not None:
                known["collectionName"] = of.name
            if provably(group, Facts(fields, known)) is not False:
                return None
        return _DENIED[action]

    def _rule(self, collection: Collection, name: str, text: str) -> tuple[Group, frozenset[str]] | None:
        key = (collection.id, name)
        if key not in self._rules:
            try:
                fields = frozenset(str(field["name"]) for field in collection.fields)
                self._rules[key] = (parse(text), fields)
            except FilterError:
                self._rules[key] = None
        return self._rules[key]

    def _learn(
        self, collection: Collection, action: str, status: int, origin: str | None, answer: Answer
    ) -> None:
        """See whether PocketBase says what it was expected to, and how."""
        if answer.status >= 500 or answer.status == 429:
            return  # of its state, not of the rule
        if answer.status != status or answer.body != _BODIES[status]:
            self._left_alone.add((collection.id, action))
            return
        if not concerns_nobody(answer.headers):
            return
        if origin is not None:
            self._origins.learn(origin, answer.headers)
        self._headers[status] = tuple(
            line
            for line in answer.headers
            if line[0].lower() not in _OF_ONE_ANSWER and not line[0].lower().startswith(_CORS)
        )

    def _keep_up(self) -> None:
        if self._version != self._book.version:
            self._version = self._book.version
            self._rules.clear()
            self._left_alone.clear()


async def _is_readable(exchange: Exchange) -> bool:
    """Whether the body is one that PocketBase reads without an error, for certain."""
    body = exchange.body
    if body is None or body.length == 0:
        return True
    types = exchange.headers.getall("Content-Type", [])
    if len(types) != 1 or types[0].partition(";")[0].strip() != "application/json":
        return False
    return body.length is not None and body.length <= MAX_BODY_BYTES and await _is_plain_object(body)


async def _is_plain_object(body: RequestBody) -> bool:
    text = b"".join([piece async for piece in body.chunks()])
    try:
        orjson.loads(text)  # strict about UTF-8 and surrogates
        value = json.loads(
            text, object_pairs_hook=_once, parse_int=_small, parse_float=_small, parse_constant=_no
        )
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Go refuses an object that has a name twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _small(text: str) -> float:
    """Go refuses numbers beyond its range."""
    if len(text) > 30 or abs(value := float(text)) > 1e300:
        raise ValueError("a number without measure")
    return value


def _no(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
