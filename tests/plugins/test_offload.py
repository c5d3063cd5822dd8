"""Heavy work of hooks, in the pool."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.plugins.workshop import POSTS, Workshop, serving
from tests.support.pocketbase import PocketBase

HEAVY = """
import asyncio, os, time


def spin(seconds):
    note("spinning", pid=os.getpid())
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        pass
    return os.getpid()


def square(number):
    return number, number * number


def setup(api):
    @api.validate("posts", on="create", deadline_s=10)
    async def heavy(change):
        title = change.fields["title"]
        if title == "spin":
            note("spun", pid=await api.offload(spin, 1.0))
        if title == "late":
            await api.offload(spin, 60, deadline_s=0.3)
        if title.startswith("many "):
            numbers = [int(title.split()[1]) * 100 + n for n in range(100)]
            results = await asyncio.gather(*(api.offload(square, n) for n in numbers))
            if results != [(n, n * n) for n in numbers]:
                raise Reject("title", code="mixed_up", message="Somebody else's result.")
"""


@pytest.fixture(scope="module")
def shop(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    home, plugins = tmp_path_factory.mktemp("hapta"), {"heavy.py": HEAVY}
    with serving(home, pocketbase.url, plugins, workers__count=2, workers__max_queue=2000) as workshop:
        workshop.client.post(POSTS, json={"title": "many 0"})
        yield workshop


def post(shop: Workshop, title: str) -> httpx.Response:
    return httpx.post(shop.hapta.url + POSTS, json={"title": title}, timeout=30)


def test_others_are_answered_while_jobs_run(shop: Workshop) -> None:
    with ThreadPoolExecutor(2) as threads:
        jobs = [threads.submit(post, shop, "spin") for _ in range(2)]
        shop.wait_for("spinning")
        answers = [shop.client.post(POSTS, json={"title": "light"}) for _ in range(5)]
        assert {answer.status_code for answer in answers} == {200}
        assert not all(job.done() for job in jobs)
        assert {job.result().status_code for job in jobs} == {200}


def test_a_worker_that_is_killed_costs_its_hooks_request_and_no_other(
    shop: Workshop, pocketbase: PocketBase
) -> None:
    count, spun = len(shop.seen("spinning")), len(shop.seen("spun"))
    rows = len(pocketbase.rows("posts", filter='title="spin"'))
    with ThreadPoolExecutor(2) as threads:
        jobs = [threads.submit(post, shop, "spin") for _ in range(2)]
        pids = {line["pid"] for line in shop.wait_for("spinning", count + 2)[count:]}
        os.kill(pids.pop(), signal.SIGKILL)
        statuses = sorted(job.result().status_code for job in jobs)
    assert statuses in ([200, 500], [200, 503])
    assert [line["pid"] for line in shop.seen("spun")[spun:]] == list(pids)
    assert len(pocketbase.rows("posts", filter='title="spin"')) == rows + 1
    assert post(shop, "many 1").status_code == 200


def test_a_job_that_overruns_is_a_guard_that_failed(shop: Workshop, pocketbase: PocketBase) -> None:
    began = time.monotonic()
    assert post(shop, "late").status_code == 500
    assert time.monotonic() - began < 5
    assert pocketbase.rows("posts", filter='title="late"') == []


def test_a_thousand_interleaved_jobs_get_their_own_results(shop: Workshop) -> None:
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda n: post(shop, f"many {n}"), range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10, [answer.text for answer in answers]
