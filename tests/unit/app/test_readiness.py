"""Ready means: not leaving, and PocketBase answers."""

from typing import TYPE_CHECKING, cast

import pytest

from hapta.app.readiness import Readiness
from hapta.model.clock import ManualClock
from hapta.model.errors import HaptaError, UpstreamLost, UpstreamRefused, UpstreamUnavailable
from hapta.upstream.client import UpstreamClient, UpstreamRequest

if TYPE_CHECKING:
    from hapta.server.protocol import Reception


class Door:
    """PocketBase as readiness sees it; also its own response."""

    def __init__(self) -> None:
        self.status = 200
        self.error: HaptaError | None = None
        self.asked: list[str] = []

    async def send(self, request: UpstreamRequest) -> "Door":
        self.asked.append(request.target)
        if self.error is not None:
            raise self.error
        return self

    async def read(self) -> bytes:
        return b"{}"


class Hall:
    is_draining = False


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def readiness(door: Door, hall: Hall, clock: ManualClock) -> Readiness:
    return Readiness(cast("UpstreamClient", door), cast("Reception", hall), lambda: None, clock)


async def test_a_healthy_pocketbase_is_ready(readiness: Readiness, door: Door) -> None:
    assert await readiness.why_not() is None
    assert door.asked == ["/api/health"]


@pytest.mark.parametrize("error", [UpstreamRefused(), UpstreamLost(), UpstreamUnavailable(0.5)])
async def test_one_that_does_not_answer_is_the_reason(
    readiness: Readiness, door: Door, error: HaptaError
) -> None:
    door.error = error
    assert await readiness.why_not() == error.message


async def test_one_that_answers_otherwise_is_not_ready(readiness: Readiness, door: Door) -> None:
    door.status = 500
    assert await readiness.why_not() == "The database is not healthy."


async def test_an_answer_holds_for_half_a_second(
    readiness: Readiness, door: Door, clock: ManualClock
) -> None:
    for _ in range(5):
        assert await readiness.why_not() is None
        clock.advance(0.1)
    assert len(door.asked) == 1
    door.status = 500
    clock.advance(0.1)
    assert await readiness.why_not() is not None
    assert len(door.asked) == 2


@pytest.mark.parametrize("who", ["leaving", "draining"])
async def test_who_is_leaving_says_so_at_once_and_asks_nobody(
    readiness: Readiness, door: Door, hall: Hall, who: str
) -> None:
    assert await readiness.why_not() is None
    if who == "leaving":
        readiness.is_leaving = True
    else:
        hall.is_draining = True
    assert await readiness.why_not() == "Hapta is shutting down."
    assert len(door.asked) == 1
