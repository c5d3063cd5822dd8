"""PocketBase's settings changed through Hapta: what Hapta needs of them is looked at before the answer."""

from collections.abc import Awaitable, Callable

from hapta.model.concerns import only_for
from hapta.model.errors import HaptaError, OperatorError
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass


def settings_watch(
    settings_may_differ: Callable[[], Awaitable[None]], on_trouble: Callable[[Exception], None]
) -> Stage:
    """After every accepted change of the settings, calls ``settings_may_differ``.

    Args:
        settings_may_differ: brings them in line, or tells the operator.
        on_trouble: told when that failed; the client's own change stands all the same.
    """

    @only_for(OperationClass.ADMIN, OperationClass.OWN)
    async def watch(exchange: Exchange, forward: Handler) -> Answer:
        answer = await forward(exchange)
        operation = exchange.operation
        is_change = operation.action == "settings" and exchange.method not in {"GET", "HEAD"}
        if is_change and answer.status < 300:
            try:
                await settings_may_differ()
            except (HaptaError, OperatorError) as exc:
                on_trouble(exc)
        return answer

    return watch
