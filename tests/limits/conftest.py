"""Limits hold whichever way an answer goes."""

from typing import Any

import pytest

from tests.conftest import MakeHapta
from tests.support.hapta import Hapta


@pytest.fixture(
    params=[
        pytest.param(True, id="lane"),
        pytest.param(False, id="no lane", marks=pytest.mark.all_modes),
    ]
)
def make_hapta(request: pytest.FixtureRequest, make_hapta: MakeHapta) -> MakeHapta:
    """The one of all tests; ``server.fast_lane`` off in the full matrix too."""

    def make(**settings: Any) -> Hapta:
        return make_hapta(**{"server__fast_lane": request.param, **settings})

    return make
