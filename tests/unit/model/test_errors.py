"""hapta.model.errors"""

import pytest

from hapta.model.errors import HaptaError, RateLimited, UpstreamLost, UpstreamUnavailable


@pytest.mark.parametrize(
    "error", [UpstreamLost(), UpstreamUnavailable(3.0), RateLimited("Too many.", 7.0)], ids=lambda e: e.code
)
def test_an_error_for_another_is_the_same_with_headers_of_its_own(error: HaptaError) -> None:
    own = error.for_another()
    assert own is not error
    assert (type(own), str(own), vars(own)) == (type(error), str(error), vars(error))
    own.headers["RateLimit"] = "theirs"
    assert "RateLimit" not in error.headers
