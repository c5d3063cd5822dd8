"""Do the operator's hooks let somebody in whom PocketBase has let in? They look before the token leaves."""

from collections.abc import Callable

from hapta.hooks.change import Login
from hapta.hooks.registry import Registry
from hapta.hooks.reject import Reject, Rejected
from hapta.hooks.run import HookRunner
from hapta.model.exchange import Exchange
from hapta.stages.asked_records import Superuser, record_loader
from hapta.stages.write_site import SchemaSource


class Admission:
    """Runs ``on_auth`` hooks.

    Args:
        registry: the hooks of now.
    """

    def __init__(
        self,
        registry: Callable[[], Registry],
        runner: HookRunner,
        schema: SchemaSource,
        superuser: Superuser,
    ) -> None:
        self._registry = registry
        self._runner = runner
        self._schema = schema
        self._superuser = superuser

    async def __call__(self, exchange: Exchange, collection_id: str, record: str, method: str) -> None:
        """Let the hooks look at a login.

        Args:
            method: as of :class:`~hapta.hooks.change.Login`.

        Raises:
            Rejected: one refuses it.
            HaptaError: one could not decide.
        """
        registry = self._registry()
        if not registry.all_of("on_auth"):
            return
        collection = (await self._schema.confirmed()).by_id.get(collection_id)
        if collection is None:
            collection = (await self._schema.confirmed(0.0)).by_id.get(collection_id)
        hooks = registry.all_of("on_auth") if collection is None else registry.of("on_auth", collection)
        if not hooks:
            return
        login = Login(
            collection=collection_id if collection is None else collection.name,
            id=record,
            method=method,
            address=str(exchange.client),
            device=exchange.headers.get("User-Agent", ""),
            request_id=exchange.request_id,
            load=record_loader(self._superuser, collection_id, record),
        )
        for hook in hooks:
            try:
                await self._runner.guard(hook, login, request_id=exchange.request_id)
            except Reject as reject:
                raise Rejected(reject, "auth") from None
