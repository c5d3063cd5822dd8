"""Stages are passed in order on the way in and in the other order on the way out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.concerns import only_for
from hapta.model.errors import NotFound
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass
from hapta.pipeline import fold
from tests.support.exchanges import exchange


def noting(name: str, notes: list[str]) -> Stage:
    async def stage(exchange: Exchange, forward: Handler) -> Answer:
        notes.append(f"{name} in")
        answer = await forward(exchange)
        notes.append(f"{name} out")
        return answer

    return stage


def last(notes: list[str]) -> Handler:
    async def handler(exchange: Exchange) -> Answer:
        notes.append(f"last {exchange.method}")
        return Answer(204)

    return handler


async def test_the_first_stage_is_the_outermost() -> None:
    notes: list[str] = []
    handle = fold([noting("a", notes), noting("b", notes)], last(notes))
    assert (await handle(exchange("PATCH"))).status == 204
    assert notes == ["a in", "b in", "last PATCH", "b out", "a out"]


async def test_without_stages_the_last_handler_answers() -> None:
    notes: list[str] = []
    assert (await fold([], last(notes))(exchange())).status == 204
    assert notes == ["last GET"]


async def test_a_stage_that_answers_by_itself_keeps_the_rest_from_being_asked() -> None:
    notes: list[str] = []

    async def answers(exchange: Exchange, forward: Handler) -> Answer:
        return Answer(404)

    handle = fold([noting("a", notes), answers, noting("b", notes)], last(notes))
    assert (await handle(exchange())).status == 404
    assert notes == ["a in", "a out"]


async def test_an_error_comes_back_through_the_stages_before_it() -> None:
    notes: list[str] = []

    async def refuses(exchange: Exchange, forward: Handler) -> Answer:
        raise NotFound

    async def catches(exchange: Exchange, forward: Handler) -> Answer:
        try:
            return await forward(exchange)
        except NotFound as error:
            return Answer(error.status)

    handle = fold([catches, noting("a", notes), refuses], last(notes))
    assert (await handle(exchange())).status == 404
    assert notes == ["a in"]


async def test_each_request_goes_its_own_way() -> None:
    notes: list[str] = []
    handle = fold([noting("a", notes)], last(notes))
    for _ in range(2):
        await handle(exchange())
    assert notes == ["a in", "last GET", "a out"] * 2


@pytest.mark.parametrize("count", [1, 50])
async def test_as_many_stages_as_one_likes(count: int) -> None:
    notes: list[str] = []
    await fold([noting(str(n), notes) for n in range(count)], last(notes))(exchange())
    assert len(notes) == 2 * count + 1


@given(concerned=st.lists(st.none() | st.sets(st.sampled_from(OperationClass)), max_size=8))
async def test_each_request_meets_the_stages_it_concerns_in_order(
    concerned: list[set[OperationClass] | None],
) -> None:
    notes: list[str] = []
    stages = [
        noting(str(number), notes) if kinds is None else only_for(*kinds)(noting(str(number), notes))
        for number, kinds in enumerate(concerned)
    ]
    handle = fold(stages, last(notes))
    for target in ("/api/collections/a/records", "/api/files/a/b/c", "/api/hapta/x", "/"):
        notes.clear()
        asked = exchange("GET", target)
        await handle(asked)
        met = [str(n) for n, kinds in enumerate(concerned) if kinds is None or asked.operation.kind in kinds]
        assert notes == [f"{n} in" for n in met] + ["last GET"] + [f"{n} out" for n in reversed(met)]


async def test_a_request_a_stage_puts_in_place_of_another_meets_what_concerns_it() -> None:
    notes: list[str] = []

    async def instead(asked: Exchange, forward: Handler) -> Answer:
        return await forward(exchange("GET", "/api/files/a/b/c"))

    files = only_for(OperationClass.FILE)(noting("files", notes))
    reads = only_for(OperationClass.RECORD_READ)(noting("reads", notes))
    await fold([instead, reads, files], last(notes))(exchange("GET", "/api/collections/a/records"))
    assert notes == ["files in", "last GET", "files out"]


async def test_a_stage_of_an_object_says_what_concerns_it_as_well() -> None:
    notes: list[str] = []

    class Stateful:
        @only_for(OperationClass.FILE)
        async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
            notes.append("asked")
            return await forward(exchange)

        @only_for(OperationClass.HEALTH)
        async def other(self, exchange: Exchange, forward: Handler) -> Answer:
            notes.append("other")
            return await forward(exchange)

    handle = fold([Stateful(), Stateful().other], last([]))
    for target in ("/api/files/a/b/c", "/api/health", "/"):
        await handle(exchange("GET", target))
    assert notes == ["asked", "other"]
