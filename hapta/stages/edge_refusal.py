"""A write that its rule provably denies is refused here: PocketBase is not asked, what is stored stays good.

Only where PocketBase's answer is surely known (:mod:`hapta.stages.denials`). It reads the body first, then
looks at the rule, then at all else (``apis/record_crud.go``; measured): so the body must be one it can read,
and the rule must deny whatever the record and the body are.
"""

from collections.abc import Callable

from hapta.model.concerns import only_for
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.stages.denials import BODIES, Coherence, Denial, Denials, Wording
from hapta.stages.plain_body import plain_body, plain_members

_RULES = {"create": "createRule", "update": "updateRule", "delete": "deleteRule"}
_DENIED = {"create": 400, "update": 404, "delete": 404}


class EdgeRefusal:
    """The stage; stands behind the limits and in front of the cache.

    Args:
        denials: what rules deny.
        wording: PocketBase's.
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

    @only_for(OperationClass.RECORD_WRITE)
    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        action = exchange.operation.action
        if exchange.operation.kind is not OperationClass.RECORD_WRITE or action not in _RULES:
            return await forward(exchange)
        collection = await self._denials.collection(exchange)
        name = _RULES[action]
        if collection is None or collection.is_view or self._denials.of(exchange, collection, name) is None:
            return await forward(exchange)
        text = await plain_body(exchange)
        if text is None or plain_members(text) is None:
            return await forward(exchange)
        # nothing is awaited from here on until it is answered
        denial = self._denials.of(exchange, collection, name)
        if denial is None or self._wording.is_left_alone(collection.id, name):
            return await forward(exchange)
        status = 403 if denial is Denial.SUPERUSERS_ONLY else _DENIED[action]
        answer = self._wording.answer(exchange, status, BODIES[status])
        if answer is None:
            answer = await forward(exchange)
            self._wording.learn(exchange, collection.id, name, status, BODIES[status], answer)
            return answer
        self._coherence.touch()
        self._on_refused(collection.id, action)
        return answer
