"""A job gets its own result, or is told what became of it."""

import asyncio
import math
import random
from pathlib import Path

import pytest

from hapta.workers.errors import JobFailed, NotTransferable
from hapta.workers.pool import WorkerPool
from tests.workers import jobs
from tests.workers.conftest import MakePool, Told


async def test_a_thousand_interleaved_jobs_get_their_own_results(make_pool: MakePool, told: Told) -> None:
    pool = make_pool(count=4, max_queue=1000)
    chance = random.Random(7)
    waits = [chance.random() * 0.004 for _ in range(1000)]
    ended: list[int] = []

    async def ask(number: int) -> object:
        result = await pool.run(jobs.told, number, waits[number])
        ended.append(number)
        return result

    assert await asyncio.gather(*map(ask, range(1000))) == list(range(1000))
    assert ended != sorted(ended)  # they did overtake each other
    assert told.outcomes == {"done": 1000}
    assert all(seconds is not None and seconds >= 0 for seconds in told.seconds)


async def test_instances_of_one_s_own_classes_go_both_ways(pool: WorkerPool) -> None:
    assert await pool.run(jobs.swapped, jobs.Pair(1, b"two")) == jobs.Pair(b"two", 1)


async def test_functions_of_the_standard_library_run_too(pool: WorkerPool) -> None:
    assert await pool.run(math.sqrt, 9.0) == 3.0


@pytest.mark.parametrize("count", [0, 1, 100, 65_536, 1_048_576, 20_000_000])
async def test_payloads_of_any_size_arrive_whole(pool: WorkerPool, count: int) -> None:
    data = random.Random(count).randbytes(count)
    assert await pool.run(jobs.told, data) == data


async def test_large_and_small_jobs_side_by_side_keep_their_results(pool: WorkerPool) -> None:
    asked = [random.Random(n).randbytes(n % 7 * 150_000 + n) for n in range(60)]
    assert await asyncio.gather(*(pool.run(jobs.told, data) for data in asked)) == asked


async def test_an_exception_is_told_with_its_type_its_text_and_where_it_was_raised(
    pool: WorkerPool, told: Told
) -> None:
    with pytest.raises(JobFailed, match=r"^ZeroDivisionError: division by zero$") as caught:
        await pool.run(jobs.divided, 1, 0)
    assert caught.value.type_name == "ZeroDivisionError"
    assert caught.value.message == "division by zero"
    assert "in divided" in caught.value.trace
    assert "child.py" not in caught.value.trace
    assert told.outcomes == {"failed": 1}
    assert pool.restarts == {}


async def test_the_class_of_a_foreign_exception_is_a_name_only(pool: WorkerPool) -> None:
    with pytest.raises(JobFailed) as caught:
        await pool.run(jobs.raise_baited)
    assert caught.value.type_name == "tests.workers.jobs.Baited"
    assert caught.value.message == "taken?"


async def test_an_exception_that_cannot_be_told_is_a_failure_all_the_same(pool: WorkerPool) -> None:
    with pytest.raises(JobFailed) as caught:
        await pool.run(jobs.raise_silent)
    assert (caught.value.type_name, caught.value.message) == ("tests.workers.jobs.Silent", "")


async def test_the_text_of_an_exception_is_cut(pool: WorkerPool) -> None:
    with pytest.raises(JobFailed) as caught:
        await pool.run(jobs.raise_long, 50_000_000)
    assert len(caught.value.message) <= 4000
    assert len(caught.value.trace) <= 16_000


async def test_a_job_that_exits_fails_and_does_not_end_its_worker(pool: WorkerPool) -> None:
    before = set(pool.pids)
    with pytest.raises(JobFailed, match="SystemExit: 7"):
        await pool.run(jobs.leave, 7)
    assert set(pool.pids) == before


async def test_arguments_of_the_wrong_number_are_the_job_s_failure(pool: WorkerPool) -> None:
    with pytest.raises(JobFailed, match="TypeError"):
        await pool.run(jobs.divided, 1)


async def test_arguments_that_cannot_be_pickled_are_the_caller_s_error_alone(
    pool: WorkerPool, told: Told
) -> None:
    before = set(pool.pids)
    with pytest.raises(NotTransferable, match="the arguments cannot be pickled"):
        await pool.run(jobs.told, lambda: None)
    assert await pool.run(jobs.told, 1) == 1
    assert set(pool.pids) == before
    assert told.outcomes == {"failed": 1, "done": 1}


async def test_arguments_that_cannot_be_unpickled_there_are_the_caller_s_error_alone(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = type("Unknown", (), {"__module__": jobs.__name__})
    monkeypatch.setattr(jobs, "Unknown", unknown, raising=False)
    before = set(pool.pids)
    with pytest.raises(NotTransferable, match=r"could not be unpickled: .*Unknown"):
        await pool.run(jobs.told, unknown())
    assert set(pool.pids) == before


async def test_a_result_that_cannot_be_pickled_is_the_caller_s_error_alone(pool: WorkerPool) -> None:
    before = set(pool.pids)
    with pytest.raises(NotTransferable, match="the result cannot be pickled"):
        await pool.run(jobs.function_of_its_own)
    assert await pool.run(jobs.told, 1) == 1
    assert set(pool.pids) == before


async def test_a_result_beyond_the_bound_is_the_caller_s_error_alone(make_pool: MakePool) -> None:
    pool = make_pool(max_result_bytes=100_000)
    await pool.start()
    before = set(pool.pids)
    assert len(await pool.run(jobs.zeros, 99_000)) == 99_000
    with pytest.raises(NotTransferable, match="the result has more than 100000 bytes"):
        await pool.run(jobs.zeros, 100_000)
    with pytest.raises(NotTransferable, match="the arguments have more than 100000 bytes"):
        await pool.run(jobs.told, bytes(100_000))
    assert set(pool.pids) == before


async def test_a_function_that_is_not_there_any_more_is_a_failure(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late() -> None: ...

    late.__module__, late.__qualname__ = jobs.__name__, "late"
    monkeypatch.setattr(jobs, "late", late, raising=False)
    with pytest.raises(JobFailed, match=r"AttributeError: .*late"):
        await pool.run(late)


async def test_what_a_worker_cannot_find_is_refused_before_any_is_started(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = make_pool()
    for function in (lambda: None, jobs.Shop().sell, jobs.Shop.close, jobs.in_a_loop):
        with pytest.raises(TypeError):
            await pool.run(function)
    assert pool.pids == []
