"""PocketBase sees a body only when it is whole, and what it took is given back whatever happens."""

from collections.abc import AsyncIterator

import pytest

from hapta.model.errors import Overloaded, UpstreamLost
from hapta.model.exchange import Answer, ClientGone, Exchange
from hapta.stages.hold import hold_bodies
from hapta.upstream.spool import SpoolBudget, SpooledBody
from tests.support.exchanges import Upstream, exchange

RECORDS = "/api/collections/posts/records"


class Breaking:
    """A body whose client leaves in its middle."""

    length = 100

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b'{"title":"complete"}'
        raise ClientGone


class Reading(Upstream):
    """Reads the body it is given."""

    def __init__(self, budget: SpoolBudget) -> None:
        super().__init__()
        self._budget = budget
        self.bodies: list[bytes] = []
        self.held_bytes: list[int] = []

    async def __call__(self, exchange: Exchange) -> Answer:
        assert exchange.body is not None
        self.held_bytes.append(self._budget.used_bytes)
        self.bodies.append(b"".join([piece async for piece in exchange.body.chunks()]))
        return await super().__call__(exchange)


def no_trouble(exc: OSError) -> None:
    raise AssertionError(exc)


@pytest.mark.parametrize("size", [0, 5, 100, 5000])
async def test_a_write_is_forwarded_with_its_whole_body_and_then_forgotten(size: int) -> None:
    budget = SpoolBudget(10_000)
    hold = hold_bodies(budget, 50, None, on_trouble=no_trouble)
    upstream = Reading(budget)
    request = exchange("POST", RECORDS, body=b"x" * size)
    assert (await hold(request, upstream)).status == 200
    assert upstream.bodies == [b"x" * size]
    assert upstream.held_bytes == [size]
    assert isinstance(request.body, SpooledBody)
    assert budget.used_bytes == 0


@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", "/api/backups/upload"), ("POST", "/api/custom/import"), ("PUT", "/api/anything")],
)
async def test_backups_and_unknown_routes_are_passed_on_as_they_arrive(method: str, target: str) -> None:
    budget = SpoolBudget(10)
    hold = hold_bodies(budget, 5, None, on_trouble=no_trouble)
    request = exchange(method, target, body=b"x" * 1000)
    arriving = request.body
    upstream = Reading(budget)
    await hold(request, upstream)
    assert request.body is arriving
    assert upstream.held_bytes == [0]


async def test_a_request_without_a_body_is_passed_on() -> None:
    upstream = Upstream()
    hold = hold_bodies(SpoolBudget(10), 5, None, on_trouble=no_trouble)
    await hold(exchange("DELETE", f"{RECORDS}/abcdefghijklmno"), upstream)
    assert upstream.asked[0].body is None


async def test_of_a_body_that_breaks_off_pocketbase_sees_nothing() -> None:
    budget = SpoolBudget(1000)
    hold = hold_bodies(budget, 5, None, on_trouble=no_trouble)
    request, upstream = exchange("POST", RECORDS, body=b"x"), Upstream()
    request.body = Breaking()
    with pytest.raises(ClientGone):
        await hold(request, upstream)
    assert not upstream.asked
    assert budget.used_bytes == 0


async def test_a_failing_upstream_gives_the_body_back_too() -> None:
    budget = SpoolBudget(1000)

    async def fails(exchange: Exchange) -> Answer:
        raise UpstreamLost

    with pytest.raises(UpstreamLost):
        await hold_bodies(budget, 5, None, on_trouble=no_trouble)(
            exchange("POST", RECORDS, body=b"x" * 100), fails
        )
    assert budget.used_bytes == 0


async def test_a_folder_that_cannot_be_written_is_503_and_the_operator_is_told_why() -> None:
    budget, upstream = SpoolBudget(1000), Upstream()
    told: list[OSError] = []
    hold = hold_bodies(budget, 5, "/nowhere/at/all", on_trouble=told.append)
    with pytest.raises(Overloaded):
        await hold(exchange("POST", RECORDS, body=b"x" * 100), upstream)
    assert isinstance(told[0], FileNotFoundError)
    assert not upstream.asked
    assert budget.used_bytes == 0
