"""An order is the same wherever it is worked out, and its own; and what becomes of one that fails."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.feeds import NOW, DrawnTable
from hapta.app.ranker import IN_PROCESS, still_there, weight
from hapta.model.errors import HaptaError, Overloaded, RankingUnavailable
from hapta.ranking.arena import HeapArena
from hapta.ranking.columns import columns_of
from hapta.ranking.features import Caller, Ranked, Recipe
from hapta.ranking.presets import PRESETS
from hapta.ranking.rank import rank
from hapta.ranking.shared import BlockRef, Mapped, SharedBlock
from tests.ranking.conftest import MakeSite, Site
from tests.workers import jobs
from tests.workers.conftest import is_alive, until

RECIPE = Recipe("for_you", spacing=2, seen="lower", depth=200)


def same(one: Ranked, other: Ranked) -> bool:
    return bool(
        np.array_equal(one.slots, other.slots)
        and np.array_equal(one.scores, other.scores)
        and one.total == other.total
    )


async def asked(site: Site, table: Any, caller: Caller, recipe: Recipe = RECIPE, **keys: Any) -> Ranked:
    return await site.pooled.rank(table, caller, recipe, NOW, **{"deadline_s": 30.0, **keys})


async def test_the_pool_gives_what_the_process_gives(make_site: MakeSite) -> None:
    site = await make_site()
    for seed in range(40):
        random = np.random.default_rng(seed)
        rows = int(random.integers(0, 3000))
        table = DrawnTable(site.arena, rows, seed, capacity=rows + 500)
        recipe = Recipe(
            list(PRESETS)[seed % len(PRESETS)],
            limit=int(random.integers(1, 4000)),
            window_s=float(random.choice([0, 10 * 86_400])),
            depth=int(random.integers(1, 300)),
            spacing=int(random.integers(0, 4)),
            seen=("keep", "lower", "hide")[seed % 3],
        )
        caller = table.caller(seed) if rows else Caller()
        if seed % 4 == 0:
            caller = replace(caller, visible=None)
        there = await asked(site, table, caller, recipe)
        here = await site.here.rank(table, caller, recipe, NOW, deadline_s=30.0)
        assert same(there, here)
        assert same(here, rank(table.features(), caller, recipe, NOW))
    assert set(site.told.counted) == {("pool", "done"), ("process", "done")}
    assert site.pool_told.outcomes == {"done": 40}


async def test_a_thousand_interleaved_rankings_each_get_their_own(make_site: MakeSite) -> None:
    site = await make_site(max_queue=1000)
    tables = [DrawnTable(site.arena, rows, rows) for rows in (200, 500, 900)]
    callers = [(table, table.caller(number)) for number in range(334) for table in tables][:1000]
    expected = [rank(table.features(), caller, RECIPE, NOW) for table, caller in callers]
    got = await asyncio.gather(*(asked(site, table, caller) for table, caller in callers))
    assert all(map(same, got, expected))
    assert len({one.slots.tobytes() for one in got}) > 900  # they do differ


async def test_a_table_may_grow_while_it_is_ranked(make_site: MakeSite) -> None:
    site = await make_site(max_queue=1000)
    table = DrawnTable(site.arena, 500)
    expected = {}
    asks = []
    for number in range(60):
        caller = table.caller(number)
        expected[number] = rank(table.features(), caller, RECIPE, NOW)
        asks.append(asyncio.ensure_future(asked(site, table, caller)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if number % 5 == 0:
            old, new = table.block, site.arena.allocate(columns_of(("likes", "comments", "reposts"), 2), 600)
            for name, array in old.arrays.items():
                new.arrays[name][:500] = array[:500]
            table.block = new
            old.release()
    for number, got in enumerate(await asyncio.gather(*asks)):
        assert same(got, expected[number])
    assert len(site.arena.living) == 1


@pytest.mark.parametrize("where", ["here", "pooled"])
async def test_rows_that_come_while_a_ranking_waits_are_not_in_it(make_site: MakeSite, where: str) -> None:
    site = await make_site(count=1)
    table = DrawnTable(site.arena, 300)
    caller = table.caller(1)
    expected = rank(table.features(), caller, RECIPE, NOW)
    ranker = getattr(site, where)
    asks = [
        asyncio.ensure_future(ranker.rank(table, caller, RECIPE, NOW, deadline_s=30.0)) for _ in range(10)
    ]
    await asyncio.sleep(0)
    old, new = table.block, site.arena.allocate(columns_of(("likes", "comments", "reposts"), 2), 400)
    for name, array in old.arrays.items():
        new.arrays[name][:300] = array[:300]
    new.arrays["created"][300:], new.arrays["is_candidate"][300:] = NOW, True
    table.block, table.length = new, 400
    old.release()
    assert all(same(got, expected) for got in await asyncio.gather(*asks))
    assert len(table.features()) == 400


async def test_rows_that_change_while_a_worker_ranks_do_no_harm(make_site: MakeSite) -> None:
    site = await make_site()
    table = DrawnTable(site.arena, 5000)
    arrays = table.block.arrays
    random = np.random.default_rng(5)
    is_over = False

    async def write() -> None:
        while not is_over:
            slots = random.integers(0, 5000, 500)
            arrays["author"][slots] = random.integers(-1, 100_000, 500)
            arrays["topics"][slots] = random.integers(-1, 100_000, (500, 2))
            arrays["created"][slots] = NOW - random.uniform(-1e6, 1e9, 500)
            arrays["is_candidate"][slots] ^= True
            arrays["pinned"][slots] = random.random(500) < 0.1
            arrays["signal.likes"][slots] = random.uniform(-1e30, 1e30, 500)
            await asyncio.sleep(0)
            arrays["author"][:] = random.integers(-1, 200, 5000)
            arrays["topics"][:] = random.integers(-1, 50, (5000, 2))

    writing = asyncio.ensure_future(write())
    try:
        for number in range(150):
            got = await asked(site, table, table.caller(number))
            slots = got.slots.tolist()
            assert len(set(slots)) == len(slots)
            assert all(0 <= slot < 5000 for slot in slots)
            assert arrays["is_candidate"][slots].all()
    finally:
        is_over = True
        await writing
    assert site.told.events == []


def test_rows_that_went_or_came_to_be_of_a_hidden_author_are_left_out_of_an_order() -> None:
    table = DrawnTable(HeapArena(), 10)
    arrays = table.block.arrays
    arrays["is_candidate"][:], arrays["author"][:] = True, np.arange(10)
    ranked = Ranked(np.array([3, 1, 7, 4], np.int32), np.array([4, 3, 2, 1], np.float32), 9)
    caller = Caller(hidden_authors=np.array([7, 20], np.int32))
    arrays["is_candidate"][3] = False
    kept = still_there(ranked, table.features(), caller)
    assert (kept.slots.tolist(), kept.scores.tolist(), kept.total) == ([1, 4], [3, 1], 7)


async def test_a_worker_that_is_killed_at_a_ranking_is_tried_once_more(make_site: MakeSite) -> None:
    site = await make_site(count=1)
    table = DrawnTable(site.arena, 2_000_000)
    caller = replace(table.caller(1), visible=None)
    (pid,) = site.pool.pids
    ranking = asyncio.ensure_future(asked(site, table, caller))
    await until(lambda: site.pool.running == 1, "begun")
    os.kill(pid, signal.SIGKILL)
    assert same(await ranking, rank(table.features(), caller, RECIPE, NOW))
    assert site.pool_told.outcomes == {"lost": 1, "done": 1}
    assert site.told.counted == [("pool", "done")]


async def test_two_workers_lost_at_one_ranking_is_a_503(make_site: MakeSite) -> None:
    site = await make_site(count=1)
    table = DrawnTable(site.arena, 2_000_000)
    ranking = asyncio.ensure_future(asked(site, table, Caller()))
    for _ in range(2):
        await until(lambda: site.pool.running == 1 and site.pool.alive == 1, "begun")
        (pid,) = site.pool.pids
        os.kill(pid, signal.SIGKILL)
        await until(lambda pid=pid: not is_alive(pid) and site.pool.running == 0, "gone")  # type: ignore[misc]
    with pytest.raises(RankingUnavailable) as caught:
        await ranking
    assert_tells_when_to_come_back(caught.value)
    assert site.told.counted == [("pool", "lost")]


async def test_a_deadline_that_is_over_is_a_503(make_site: MakeSite) -> None:
    site = await make_site(count=1)
    table = DrawnTable(site.arena, 100)
    busy = asyncio.ensure_future(site.pool.run(jobs.told, 1, 0.3))
    await until(lambda: site.pool.running == 1, "busy")
    with pytest.raises(RankingUnavailable) as caught:
        await asked(site, table, Caller(), deadline_s=0.05)
    assert_tells_when_to_come_back(caught.value)
    assert site.told.counted == [("pool", "timed_out")]
    assert await busy == 1
    assert (await asked(site, table, Caller())).total > 0


async def test_more_than_may_wait_is_a_503(make_site: MakeSite) -> None:
    site = await make_site(count=1, max_queue=1)
    table = DrawnTable(site.arena, 100)
    busy = [asyncio.ensure_future(site.pool.run(jobs.told, 1, 0.2)) for _ in range(2)]
    await until(lambda: (site.pool.running, site.pool.waiting) == (1, 1), "full")
    with pytest.raises(Overloaded) as caught:
        await asked(site, table, Caller())
    assert_tells_when_to_come_back(caught.value)
    assert site.told.counted == [("pool", "refused")]
    await asyncio.gather(*busy)


async def test_whoever_leaves_takes_a_waiting_ranking_along(make_site: MakeSite) -> None:
    site = await make_site(count=1)
    table = DrawnTable(site.arena, 100)
    busy = asyncio.ensure_future(site.pool.run(jobs.told, 1, 0.2))
    await until(lambda: site.pool.running == 1, "busy")
    leaving = asyncio.ensure_future(asked(site, table, Caller()))
    await until(lambda: site.pool.waiting == 1, "waits")
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert site.pool.waiting == 0
    assert site.told.counted == []
    assert await busy == 1
    assert (await asked(site, table, Caller())).total > 0


async def test_everybody_else_has_the_loop_between_two_rankings(make_site: MakeSite) -> None:
    site = await make_site(count=1)
    table = DrawnTable(site.arena, 500)
    turns: list[str] = []

    async def ask() -> None:
        await site.here.rank(table, Caller(), RECIPE, NOW, deadline_s=30.0)
        turns.append("ranked")

    async def other() -> None:
        while turns.count("ranked") < 20:
            turns.append("other")
            await asyncio.sleep(0)

    await asyncio.gather(other(), *(ask() for _ in range(20)))
    assert "ranked ranked" not in " ".join(turns)


async def test_columns_that_no_worker_sees_are_ranked_in_process_or_not_at_all(make_site: MakeSite) -> None:
    site = await make_site(count=1)
    table = DrawnTable(HeapArena(), 100)
    assert (await site.here.rank(table, Caller(), RECIPE, NOW, deadline_s=1.0)).total > 0
    with pytest.raises(TypeError, match="columns of drawn"):
        await asked(site, table, Caller())


def test_rows_kept_apart_weigh_more() -> None:
    plain, spaced = Recipe(depth=1000), Recipe(depth=1000, spacing=1)
    assert weight(30_000, plain) < weight(30_000, spaced) <= IN_PROCESS < weight(100_000, plain)


async def test_a_warm_worker_has_numpy_and_no_columns(make_site: MakeSite) -> None:
    site = await make_site()
    loaded = await asyncio.gather(*(site.pool.run(numpy_and_columns, 0.1) for _ in range(2)))
    assert loaded == [(True, 0), (True, 0)]


def numpy_and_columns(after_s: float) -> tuple[bool, int]:
    """Runs in a worker."""
    import time

    time.sleep(after_s)
    return "numpy" in sys.modules, Path("/proc/self/maps").read_text().count("hapta-columns")


async def test_mapped_columns_do_not_count_as_a_workers_memory(make_site: MakeSite) -> None:
    site = await make_site(count=1, max_rss_bytes=2**27)
    table = DrawnTable(site.arena, 4_000_000)
    assert isinstance(table.block, SharedBlock)
    assert sum(array.nbytes for array in table.block.arrays.values()) > 2**27
    (pid,) = site.pool.pids
    await site.pool.run(touched, table.block.ref)
    assert await site.pool.run(jobs.pid) == pid


_kept = Mapped()
"""Of the worker that runs what follows."""


def touched(ref: BlockRef) -> float:
    """Runs in a worker: reads all of a block, and keeps it mapped."""
    return sum(float(array.sum()) for array in _kept.arrays(ref, [ref.name]).values())


async def test_nothing_is_left_after_the_end(make_site: MakeSite) -> None:
    site = await make_site()
    before = set(os.listdir("/dev/shm"))
    table = DrawnTable(site.arena, 1000)
    await asyncio.gather(*(asked(site, table, table.caller(number)) for number in range(20)))
    await site.pool.stop()
    site.arena.close()
    del table
    gc.collect()
    assert "hapta-columns" not in await asyncio.to_thread(Path("/proc/self/maps").read_text)
    assert set(os.listdir("/dev/shm")) <= before


def test_ranking_is_not_imported_where_no_feed_is() -> None:
    code = (
        "import sys, hapta.app.plugins, hapta.plugins, hapta.testing, hapta.observe.metrics\n"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def assert_tells_when_to_come_back(error: HaptaError) -> None:
    assert error.status == 503
    assert int(error.headers["Retry-After"]) >= 1
