"""hapta.cache.generations: what is counted by collection."""

from hapta.cache.generations import Generations
from hapta.cache.tags import EVERYTHING, any_row, births, record
from hapta.model.clock import ManualClock


def test_an_invalidation_counts_once_for_each_collection_it_reaches() -> None:
    generations = Generations(ManualClock())
    generations.move([any_row("a"), record("a", "1"), births("a"), any_row("b")])
    generations.move_everything()
    assert generations.invalidations == {"a": 1, "b": 1, "": 1}


def test_a_write_counts_when_it_moved_something_and_not_when_it_was_refused() -> None:
    generations = Generations(ManualClock())
    tags = [any_row("a"), record("a", "1")]
    fence = generations.fence([*tags, EVERYTHING])
    assert fence is not None
    generations.begin(tags).close(has_changed=False)
    assert generations.invalidations == {}
    generations.begin(tags).close()
    generations.begin(tags).lose(1.0)
    assert generations.invalidations == {"a": 2}
