"""A write that its rule provably denies is refused here: PocketBase is not asked, what is stored stays good.

Only where PocketBase's answer is surely known (:mod:`hapta.stages.denials`). It reads the body first, then
looks at the rule, then at all else (``apis/record_crud.go``; measured): so the body must be one it can read,
and the rule must deny whatever the record and the body are.
"""

from collections.abc import Callable
from typing import Final

from hapta.model.exchange import Answer, Exchange, Handler, RequestBody
from hapta.model.operation import OperationClass
from hapta.records import strict_json
from hapta.stages.denials import BODIES, Coherence, Denial, Denials, Wording

MAX_BODY_BYTES: Final = 16 * 1024
"""A longer body is not read here to save PocketBase from reading it."""
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

    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        action = exchange.operation.action
        if exchange.operation.kind is not OperationClass.RECORD_WRITE or action not in _RULES:
            return await forward(exchange)
        collection = await self._denials.collection(exchange)
        if collection is None or collection.is_view or not await _is_readable(exchange):
            return await forward(exchange)
        # nothing is awaited from here on until it is answered
        name = _RULES[action]
        denial = self._denials.of(exchange, collection, name)
        if denial is None or self._wording.is_left_alone(collection, name):
            return await forward(exchange)
        status = 403 if denial is Denial.SUPERUSERS_ONLY else _DENIED[action]
        answer = self._wording.answer(exchange, status, BODIES[status])
        if answer is None:
            answer = await forward(exchange)
            self._wording.learn(exchange, collection, name, status, BODIES[status], answer)
            return answer
        self._coherence.touch()
        self._on_refused(collection.id, action)
        return answer


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
        return isinstance(strict_json.parse(text), dict)
    except ValueError:
        return False
