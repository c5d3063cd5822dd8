"""A login with OAuth2 may make an account of the client's ``createData``: its hooks look at that like at any
create. Whether PocketBase will make one is not known here, so without ``createData`` nothing is looked at.

PocketBase binds the body to a struct, with whose members' names it is generous (:mod:`hapta.records.names`);
what could be read in two ways is refused where somebody guards the collection.
"""

from collections.abc import Mapping

from hapta.hooks.change import nobody
from hapta.hooks.reject import Reject, Rejected
from hapta.hooks.writes import Draft
from hapta.model.concerns import only_for
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.records.body import RecordBody
from hapta.records.encode import encode
from hapta.records.errors import UnreadableBody
from hapta.records.names import member_name
from hapta.stages.guard_writes import read_body
from hapta.stages.write_site import WriteSite, send_instead

_NAME = "createData"


class GuardOAuth2:
    """The stage.

    Args:
        site: hooks and what they need.
    """

    def __init__(self, site: WriteSite) -> None:
        self._site = site

    @only_for(OperationClass.AUTH_ANSWER, OperationClass.OWN)
    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        if exchange.operation.action != "auth-with-oauth2":
            return await forward(exchange)
        registry = self._site.registry()
        if not self._site.guards.has_any(registry):
            return await forward(exchange)
        collection = await self._site.collection(exchange.operation.collection or "")
        if collection is None or not self._site.guards.concern(registry, collection, "create"):
            return await forward(exchange)
        body = await read_body(exchange)
        data = _create_data(body)
        if not data:
            return await forward(exchange)
        draft = Draft(
            collection=collection,
            action="create",
            record=None,
            members=data,
            files={},
            query_members={},
            caller=self._site.caller(exchange),
            address=str(exchange.client),
            request_id=exchange.request_id,
            is_in_batch=False,
            load_old=nobody,
        )
        try:
            approved = await self._site.guards.approve(registry, draft)
        except Reject as reject:
            raise Rejected(reject, "auth") from None
        send_instead(exchange, encode({**body.members, _NAME: dict(approved.members)}, {}))
        return await forward(exchange)


def _create_data(body: RecordBody) -> Mapping[str, object]:
    names = [name for name in body.members if member_name(name).startswith(member_name(_NAME))]
    if not names:
        return {}
    data = body.members[names[0]]
    if body.kind != "json" or names != [_NAME] or not (data is None or isinstance(data, Mapping)):
        raise UnreadableBody
    return data or {}
