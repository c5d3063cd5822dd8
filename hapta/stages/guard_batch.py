"""The hooks of a batch: its requests are looked at one after the other, each seeing what those before it will
have done. One refusal refuses all of it before PocketBase sees any, in the form PocketBase has for that.

An upsert is sent as what it was looked at as: with another write in between, PocketBase would make a create
of what was looked at as an update, or the other way round.
"""

import re
from dataclasses import replace
from typing import cast

from hapta.hooks.change import Action, Change, Load, Record, Written, nobody
from hapta.hooks.registry import Registry
from hapta.hooks.reject import Reject, Rejected
from hapta.hooks.writes import Draft
from hapta.model.errors import HaptaError, NotFound
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import SubOperation, classify_sub_request
from hapta.model.schema import Collection
from hapta.records.batch import SubRequest, encode_batch, read_batch_body
from hapta.records.errors import UnreadableBatch
from hapta.records.normal import to_text
from hapta.records.resolve import untouched
from hapta.stages.batch import batch_requests
from hapta.stages.write_site import WriteSite, content_type_of, json_in, send_instead, whole_record

_PLAIN_ID = re.compile(r"[A-Za-z0-9_.~-]+")


class BatchRejected(HaptaError):
    """A hook refused a request of a batch, and with it the batch (``apis/batch.go``)."""

    status, code, message = 400, "hook_rejected", "Batch transaction failed."

    def __init__(self, index: int, refusal: HaptaError) -> None:
        super().__init__()
        response = {"data": refusal.data, "message": refusal.message, "status": refusal.status}
        words = {"code": "batch_request_failed", "message": "Batch request failed.", "response": response}
        self.data = {"requests": {str(index): words}}


async def guard_batch(site: WriteSite, registry: Registry, exchange: Exchange, forward: Handler) -> Answer:
    """Answer a batch."""
    if not await _is_concerned(site, registry, exchange):
        return await forward(exchange)
    content_type = content_type_of(exchange)
    if content_type is None:
        raise UnreadableBatch
    try:
        requests = await read_batch_body(exchange.body, content_type, exchange.target.query)
    except HaptaError:
        if await _is_concerned(site, registry, exchange, is_about_guards=True):
            raise
        return await forward(exchange)  # who only watches refuses nothing
    writes = _Writes(site, registry, exchange)
    sent = [await writes.take(index, request) for index, request in enumerate(requests)]
    if writes.is_guarded:
        try:
            send_instead(exchange, encode_batch(sent))
        except ValueError as exc:
            raise UnreadableBatch from exc
    answer = await forward(exchange)
    if answer.status < 300:
        _tell(site, registry, writes.changes, answer, exchange.request_id)
    return answer


async def _is_concerned(
    site: WriteSite, registry: Registry, exchange: Exchange, *, is_about_guards: bool = False
) -> bool:
    concern = site.guards.guard_any if is_about_guards else site.guards.concern_any
    for request in await batch_requests(exchange):
        operation = classify_sub_request(str(request.get("method")), str(request.get("url")))
        if operation is None:
            return True  # PocketBase refuses it, or a newer one knows more than the guards do
        collection = await site.collection(operation.collection)
        if collection is not None and concern(registry, collection):
            return True
    return False


class _Writes:
    """The writes of one batch; rows that earlier ones touch are seen as they will be then."""

    def __init__(self, site: WriteSite, registry: Registry, exchange: Exchange) -> None:
        self._site = site
        self._registry = registry
        self._exchange = exchange
        self._caller = site.caller(exchange)
        self._rows: dict[tuple[str, str], Load] = {}
        self.changes: list[tuple[int, str, Collection, Change]] = []
        self.is_guarded = False

    async def take(self, index: int, request: SubRequest) -> SubRequest:
        """The request as it is to be sent.

        Raises:
            BatchRejected: a hook refuses it.
            HaptaError: one could not decide.
        """
        operation = classify_sub_request(request.method, request.url)
        if operation is None:
            raise UnreadableBatch
        collection = await self._site.collection(operation.collection)
        if collection is None or not self._site.guards.concern_any(self._registry, collection):
            return request
        record = operation.record or to_text(request.members.get("id")) or None
        before = self._load(collection, record)
        action = await _action(operation, record, before)
        draft = Draft(
            collection=collection,
            action=action,
            record=record,
            members=request.members,
            files=request.files,
            query_members=request.query_members,
            caller=self._caller,
            address=str(self._exchange.client),
            request_id=self._exchange.request_id,
            is_in_batch=True,
            load_old=nobody if action == "create" else before,
        )
        try:
            approved = await self._site.guards.approve(self._registry, draft)
        except Reject as reject:
            raise BatchRejected(index, Rejected(reject, action)) from None
        except NotFound as error:
            raise BatchRejected(index, error) from None
        query = request.url.partition("?")[2]
        self.changes.append((index, query, collection, approved.change))
        if record is not None:
            self._rows[collection.id, record] = (
                nobody if action == "delete" else _over(draft, approved.change)
            )
        if not any(self._site.guards.concern(self._registry, collection, one) for one in _ways(operation)):
            return request
        self.is_guarded = True
        return replace(
            _as_looked_at(request, operation, action, record), members=approved.members, files=approved.files
        )

    def _load(self, collection: Collection, record: str | None) -> Load:
        if record is None:
            return nobody
        return self._rows.get((collection.id, record)) or self._site.old(collection, record)


def _over(draft: Draft, change: Change) -> Load:
    async def load() -> Record | None:
        before = untouched(draft.collection) if draft.action == "create" else await draft.load_old() or {}
        named = {} if change.id is None else {"id": change.id}
        return {**before, **change.fields, **named}

    return load


def _ways(operation: SubOperation) -> tuple[str, ...]:
    """The actions PocketBase may take it for, in which a body counts."""
    if operation.action == "upsert":
        return "create", "update"
    return () if operation.action == "delete" else (operation.action,)


def _as_looked_at(
    request: SubRequest, operation: SubOperation, action: Action, record: str | None
) -> SubRequest:
    if operation.action != "upsert":
        return request
    if action == "create":
        return replace(request, method="POST")
    if record is None or not _PLAIN_ID.fullmatch(record):
        raise UnreadableBatch  # no id for a URL
    path, mark, query = request.url.partition("?")
    return replace(request, method="PATCH", url=f"{path}/{record}{mark}{query}")


async def _action(operation: SubOperation, record: str | None, before: Load) -> Action:
    if operation.action != "upsert":
        return cast("Action", operation.action)
    return "update" if record and await before() is not None else "create"


def _tell(
    site: WriteSite,
    registry: Registry,
    changes: list[tuple[int, str, Collection, Change]],
    answer: Answer,
    request_id: str,
) -> None:
    shown = json_in(answer)
    answers = shown if isinstance(shown, list) else []
    for index, query, collection, change in changes:
        watchers = registry.on("after_write", collection, change.action)
        if not watchers:
            continue
        one = answers[index] if index < len(answers) and isinstance(answers[index], dict) else {}
        is_shown = change.action != "delete"
        record = whole_record(one.get("body"), query) if is_shown else None
        site.watchers.tell(watchers, Written(change, record), request_id=request_id)
