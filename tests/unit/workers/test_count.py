"""How many workers there are to be."""

import pytest

from hapta.config import WorkersConfig
from hapta.workers.count import worker_count


@pytest.mark.parametrize(
    ("count", "threads", "cores", "expected"),
    [
        pytest.param(0, 0, 1, 1, id="at least one"),
        pytest.param(0, 0, 2, 1, id="one core is the gateway's"),
        pytest.param(0, 0, 8, 7, id="all others"),
        pytest.param(3, 0, 8, 3, id="as configured"),
        pytest.param(0, 4, 8, 4, id="under the other name"),
        pytest.param(5, 5, 8, 5, id="under both"),
    ],
)
def test_as_configured_else_by_cores(count: int, threads: int, cores: int, expected: int) -> None:
    assert worker_count(WorkersConfig(count=count), threads, cores) == expected


def test_the_machine_has_at_least_one() -> None:
    assert worker_count(WorkersConfig(), 0) >= 1
