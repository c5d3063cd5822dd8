"""After PocketBase's settings changed through Hapta, what Hapta needs of them is looked at."""

import pytest

from hapta.model.errors import OperatorError, UpstreamLost
from hapta.stages.settings_watch import settings_watch
from tests.support.exchanges import Upstream, exchange


class Watch:
    """The stage, and what it called."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.looks = 0
        self.troubles: list[Exception] = []
        self._fails = fails
        self.stage = settings_watch(self._look, self.troubles.append)

    async def _look(self) -> None:
        self.looks += 1
        if self._fails is not None:
            raise self._fails


@pytest.mark.parametrize("target", ["/api/settings", "/api/settings?fields=meta", "/api/settings/test/s3"])
async def test_an_accepted_change_is_looked_at_before_it_is_answered(target: str) -> None:
    watch = Watch()
    answer = await watch.stage(exchange("PATCH", target), Upstream(200))
    assert (answer.status, watch.looks) == (200, 1)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/api/settings", 200),
        ("HEAD", "/api/settings", 200),
        ("PATCH", "/api/settings", 400),
        ("PATCH", "/api/settings", 403),
        ("PATCH", "/api/collections/settings", 200),
        ("POST", "/api/collections/settings/records", 200),
        ("POST", "/api/custom/settings", 200),
    ],
)
async def test_what_changes_no_settings_costs_nothing(method: str, target: str, status: int) -> None:
    watch = Watch()
    await watch.stage(exchange(method, target), Upstream(status))
    assert watch.looks == 0


@pytest.mark.parametrize("error", [UpstreamLost(), OperatorError("PocketBase refuses")])
async def test_the_clients_change_stands_though_looking_failed(error: Exception) -> None:
    watch = Watch(error)
    answer = await watch.stage(exchange("PATCH", "/api/settings"), Upstream(200))
    assert answer.status == 200
    assert watch.troubles == [error]


async def test_a_mistake_of_our_own_is_not_swallowed() -> None:
    watch = Watch(KeyError("a bug"))
    with pytest.raises(KeyError):
        await watch.stage(exchange("PATCH", "/api/settings"), Upstream(200))
