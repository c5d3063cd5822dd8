"""What a rule denies this caller whatever the record is, or surely allows, and how PocketBase words it.

A rule denies where it lets only superusers in, or is provably false (:mod:`hapta.filters.fold`): for this
caller, and for a guest, as whom PocketBase treats a token that died a moment ago. Hooks stand before all of
that, so there must be none; and feed and schema must be live, or the rule could be another by now.

The words of an answer are PocketBase's; so are the other header lines: the first answer of a kind is its own,
and where that is not what was expected, whoever asks leaves the collection to PocketBase.
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from hapta.cache.book import PlanBook
from hapta.cache.plan import HooksMode
from hapta.cache.stored import concerns_nobody
from hapta.filters.errors import FilterError
from hapta.filters.fold import Facts, provably, surely
from hapta.filters.nodes import Group
from hapta.filters.parser import parse
from hapta.model.exchange import Answer, Exchange, Header
from hapta.model.schema import Collection
from hapta.stages.origins import OriginMemo

STATUS: Final = b"hapta; detail=edge-refusal"
BODIES: Final = {
    status: b'{"data":{},"message":"%s","status":%d}' % (message, status)
    for status, message in (
        (400, b"Failed to create record."),
        (403, b"Only superusers can perform this action."),
        (404, b"The requested resource wasn't found."),
    )
}
_NAME = r"[A-Za-z0-9_]{1,255}"
_PLAIN = re.compile(rf"/api/collections/{_NAME}/records(?:/{_NAME})?")
"""Paths that are written in one way only."""
_CORS = b"access-control-"
_OF_ONE_ANSWER = frozenset({b"cache-status", b"content-length", b"date", b"x-request-id"})
_OF_THE_STORE = frozenset({b"age", b"cache-control", b"etag", b"vary"})


class Denial(Enum):
    """Why nobody of this kind is let in."""

    SUPERUSERS_ONLY = "superusers only"
    RULE = "the rule is false"


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


class Denials:
    """Looks at rules.

    Args:
        book: the schema of the present.
        coherence: the change feed and the schema.
        hooks_of: what hooks may do around requests to a collection.
    """

    def __init__(
        self, book: PlanBook, coherence: Coherence, *, hooks_of: Callable[[str | None], HooksMode]
    ) -> None:
        self._book = book
        self._coherence = coherence
        self._hooks_of = hooks_of
        self._version = -1
        self._rules: dict[tuple[str, str], tuple[Group, frozenset[str]] | None] = {}

    async def collection(self, exchange: Exchange) -> Collection | None:
        """What is asked about, if it is of the kind that may be answered here; the schema is confirmed if it
        can be."""
        if not _is_ordinary(exchange):
            return None
        if not self._coherence.is_live:
            await self._coherence.confirm()
        collection = self._book.schema.resolve(exchange.operation.collection or "")
        if collection is None or collection.is_system:
            return None
        return collection if self._hooks_of(collection.id) is HooksMode.NONE else None

    def is_about_nothing(self, exchange: Exchange) -> bool:
        """No collection has the name that is asked for."""
        return (
            _is_ordinary(exchange)
            and self._coherence.is_live
            and self._book.schema.resolve(exchange.operation.collection or "") is None
            and self._hooks_of(None) is HooksMode.NONE
        )

    def of(self, exchange: Exchange, collection: Collection, name: str) -> Denial | None:
        """Why a rule denies the request for certain; ``None`` where it may not, or is not certain.

        Args:
            name: such as ``listRule``.
        """
        if not self._is_present(collection, name):
            return None
        text = collection.rules[name]
        if text is None:
            return Denial.SUPERUSERS_ONLY
        rule = self._rule(collection, name, text) if text else None
        if rule is None:
            return None
        group, fields = rule
        if provably(group, Facts(fields, None)) is not False:
            return None
        if exchange.identity is not None and provably(group, self._facts(exchange, fields)) is not False:
            return None
        return Denial.RULE

    def passes(self, exchange: Exchange, collection: Collection, name: str) -> bool:
        """Whether a rule lets the request through for certain, whatever the body is.

        For who asks, as whom Hapta knows him: his token lives as surely as for a stored response.
        """
        text = collection.rules.get(name)
        if text is None or not self._is_present(collection, name):
            return False
        if not text:
            return True
        rule = self._rule(collection, name, text)
        return rule is not None and surely(rule[0], self._facts(exchange, rule[1]))

    def _is_present(self, collection: Collection, name: str) -> bool:
        present = self._book.schema.by_id.get(collection.id)
        return present is collection and name in collection.rules and self._coherence.is_live

    def _facts(self, exchange: Exchange, fields: frozenset[str]) -> Facts:
        identity = exchange.identity
        if identity is None:
            return Facts(fields, None)
        known = {"id": identity.record, "collectionId": identity.collection}
        of = self._book.schema.by_id.get(identity.collection)
        if of is not None:
            known["collectionName"] = of.name
        return Facts(fields, known)

    def _rule(self, collection: Collection, name: str, text: str) -> tuple[Group, frozenset[str]] | None:
        if self._version != self._book.version:
            self._version = self._book.version
            self._rules.clear()
        key = (collection.id, name)
        if key not in self._rules:
            try:
                fields = frozenset(str(field["name"]) for field in collection.fields)
                self._rules[key] = (parse(text), fields)
            except FilterError:
                self._rules[key] = None
        return self._rules[key]


def _is_ordinary(exchange: Exchange) -> bool:
    identity = exchange.identity
    if (identity is None) is not (exchange.authorization is None):
        return False  # an Authorization that is no token
    if identity is not None and identity.is_superuser:
        return False
    return _PLAIN.fullmatch(exchange.target.path) is not None


class Wording:
    """PocketBase's header lines, by status, of answers that are given for it.

    Args:
        book: whatever was unlike the expected may be otherwise under another schema.
        origins: CORS lines.
    """

    def __init__(self, book: PlanBook, origins: OriginMemo) -> None:
        self._book = book
        self._origins = origins
        self._headers: dict[int, tuple[Header, ...]] = {}
        self._version = -1
        self._left_alone: set[tuple[str, str]] = set()

    def is_left_alone(self, collection: str, rule: str) -> bool:
        """Whether PocketBase answered otherwise than was expected; a collection by its id."""
        if self._version != self._book.version:
            self._version = self._book.version
            self._left_alone.clear()
        return (collection, rule) in self._left_alone

    def answer(self, exchange: Exchange, status: int, body: bytes) -> Answer | None:
        """What PocketBase would say; ``None`` while it is not known how."""
        headers, cors = self._headers.get(status), self._origins.lines(exchange.headers.get("Origin"))
        if headers is None or cors is None:
            return None
        lines = [*headers, *cors, (b"Cache-Status", STATUS)]
        if exchange.method == "HEAD":
            # of an error PocketBase does not even tell the length
            length = len(body) if status < 400 else None
            return Answer(status, lines, length=length, reason="edge_refusal")
        return Answer(status, lines, body, reason="edge_refusal")

    def learn(
        self, exchange: Exchange, collection: str, rule: str, status: int, body: bytes, answer: Answer
    ) -> None:
        """See whether PocketBase says what it was expected to, and how."""
        if answer.status >= 500 or answer.status == 429 or exchange.method == "HEAD":
            return  # of its state, not of the rule; or without words
        if answer.status != status or answer.body != body:
            if answer.status != 304:
                self._left_alone.add((collection, rule))
            return
        lines = _own_lines(answer.headers)
        if not concerns_nobody(lines):
            return
        if (origin := exchange.headers.get("Origin")) is not None:
            self._origins.learn(origin, answer.headers)
        self._headers[status] = tuple(
            line
            for line in lines
            if line[0].lower() not in _OF_ONE_ANSWER and not line[0].lower().startswith(_CORS)
        )


def _own_lines(headers: list[Header]) -> list[Header]:
    """PocketBase's, where the answer came by way of the store, which sets validators and ``Vary`` anew."""
    names = {name.lower() for name, _ in headers}
    if b"etag" not in names or b"age" not in names:
        return headers
    varies = any(name.lower() == b"vary" and b"origin" in value.lower() for name, value in headers)
    lines = [line for line in headers if line[0].lower() not in _OF_THE_STORE]
    return [*lines, (b"Vary", b"Origin")] if varies else lines
