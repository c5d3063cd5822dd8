"""What a client may not read it may not filter or sort by either: PocketBase's refusal of a hidden field.

By which rows come, and in which order, a field's values could be found out without ever being shown. Stands
in front of the cache. Rules of the operator may read what they like.
"""

from collections.abc import Awaitable

from cachetools import LRUCache

from hapta.cache.named import Named, NotCertain, named_in_filter, named_in_sort
from hapta.cache.query import parse_query
from hapta.model.concerns import only_for
from hapta.model.errors import BadRequest, HaptaError
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.stages.reach import Reach
from hapta.stages.shaper import Shaper
from hapta.stages.viewers import Freshness, Who

_REMEMBERED = 512


class NotForYou(BadRequest):
    """A filter or sort names what is hidden; PocketBase's own words."""

    code, message = "hidden_field", "Something went wrong while processing your request."


class Readable:
    """Decides whether somebody may filter and sort like this.

    Args:
        shaper: asks the hooks.
        reach: where paths may lead.
    """

    def __init__(self, shaper: Shaper, reach: Reach) -> None:
        self._shaper = shaper
        self._reach = reach
        self._named: LRUCache[tuple[str, str, str], frozenset[Named] | None] = LRUCache(_REMEMBERED)
        self._moment = (0, 0)

    async def may_ask(
        self, collection: Collection, filter_: str, sort: str, who: Who, request_id: str = ""
    ) -> bool:
        """Whether all that is named may be read of every row.

        Raises:
            HookFailed: a hook did not say.
        """
        if not (filter_ or sort) or who.is_superuser or not self._reach.leads_to_guarded(collection):
            return True
        named = self._names(collection, filter_, sort)
        return named is not None and not await self._shaper.unreadable(who, named, request_id)

    def _names(self, collection: Collection, filter_: str, sort: str) -> frozenset[Named] | None:
        moment = self._shaper.moment
        if moment != self._moment:
            self._moment = moment
            self._named.clear()
        key = (collection.id, filter_, sort)
        if key not in self._named:
            lookup, named = self._shaper.lookup, frozenset[Named]()
            try:
                if filter_:
                    named |= named_in_filter(lookup, collection, filter_)
                if sort:
                    named |= named_in_sort(lookup, collection, sort)
            except NotCertain:
                self._named[key] = None
            else:
                self._named[key] = named
        return self._named[key]


class AskOnlyReadable:
    """The stage.

    Args:
        freshness: confirms the schema.
    """

    def __init__(self, shaper: Shaper, reach: Reach, readable: Readable, freshness: Freshness) -> None:
        self._shaper = shaper
        self._reach = reach
        self._readable = readable
        self._freshness = freshness

    @only_for(OperationClass.RECORD_READ)
    def __call__(self, exchange: Exchange, forward: Handler) -> Awaitable[Answer]:
        """Answer one request.

        Raises:
            NotForYou: it names what its client may not read.
        """
        operation, identity = exchange.operation, exchange.identity
        is_list = operation.kind is OperationClass.RECORD_READ and operation.action == "list"
        if not is_list or not exchange.target.query or self._shaper.is_idle:
            return forward(exchange)
        if identity is not None and identity.is_superuser:
            return forward(exchange)
        return self._ask(exchange, forward)

    async def _ask(self, exchange: Exchange, forward: Handler) -> Answer:
        operation, identity = exchange.operation, exchange.identity
        if not self._freshness.is_live:
            await self._freshness.confirm()
        collection = self._shaper.lookup.resolve(operation.collection or "")
        if collection is None:
            return await forward(exchange)  # whatever rows come of it are not sent
        query = parse_query(exchange.target.query)
        if query is None:
            if self._reach.leads_to_guarded(collection):
                raise NotForYou
            return await forward(exchange)
        if self._reach.leads_to_guarded(collection):
            exchange.is_repeatable = False
        filter_, sort = query.values.get("filter", ""), query.values.get("sort", "")
        try:
            may_ask = await self._readable.may_ask(
                collection, filter_, sort, Who.of(identity), exchange.request_id
            )
        except HaptaError as error:
            self._shaper.tell(error, f"a list of {collection.name}", exchange.request_id)
            raise
        if not may_ask:
            raise NotForYou
        return await forward(exchange)
