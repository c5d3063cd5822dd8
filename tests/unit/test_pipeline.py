"""Stages are passed in order on the way in and in the other order on the way out."""

import pytest

from hapta.model.errors import NotFound
from hapta.model.exchange import Answer, Exchange, Handler, Stage
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
