"""hapta.app.explain: the words."""

from hapta.app.explain import REASONS
from hapta.cache.plan import Reason


def test_every_reason_has_a_sentence_of_its_own() -> None:
    assert set(REASONS) == set(Reason)
    assert len(set(REASONS.values())) == len(REASONS)
