"""The stages in order, folded into one handler.

A request goes through them from the first to the last, its answer comes back the other way. A stage is one
function ``stage(exchange, forward) -> Awaitable[Answer]``: it answers by itself, or awaits ``forward``.

A stage that does nothing still costs half a microsecond, and most stages do nothing for most requests: what
concerns a read of records is a third of them. So each stage forwards to the next one that is concerned
(:mod:`hapta.model.concerns`), which is looked up by the class of the request it forwards: one that forwards
another request than it was given reaches what concerns that one.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeAlias

from hapta.model.concerns import concerned_kinds
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass

_Way: TypeAlias = tuple[Stage, Handler]
"""A stage, and what it forwards to."""


def fold(stages: Sequence[Stage], last: Handler) -> Handler:
    """One handler out of ``stages``, the first outermost, and ``last``, which always answers."""

    def answer(exchange: Exchange, forward: Handler) -> Awaitable[Answer]:
        del forward
        return last(exchange)

    ways: Mapping[OperationClass, _Way] = dict.fromkeys(OperationClass, (answer, last))
    for stage in reversed(stages):
        here, concerned = (stage, _by_class(ways)), concerned_kinds(stage)
        ways = {kind: here if kind in concerned else way for kind, way in ways.items()}
    return _by_class(ways)


def _by_class(ways: Mapping[OperationClass, _Way]) -> Handler:
    def forward(exchange: Exchange) -> Awaitable[Answer]:
        stage, further = ways[exchange.operation.kind]
        return stage(exchange, further)

    return forward
