"""Do the operator's hooks let somebody in whom PocketBase has let in? They look before the token leaves."""

from collections.abc import Callable, Sequence

from hapta.hooks.change import Login
from hapta.hooks.registry import Hook, Registry
from hapta.hooks.reject import HookFailed, Reject, Rejected
from hapta.hooks.run import HookRunner
from hapta.model.exchange import Exchange
from hapta.model.schema import Collection
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
        collection, hooks = await self._asked(collection_id)
        if not hooks:
            return
        name = collection_id if collection is None else collection.name
        await self._ask(hooks, exchange, collection_id, name, record, method)

    async def without_token(self, exchange: Exchange, record: str | None) -> None:
        """Let the hooks look at a login whose ``fields`` leave out the token: that somebody was let in, and
        what their record holds, it tells all the same.

        Args:
            record: who logged in; ``None`` if that is left out, too.

        Raises:
            Rejected: one refuses it.
            HookFailed: there are hooks, and they cannot be told who it is.
            HaptaError: one could not decide.
        """
        operation = exchange.operation
        collection, hooks = await self._asked(operation.collection or "")
        if not hooks:
            return
        if collection is None or record is None:
            problem = "a login whose `fields` leave out token and record.id cannot be looked at"
            self._runner.blame(hooks[0], problem, exchange.request_id)
            raise HookFailed
        await self._ask(hooks, exchange, collection.id, collection.name, record, operation.action)

    async def _asked(self, name_or_id: str) -> tuple[Collection | None, Sequence[Hook]]:
        """The collection and its hooks; all hooks where it is not known."""
        registry = self._registry()
        if not registry.all_of("on_auth"):
            return None, ()
        collection = (await self._schema.confirmed()).resolve(name_or_id)
        if collection is None:
            collection = (await self._schema.confirmed(0.0)).resolve(name_or_id)
        hooks = registry.all_of("on_auth") if collection is None else registry.of("on_auth", collection)
        return collection, hooks

    async def _ask(
        self,
        hooks: Sequence[Hook],
        exchange: Exchange,
        collection_id: str,
        name: str,
        record: str,
        method: str,
    ) -> None:
        login = Login(
            collection=name,
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
