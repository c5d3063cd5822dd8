"""Do the operator's hooks object to this write? They look before PocketBase sees a byte of it.

The body is read strictly, hooks see what PocketBase will store, and what is sent is written anew from that.
Where no hook concerns a collection its writes pass as they came, byte for byte.
"""

from collections.abc import Mapping
from typing import Any, cast

from hapta.hooks.change import Action, Written, nobody
from hapta.hooks.registry import Registry
from hapta.hooks.reject import Reject, Rejected
from hapta.hooks.writes import Draft
from hapta.model.concerns import only_for
from hapta.model.errors import BodyTooLarge, HaptaError
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.records.body import RecordBody, read_record_body
from hapta.records.encode import encode
from hapta.records.errors import UnreadableBody
from hapta.records.normal import to_text
from hapta.stages.guard_batch import guard_batch
from hapta.stages.write_site import WriteSite, content_type_of, json_in, send_instead, whole_record

_NO_BODY = RecordBody("json", {}, {}, is_empty=True)


class GuardWrites:
    """The stage.

    Args:
        site: hooks and what they need.
    """

    def __init__(self, site: WriteSite) -> None:
        self._site = site

    @only_for(OperationClass.RECORD_WRITE)
    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        operation = exchange.operation
        if operation.kind is not OperationClass.RECORD_WRITE:
            return await forward(exchange)
        registry = self._site.registry()
        if not self._site.guards.has_any(registry):
            return await forward(exchange)
        if operation.action == "batch":
            return await guard_batch(self._site, registry, exchange, forward)
        collection = await self._site.collection(operation.collection or "")
        action = cast("Action", operation.action)
        if collection is None or not (
            registry.on("after_write", collection, action)
            or self._site.guards.concern(registry, collection, action)
        ):
            return await forward(exchange)
        return await self._guarded(exchange, forward, registry, collection, action)

    async def _guarded(
        self,
        exchange: Exchange,
        forward: Handler,
        registry: Registry,
        collection: Collection,
        action: Action,
    ) -> Answer:
        is_guarded = self._site.guards.concern(registry, collection, action)
        body = _NO_BODY
        if action != "delete":
            try:
                body = await read_body(exchange)
            except (UnreadableBody, BodyTooLarge):
                if is_guarded:
                    raise
                # who only watches refuses nothing; what was asked for is not known then
        try:
            approved = await self._site.guards.approve(
                registry, self._draft(exchange, collection, action, body)
            )
        except Reject as reject:
            raise Rejected(reject, action) from None
        except HaptaError:
            if is_guarded:
                raise
            return await forward(exchange)
        if is_guarded and action != "delete" and not (body.is_empty and not approved.members):
            try:
                send_instead(exchange, encode(approved.members, approved.files, body.query_members))
            except ValueError as exc:
                raise UnreadableBody from exc
        answer = await forward(exchange)
        if answer.status < 300 and (watchers := registry.on("after_write", collection, action)):
            is_shown = action != "delete"
            record = whole_record(json_in(answer), exchange.target.query) if is_shown else None
            written = Written(approved.change, record)
            self._site.watchers.tell(watchers, written, request_id=exchange.request_id)
        return answer

    def _draft(self, exchange: Exchange, collection: Collection, action: Action, body: RecordBody) -> Draft:
        record = exchange.operation.record if action != "create" else _asked_for(body.members)
        return Draft(
            collection=collection,
            action=action,
            record=record,
            members=body.members,
            files=body.files,
            query_members=body.query_members,
            caller=self._site.caller(exchange),
            address=str(exchange.client),
            request_id=exchange.request_id,
            is_in_batch=False,
            load_old=nobody if action == "create" or not record else self._site.old(collection, record),
        )


async def read_body(exchange: Exchange) -> RecordBody:
    """The body of a write.

    Raises:
        UnreadableBody, BodyTooLarge: as :func:`~hapta.records.body.read_record_body`.
    """
    content_type = content_type_of(exchange)
    if content_type is None:
        raise UnreadableBody
    return await read_record_body(exchange.body, content_type, exchange.target.query)


def _asked_for(members: Mapping[str, Any]) -> str | None:
    """The id a create asks for; PocketBase takes numbers too."""
    return to_text(members.get("id")) or None
