"""A create whose body the schema refuses is refused here: PocketBase is not asked.

Only where all that PocketBase would answer is certain (:mod:`hapta.validation.checker`): the create rule
surely passes for who asks, no hooks stand around the collection, feed and schema are live, and the body is
one PocketBase can read. Updates are PocketBase's: it validates all fields of the row then, those the body
leaves alone too, and a row may be older than the rules of its fields.

What is certain was measured on one release. So each kind of refusal, a field and a code, is PocketBase's own
the first time under each schema, and where it is worded otherwise than was expected the collection is left
alone.
"""

from collections.abc import Callable

import orjson

from hapta.cache.book import PlanBook
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.stages.denials import Coherence, Denials, Wording
from hapta.stages.plain_body import plain_body, plain_members
from hapta.validation import Checker, Checkers, Refusal, body
from hapta.validation.refusal import STATUS

_RULE = "createRule"


class SchemaRefusal:
    """The stage; stands behind :class:`hapta.stages.edge_refusal.EdgeRefusal`.

    Args:
        book: the schema of the present.
        denials: what rules allow.
        wording: PocketBase's, of this stage alone.
        coherence: told that something was answered on its strength.
        on_refused: told the collection's id and the action.
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
        self._checkers = Checkers()
        self._version = -1
        self._seen: set[tuple[str, str, str]] = set()

    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        operation = exchange.operation
        if operation.kind is not OperationClass.RECORD_WRITE or operation.action != "create":
            return await forward(exchange)
        collection = await self._denials.collection(exchange)
        checker = self._checker(exchange, collection)
        if collection is None or checker is None:
            return await forward(exchange)
        text = await plain_body(exchange)
        # nothing is awaited from here on until it is answered
        refusal = None if text is None else _verdict(checker, exchange, text)
        if refusal is None or not self._denials.passes(exchange, collection, _RULE):
            return await forward(exchange)
        expected = body(refusal)
        is_seen = self._are_seen(collection, refusal)
        answer = self._wording.answer(exchange, STATUS, expected) if is_seen else None
        if answer is None:
            answer = await forward(exchange)
            self._wording.learn(exchange, collection, _RULE, STATUS, expected, answer)
            if answer.status == STATUS and answer.body == expected:
                self._see(collection, refusal)
            return answer
        self._coherence.touch()
        self._on_refused(collection.id, operation.action)
        return answer

    def _checker(self, exchange: Exchange, collection: Collection | None) -> Checker | None:
        if collection is None or self._wording.is_left_alone(collection, _RULE):
            return None
        if not self._denials.passes(exchange, collection, _RULE):
            return None
        return self._checkers.of(collection)

    def _are_seen(self, collection: Collection, refusal: Refusal) -> bool:
        if self._version != self._book.version:
            self._version = self._book.version
            self._seen.clear()
        return all((collection.id, *kind) in self._seen for kind in refusal.kinds())

    def _see(self, collection: Collection, refusal: Refusal) -> None:
        # of another schema than the request was judged by it proves nothing
        if self._version == self._book.version and self._book.schema.by_id.get(collection.id) is collection:
            self._seen.update((collection.id, *kind) for kind in refusal.kinds())


def _verdict(checker: Checker, exchange: Exchange, text: bytes) -> Refusal | None:
    """A loose look first, which is all that a body in order costs, then one as strict as Go's."""
    identity = exchange.identity
    caller = None if identity is None else (identity.collection, identity.record)
    try:
        loose = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        return None
    if not isinstance(loose, dict) or checker.verdict(loose, caller=caller) is None:
        return None
    members = plain_members(text)
    return None if members is None else checker.verdict(members, caller=caller)
