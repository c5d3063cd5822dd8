"""A password or an e-mail that is set by way of a mailed link is set like any other: those who check the
fields of the collection (``validate``) look at it. Who may set it is PocketBase's matter: the link says who.

Transforms do not run, for what they would change cannot be put into these requests; so the permissions of
``[validate]``, which are one, do not stand in the way of a forgotten password.
"""

from collections.abc import Mapping
from typing import Any, Final

from hapta.hooks.change import Caller, Change, nobody
from hapta.hooks.reject import Reject, Rejected
from hapta.identity.proof import unverified_claims
from hapta.model.concerns import only_for
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.records.errors import UnreadableBody
from hapta.records.names import member_name
from hapta.stages.guard_writes import read_body
from hapta.stages.write_site import WriteSite

_SETS: Final = {
    "confirm-password-reset": ("password", "password"),
    "request-email-change": ("newEmail", "email"),
}
"""By action: the member that brings the value, and the field it is for. The link that confirms an e-mail
holds the one it was requested for, signed by PocketBase."""


class GuardCredentials:
    """The stage.

    Args:
        site: hooks and what they need.
    """

    def __init__(self, site: WriteSite) -> None:
        self._site = site

    @only_for(OperationClass.AUTH_ACTION, OperationClass.OWN)
    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        found = _SETS.get(exchange.operation.action)
        if found is None:
            return await forward(exchange)
        registry = self._site.registry()
        if not registry.all_of("validate"):
            return await forward(exchange)
        collection = await self._site.collection(exchange.operation.collection or "")
        hooks = () if collection is None else registry.on("validate", collection, "update")
        if collection is None or not hooks:
            return await forward(exchange)
        member, field = found
        members = (await read_body(exchange)).members
        value = _only(members, member)
        if not isinstance(value, str):
            return await forward(exchange)  # PocketBase refuses it
        change = self._change(exchange, collection, _only(members, "token"), {field: value})
        for hook in hooks:
            try:
                await self._site.guards.runner.guard(hook, change, request_id=exchange.request_id)
            except Reject as reject:
                raise Rejected(_named(reject, field, member), "auth") from None
        return await forward(exchange)

    def _change(
        self, exchange: Exchange, collection: Collection, token: Any, fields: Mapping[str, Any]
    ) -> Change:
        caller: Caller | None = self._site.caller(exchange)
        record = None if exchange.identity is None else exchange.identity.record
        if isinstance(token, str):
            named = (unverified_claims(token) or {}).get("id")  # if it is forged, PocketBase refuses it
            record = named if isinstance(named, str) else None
        return Change(
            action="update",
            collection=collection.name,
            id=record,
            fields=fields,
            caller=caller,
            address=str(exchange.client),
            request_id=exchange.request_id,
            load_old=nobody if record is None else self._site.old(collection, record),
        )


def _only(members: Mapping[str, Any], name: str) -> Any:
    """The member that PocketBase takes for this one.

    Raises:
        UnreadableBody: it is not certain which.
    """
    alike = [member for member in members if member_name(member) == member_name(name)]
    if alike not in ([], [name]):
        raise UnreadableBody
    return members.get(name)


def _named(reject: Reject, field: str, member: str) -> Reject:
    """The same, blaming the member by the name it was sent under."""
    errors = {member if name == field else name: error for name, error in reject.errors.items()}
    return Reject.of_fields(errors, status=reject.status) if errors else reject
