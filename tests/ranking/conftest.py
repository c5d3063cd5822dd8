"""A ranker over real workers, and what it told."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hapta.app.ranker import Ranker
from hapta.ranking.shared import SharedArena
from hapta.workers.pool import WorkerPool
from tests.workers.conftest import Told as ToldByPool
from tests.workers.conftest import make_pool, told

__all__ = ["make_pool", "told"]


class Told:
    """What a ranker told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.counted: list[tuple[str, str]] = []

    def error(self, event: str, **fields: object) -> None:
        self.events.append((event, fields))

    def ranked(self, where: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.counted.append((where, outcome))


class Site:
    """A ranker that ranks all in its pool, one that ranks all by itself, and shared memory."""

    def __init__(self, pool: WorkerPool, told_by_pool: ToldByPool) -> None:
        self.pool = pool
        self.pool_told = told_by_pool
        self.told = Told()
        self.arena = SharedArena()
        self.pooled = Ranker(pool, events=self.told, meter=self.told, in_process=-1)
        self.here = Ranker(pool, events=self.told, meter=self.told, in_process=2**62)


MakeSite = Callable[..., Any]


@pytest.fixture
async def make_site(make_pool: Callable[..., WorkerPool], told: ToldByPool) -> AsyncIterator[MakeSite]:
    """``await make_site(count=1, max_queue=3)``: a warm one."""
    made: list[Site] = []

    async def make(**keys: Any) -> Site:
        site = Site(make_pool(**keys), told)
        await site.pooled.start()
        told.outcomes.clear()
        made.append(site)
        return site

    yield make
    for site in made:
        site.arena.close()
