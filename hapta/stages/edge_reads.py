"""A read that its rule provably denies is answered here: PocketBase is not asked.

Where only superusers are let in PocketBase says so before it looks at anything else (403). A rule that is
false for this caller (:mod:`hapta.stages.denials`) leaves no row: a view is not found, and a list is a page
without rows. Such a list is still PocketBase's to refuse where the client's filter, sort or paging is not in
order, so only what the planner reads without complaint is answered here, and nothing with a ``fields`` list.

PocketBase holds empty lists back for a random moment, against guessing by time what is in rows that one may
not see (``apis/record_crud.go``). An answer from here takes as long whatever the rows are, for they are not
looked at: that is one oracle less, not one more.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from hapta.cache.book import PlanBook
from hapta.cache.paging import Paging, parse_paging
from hapta.cache.plan import Bypass
from hapta.cache.query import parse_query
from hapta.model.concerns import only_for
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.stages.denials import BODIES, Coherence, Denial, Denials, Wording

_RULES: Final = {"list": "listRule", "view": "viewRule"}


class EdgeReads:
    """The stage; stands behind the limits and in front of the cache.

    Args:
        book: plans.
        denials: what rules deny.
        wording: PocketBase's.
        coherence: told that something was answered on its strength.
        on_refused: told the collection's id and ``list`` or ``view``.
    """

    def __init__(
        self,
        book: PlanBook,
        denials: Denials,
        wording: Wording,
        coherence: Coherence,
        *,
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._book = book
        self._denials = denials
        self._wording = wording
        self._coherence = coherence
        self._on_refused = on_refused

    @only_for(OperationClass.RECORD_READ)
    def __call__(self, exchange: Exchange, forward: Handler) -> Awaitable[Answer]:
        """Answer one request."""
        operation = exchange.operation
        if operation.kind is not OperationClass.RECORD_READ or exchange.body is not None:
            return forward(exchange)
        action = "list" if operation.record is None else "view"
        asked = self._book.schema.resolve(operation.collection or "")
        if asked is None or asked.rules.get(_RULES[action]) == "":  # most reads
            return forward(exchange)
        return self._look(exchange, forward, action)

    async def _look(self, exchange: Exchange, forward: Handler, action: str) -> Answer:
        name = _RULES[action]
        collection = await self._denials.collection(exchange)
        if collection is None:
            return await forward(exchange)
        # nothing is awaited from here on until it is answered
        denial = self._denials.of(exchange, collection, name)
        if denial is None or self._wording.is_left_alone(collection.id, name):
            return await forward(exchange)
        expected = self._expected(exchange, collection, denial)
        if expected is None:
            return await forward(exchange)
        status, body = expected
        answer = self._wording.answer(exchange, status, body)
        if answer is None:
            answer = await forward(exchange)
            self._wording.learn(exchange, collection.id, name, status, body, answer)
            return answer
        self._coherence.touch()
        self._on_refused(collection.id, action)
        return answer

    def _expected(
        self, exchange: Exchange, collection: Collection, denial: Denial
    ) -> tuple[int, bytes] | None:
        """Status and body PocketBase would answer; ``None`` where that is not certain."""
        if denial is Denial.SUPERUSERS_ONLY:
            return 403, BODIES[403]
        identity = exchange.identity
        audience = None if identity is None else identity.collection
        query = parse_query(exchange.target.query)
        if query is None or not query.is_plain or "fields" in query.values:
            return None
        if isinstance(self._book.plan(exchange.target, exchange.operation, audience), Bypass):
            return None
        if exchange.operation.record is not None:
            return 404, BODIES[404]
        paging = parse_paging(query.values)
        return None if paging is None else (200, _empty(paging))


def _empty(paging: Paging) -> bytes:
    count = -1 if paging.skips_total else 0
    return b'{"items":[],"page":%d,"perPage":%d,"totalItems":%d,"totalPages":%d}' % (
        *(paging.page, paging.per_page),
        *(count, count),
    )
