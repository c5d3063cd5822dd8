"""A create whose body the schema refuses is refused here: PocketBase is not asked. So is a write to a
collection that does not exist.

Only where all that PocketBase would answer is certain (:mod:`hapta.validation.checker`): the create rule
surely passes for who asks, no hooks stand around the collection, feed and schema are live, and the body is
one PocketBase can read. Updates are PocketBase's: it validates all fields of the row then, those the body
leaves alone too, and a row may be older than the rules of its fields.

What is certain was measured on one release. So each kind of refusal, a field and a code, is PocketBase's own
the first time for each state of the collection, and where that is worded otherwise than was expected the
collection is left alone.
"""

from collections.abc import Callable
from typing import Final

import orjson

from hapta.model.concerns import only_for
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.stages.denials import Coherence, Denials, Wording
from hapta.stages.plain_body import plain_body, plain_members
from hapta.validation import Checker, Checkers, Refusal, body
from hapta.validation.refusal import STATUS

_RULE: Final = "createRule"
_ACTIONS: Final = frozenset({"create", "update"})
_MOST_COLLECTIONS: Final = 1_000
_NO_COLLECTION: Final = b'{"data":{},"message":"Missing or invalid collection context.","status":404}'
"""What is said of a collection that is not there before anything else is looked at."""


class SchemaRefusal:
    """The stage; stands behind :class:`hapta.stages.edge_refusal.EdgeRefusal`.

    Args:
        denials: what rules allow.
        wording: PocketBase's, of this stage alone.
        coherence: told that something was answered on its strength.
        on_refused: told the collection's id and the action.
    """

    def __init__(
        self,
        denials: Denials,
        wording: Wording,
        coherence: Coherence,
        *,
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._denials = denials
        self._wording = wording
        self._coherence = coherence
        self._on_refused = on_refused
        self._checkers = Checkers()
        self._seen: dict[str, tuple[Collection, set[tuple[str, str]]]] = {}

    @only_for(OperationClass.RECORD_WRITE)
    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        operation = exchange.operation
        if operation.kind is not OperationClass.RECORD_WRITE or operation.action not in _ACTIONS:
            return await forward(exchange)
        collection = await self._denials.collection(exchange)
        if collection is None:
            return await self._about_nothing(exchange, forward)
        if operation.action != "create" or (checker := self._checker(exchange, collection)) is None:
            return await forward(exchange)
        text = await plain_body(exchange)
        # nothing is awaited from here on until it is answered
        refusal = None if text is None else _verdict(checker, exchange, text)
        if refusal is None or not self._denials.passes(exchange, collection, _RULE):
            return await forward(exchange)
        expected = body(refusal)
        seen, kinds = self._seen_of(collection), refusal.kinds()
        answer = self._wording.answer(exchange, STATUS, expected) if seen.issuperset(kinds) else None
        if answer is None:
            answer = await forward(exchange)
            if isinstance(answer.body, bytes):  # one that comes in pieces tells nothing yet
                self._wording.learn(exchange, collection.id, _RULE, STATUS, expected, answer)
            if answer.status == STATUS and answer.body == expected:
                seen.update(kinds)
            return answer
        return self._refused(exchange, collection.id, answer)

    async def _about_nothing(self, exchange: Exchange, forward: Handler) -> Answer:
        if not self._denials.is_about_nothing(exchange) or self._wording.is_left_alone("", _RULE):
            return await forward(exchange)
        answer = self._wording.answer(exchange, 404, _NO_COLLECTION)
        if answer is None:
            answer = await forward(exchange)
            self._wording.learn(exchange, "", _RULE, 404, _NO_COLLECTION, answer)
            return answer
        return self._refused(exchange, "", answer)

    def _refused(self, exchange: Exchange, collection: str, answer: Answer) -> Answer:
        self._coherence.touch()
        self._on_refused(collection, exchange.operation.action)
        return answer

    def _checker(self, exchange: Exchange, collection: Collection) -> Checker | None:
        if self._wording.is_left_alone(collection.id, _RULE):
            return None
        if not self._denials.passes(exchange, collection, _RULE):
            return None
        return self._checkers.of(collection)

    def _seen_of(self, collection: Collection) -> set[tuple[str, str]]:
        known, kinds = self._seen.get(collection.id, (None, set()))
        if known is not collection:
            if known != collection:
                kinds = set()
            if len(self._seen) >= _MOST_COLLECTIONS:
                self._seen.clear()
            self._seen[collection.id] = (collection, kinds)
        return kinds


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
