"""What a row's score is made of."""

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.ranking.explain import explain
from hapta.ranking.features import Caller, Recipe
from hapta.ranking.presets import PRESETS
from hapta.ranking.rank import rank
from tests.ranking.columns import DAY_S, NOW, ROWS, Row, callers, codes, features_of


@pytest.mark.parametrize("preset", sorted(PRESETS))
@given(data=st.data(), rows=ROWS)
def test_the_explained_score_is_the_ranked_one(data: st.DataObject, rows: list[Row], preset: str) -> None:
    caller, features, recipe = (
        data.draw(callers(len(rows))),
        features_of(rows),
        Recipe(preset, {"spam": -1.0}),
    )
    ranked = rank(features, caller, recipe, NOW)
    parts = explain(features, caller, recipe, NOW, ranked.slots)
    assert [part["score"] for part in parts] == pytest.approx(ranked.scores.tolist(), rel=1e-6)


def test_parts_make_up_the_score() -> None:
    rows = [Row(2 * DAY_S, author=1, likes=5, comments=1, spam=1, topics=(2,))]
    caller = Caller(followed=codes(1), topics=codes(2), topic_affinity=np.array([0.25], np.float32))
    recipe = Recipe(weights={"spam": -3.0, "comments": 2.0})
    [parts] = explain(features_of(rows), caller, recipe, NOW, [0])
    assert parts == {
        "signals.comments": 2.0,
        "signals.likes": 5.0,
        "engagement": 3.0,
        "follow": 2.0,
        "topic": 0.5,
        "base": 6.5,
        "signals.spam": 0.25,
        "decay": 0.25,
        "score": 6.5 / 16,
        "age_s": 2 * DAY_S,
        "pinned": 0.0,
        "seen": 0.0,
    }
    assert parts["score"] == prod([parts["base"], parts["signals.spam"], parts["decay"]])


def test_rows_are_explained_in_the_order_asked_for() -> None:
    features = features_of([Row(likes=1), Row(5, is_pinned=True), Row(9)])
    parts = explain(features, Caller(seen=codes(2)), Recipe("gravity"), NOW, [2, 0, 1])
    assert [part["age_s"] for part in parts] == [9, 0, 5]
    assert [part["points"] for part in parts] == [0, 1, 0]
    assert [part["seen"] for part in parts] == [1, 0, 0]
    assert [part["pinned"] for part in parts] == [0, 0, 1]


def test_a_plugins_score_is_shown_as_it_is() -> None:
    parts = explain(features_of([Row(), Row()]), Caller(), Recipe(), NOW, [1], np.array([4, 5], np.float32))
    assert parts == [{"score": 5.0, "age_s": 0.0, "pinned": 0.0, "seen": 0.0}]
