"""The stages in order, folded into one handler.

A request goes through them from the first to the last, its answer comes back the other way. A stage is one
function ``async def stage(exchange, forward) -> Answer``: it answers by itself, or awaits ``forward``.
"""

from collections.abc import Sequence

from hapta.model.exchange import Answer, Exchange, Handler, Stage


def fold(stages: Sequence[Stage], last: Handler) -> Handler:
    """One handler out of ``stages``, the first outermost, and ``last``, which always answers."""
    handler = last
    for stage in reversed(stages):
        handler = _bind(stage, handler)
    return handler


def _bind(stage: Stage, forward: Handler) -> Handler:
    async def handler(exchange: Exchange) -> Answer:
        return await stage(exchange, forward)

    return handler
