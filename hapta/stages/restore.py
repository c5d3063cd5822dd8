"""Restores of backups pass a fence: see :mod:`hapta.identity.restore`."""

from hapta.identity.restore import RestoreFence
from hapta.model.concerns import only_for
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass


def fence_restores(fence: RestoreFence) -> Stage:
    """Raises the fence before a restore is passed on, and lowers it when PocketBase refuses.

    Args:
        fence: settled by the change feed, once PocketBase is back.
    """

    @only_for(OperationClass.ADMIN, OperationClass.OWN)
    async def stage(exchange: Exchange, forward: Handler) -> Answer:
        if exchange.operation.action != "restore" or exchange.method != "POST":
            return await forward(exchange)
        await fence.raise_fence()
        answer = await forward(exchange)
        if answer.status >= 400:
            fence.lower_fence()
        return answer

    return stage
