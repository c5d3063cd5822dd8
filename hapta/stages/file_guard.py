"""A file of a field that its client may not read is not there: 404, in PocketBase's words.

Stands in front of the cache of files. Which field holds a name only its row tells; PocketBase is asked for
that, with superuser rights, and its word kept until the row may have changed. Of file tokens only those count
that Hapta has sealed itself: PocketBase does not say whether it took one, and where a rule lets guests in it
serves the file for a forged one too.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, quote

from cachetools import LRUCache

from hapta.cache.generations import Fence, Generations
from hapta.cache.tags import EVERYTHING, all_rows, record
from hapta.identity.proof import unverified_claims
from hapta.model.clock import Clock
from hapta.model.concerns import only_for
from hapta.model.errors import HaptaError, NotFound, OperatorError, UpstreamUnavailable
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.sessions.seal import is_file_token
from hapta.stages.shaper import Shaper, ShownRow
from hapta.stages.viewers import GUEST, CannotShape, Freshness, Viewers, Who

_REMEMBERED: Final = 1024
_MAX_FIELDS: Final = 64
"""Of a row that is kept."""
_MAX_VALUE: Final = 4096

Values = Mapping[str, Any]


class Superuser(Protocol):
    """Asks PocketBase; :class:`hapta.upstream.superuser.SuperuserClient` is one."""

    async def request(self, method: str, path: str) -> tuple[int, Any]:
        """Status and parsed body."""


class FileGuard:
    """The stage.

    Args:
        shaper: asks the hooks.
        viewers: what these get.
        superuser: asks PocketBase for rows.
        generations: tells when a row may have changed.
        freshness: whether that is heard of.
        clock: wall time.
    """

    def __init__(
        self,
        shaper: Shaper,
        viewers: Viewers,
        superuser: Superuser,
        generations: Generations,
        freshness: Freshness,
        clock: Clock,
    ) -> None:
        self._shaper = shaper
        self._viewers = viewers
        self._superuser = superuser
        self._generations = generations
        self._freshness = freshness
        self._clock = clock
        self._rows: LRUCache[tuple[str, str], tuple[Values, Fence]] = LRUCache(_REMEMBERED)

    @only_for(OperationClass.FILE)
    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request.

        Raises:
            NotFound: its client may not read the field.
        """
        operation = exchange.operation
        if operation.kind is not OperationClass.FILE or self._shaper.is_idle:
            return await forward(exchange)
        self._freshness.touch()
        if not self._freshness.is_live:
            await self._freshness.confirm()
        collection = self._shaper.lookup.resolve(operation.collection or "")
        if collection is None:
            raise NotFound
        files = [str(each["name"]) for each in collection.fields if each.get("type") == "file"]
        is_guarded = any(self._shaper.guards_of(collection, field) for field in files)
        if is_guarded and not await self._may_read(exchange, collection):
            raise NotFound
        return await forward(exchange)

    async def _may_read(self, exchange: Exchange, collection: Collection) -> bool:
        identity = exchange.identity
        if identity is not None and identity.is_superuser:
            return True
        record_id, name = exchange.operation.record or "", exchange.target.segments[-1]
        try:
            row = await self._row(collection, record_id, name)
            field = None if row is None else self._field_of(collection, row, name)
            if row is None or field is None:
                return False
            who = Who.of(identity) if identity is not None else self._who_by_token(exchange)
            if who.is_superuser:
                return True
            hooks = self._shaper.guards_of(collection, str(field["name"]))
            for hook, viewer in await self._viewers.views(who, hooks):
                seen = ShownRow(collection, row)
                if not await self._shaper.may_read(hook, viewer, seen, exchange.request_id):
                    return False
        except HaptaError as error:
            self._shaper.tell(error, f"a file of {collection.name}", exchange.request_id)
            raise
        return True

    async def _row(self, collection: Collection, record_id: str, name: str) -> Values | None:
        """The row whose file it is; ``None`` if it has none of this name."""
        key = (collection.id, record_id)
        kept = self._rows.get(key)
        if (
            kept is not None
            and self._freshness.is_live
            and kept[1].holds()
            and self._field_of(collection, kept[0], name) is not None
        ):
            return kept[0]
        fence = None
        if not collection.is_view:  # nothing is heard of changes of its rows
            fence = self._generations.fence((record(*key), all_rows(collection.id), EVERYTHING))
        path = f"/api/collections/{quote(collection.id, safe='')}/records/{quote(record_id, safe='')}"
        try:
            status, found = await self._superuser.request("GET", path)
        except (OperatorError, TimeoutError):
            raise UpstreamUnavailable from None
        if status == 404:
            return None
        if status != 200 or not isinstance(found, Mapping):
            raise CannotShape("its row cannot be asked for")
        if found.get("id") != record_id or found.get("collectionId") != collection.id:
            return None
        hidden = {str(each["name"]) for each in collection.fields if each.get("hidden")}
        files = {str(each["name"]) for each in collection.fields if each.get("type") == "file"}
        row = {field: value for field, value in found.items() if field not in hidden or field in files}
        if fence is not None and fence.holds() and _is_small(row):
            self._rows[key] = (row, fence)
        return row

    def _field_of(self, collection: Collection, row: Values, name: str) -> Mapping[str, Any] | None:
        for field in collection.fields:
            if field.get("type") == "file":
                value = row.get(str(field["name"]))
                if name and (value == name or (isinstance(value, list) and name in value)):
                    return field
        return None

    def _who_by_token(self, exchange: Exchange) -> Who:
        """Whose file token came with it; a guest where that is not certain."""
        sent = _tokens(exchange.target.query)
        opened = _tokens(exchange.upstream_target.partition("?")[2])
        if len(sent) != 1 or len(opened) != 1 or not is_file_token(sent[0]):
            return GUEST
        claims = unverified_claims(opened[0])
        if claims is None or claims.get("type") != "file":
            return GUEST
        exp, collection, record_id = claims.get("exp"), claims.get("collectionId"), claims.get("id")
        if not isinstance(exp, int | float) or exp <= self._clock.now():
            return GUEST
        if not isinstance(collection, str) or not isinstance(record_id, str):
            return GUEST
        return Who(collection, record_id)


def _tokens(query: str) -> list[str]:
    return [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "token"]


def _is_small(row: Values) -> bool:
    return len(row) <= _MAX_FIELDS and all(
        len(value) <= _MAX_VALUE if isinstance(value, str) else len(repr(value)) <= _MAX_VALUE
        for value in row.values()
    )
