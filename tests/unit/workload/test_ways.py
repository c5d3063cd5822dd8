"""How an answer came to be, from what it says of itself."""

import pytest

from hapta.cache.status import Forward, Hit, forwarded, hit
from hapta.workload.ways import WAYS, way_of


@pytest.mark.parametrize("how", Hit)
def test_every_hit_of_hapta_has_its_way(how: Hit) -> None:
    assert way_of(hit(12.5, how).decode()) == ("shared" if how is Hit.PRIVATE else how)


@pytest.mark.parametrize("why", [Forward.URI_MISS, Forward.STALE, Forward.BYPASS])
def test_every_read_that_went_on_has_its_way(why: Forward) -> None:
    assert way_of(forwarded(why, is_stored=True, detail="overlay").decode()) == why
    assert way_of(forwarded(why, is_collapsed=True).decode()) == "collapsed"


def test_other_caches_before_it_and_words_that_are_new_do_no_harm() -> None:
    assert way_of("origin; fwd=stale, hapta; hit; ttl=3") == "shared"
    assert way_of("") == "edge"
    assert way_of("hapta; hit; ttl=3; detail=magic") == "other"
    assert way_of("hapta; fwd=partial") == "other"
    assert all(WAYS.values())
