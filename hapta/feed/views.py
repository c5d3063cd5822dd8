"""What each view collection reads, asked of PocketBase once for each schema.

A view sends no events, so a stored answer of it lives and dies with the tables under it. Until they are known
the view is missing in :attr:`ViewWatch.known`, which makes its reads by-pass and every write touch it.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from hapta.cache.plan import ViewReads, Views
from hapta.cache.views import (
    PAGES_SQL,
    Pages,
    exact_reads,
    explain_sql,
    read_pages,
    read_program,
    reads_by_words,
)
from hapta.feed.watch import SchemaWatch
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError
from hapta.model.schema import Collection, Schema
from hapta.model.tasks import TaskSet
from hapta.upstream.client import Lane
from hapta.upstream.superuser import SuperuserClient

_PAGE_READS = 4
"""So often the root pages are read at most while one view is looked at: each change of tables moves them."""
_AGAIN_S = 1.0
_NOTHING: Views = MappingProxyType({})


class ViewWatch:
    """Keeps what the views of the current schema read.

    Args:
        superuser: asks PocketBase.
        schema: the schema watch; each new snapshot is followed by a new look in the background.
        on_change: told whenever :attr:`known` is, or may be, another.
    """

    def __init__(
        self,
        superuser: SuperuserClient,
        schema: SchemaWatch,
        *,
        clock: Clock,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_change = on_change
        self._superuser = superuser
        self._schema = schema
        self._clock = clock
        self._views: Views = _NOTHING
        self._known_for: object = None
        self._doubts = 0
        self._asking: asyncio.Task[None] | None = None
        self._not_before = float("-inf")
        self._tasks = TaskSet()
        schema.on_change(lambda _: self._look())

    @property
    def known(self) -> Views:
        """What is known of the views of ``SchemaWatch.snapshot``, always the same object while nothing
        changes; empty until PocketBase was asked, which this begins if need be."""
        if self._known_for == self._wanted():
            return self._views
        self._look()
        return self._views if self._known_for == self._wanted() else _NOTHING

    async def learned(self) -> Views:
        """:attr:`known`, waited for; still empty if PocketBase does not answer."""
        known = self.known
        while self._asking is not None:
            await asyncio.wait({self._asking})
            known = self.known
        return known

    def forget(self) -> None:
        """Views may read other tables than they did though the schema is the same: somebody ran SQL, or
        PocketBase came back with other data."""
        self._doubts += 1
        self._on_change()
        self._look()

    async def stop(self) -> None:
        """Ask no more."""
        await self._tasks.cancel()

    def _wanted(self) -> object:
        """What an answer belongs to. Whether there is ``/api/sql`` is found out after the first schema."""
        return self._schema.snapshot.version, self._schema.features.has_sql, self._doubts

    def _look(self) -> None:
        schema = self._schema.snapshot
        if not any(collection.is_view for collection in schema.by_id.values()):
            self._views, self._known_for = _NOTHING, self._wanted()
        elif self._asking is None and self._clock.monotonic() >= self._not_before:
            self._asking = self._tasks.spawn(self._ask(), name="what views read")

    async def _ask(self) -> None:
        try:
            while self._known_for != self._wanted():
                wanted, schema = self._wanted(), self._schema.snapshot
                views = await self._read(schema, has_sql=self._schema.features.has_sql)
                # if the schema changed meanwhile these are answers to nobody's question, and it goes round
                self._views, self._known_for = MappingProxyType(views), wanted
                self._on_change()
        except (HaptaError, OperatorError, TimeoutError):
            return  # asked again when somebody needs it
        finally:
            self._asking = None
            if self._known_for != self._wanted():
                self._not_before = self._clock.monotonic() + _AGAIN_S

    async def _read(self, schema: Schema, *, has_sql: bool) -> Mapping[str, ViewReads]:
        found: dict[str, ViewReads] = {}
        pages: Pages | None = None
        for view in [collection for collection in schema.by_id.values() if collection.is_view]:
            exact = None
            if has_sql:
                exact, pages = await self._explain(schema, view, pages)
            found[view.id] = exact or reads_by_words(schema, view)
        return found

    async def _explain(
        self, schema: Schema, view: Collection, pages: Pages | None
    ) -> tuple[ViewReads | None, Pages | None]:
        for _ in range(_PAGE_READS):
            program = read_program(await self._sql(explain_sql(view)))
            if program is None:
                break
            if pages is None or pages.cookie != program.cookie:
                pages = read_pages(await self._sql(PAGES_SQL))
            if pages is not None and pages.cookie == program.cookie:
                return exact_reads(schema, view, program, pages), pages
        return None, pages

    async def _sql(self, query: str) -> Any:
        status, answer = await self._superuser.request(
            "POST", "/api/sql", {"query": query}, lane=Lane.STREAMS
        )
        return answer if status == 200 else None
