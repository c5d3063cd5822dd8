"""From columns to an order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.ranking.features import Caller, Features, Recipe
from hapta.ranking.presets import PRESETS, silent
from hapta.ranking.rank import rank
from hapta.ranking.rows import Rows
from tests.ranking import naive
from tests.ranking.columns import AGES, COUNTS, DAY_S, NOW, ROWS, SIGNALS, Row, callers, codes, features_of

PRESET = st.sampled_from(sorted(PRESETS))
WEIGHTS = {"spam": -1.0, "comments": 2.0}


def slots(features: Features, caller: Caller | None = None, **recipe: object) -> list[int]:
    return rank(features, caller or Caller(), Recipe(**recipe), NOW).slots.tolist()


def scores(features: Features, caller: Caller, recipe: Recipe) -> np.ndarray:
    return PRESETS[recipe.preset](features, caller, recipe, NOW)(Rows.all(features), silent)


@given(data=st.data(), rows=ROWS, preset=PRESET)
def test_the_order_is_that_of_the_naive_way(data: st.DataObject, rows: list[Row], preset: str) -> None:
    caller = data.draw(callers(len(rows)))
    recipe = Recipe(
        preset=preset,
        weights=data.draw(st.sampled_from([{}, WEIGHTS, {"likes": 0.0, "follow": 0.5, "topic": -2.0}])),
        half_life_s=data.draw(st.sampled_from([60.0, DAY_S, 1e9])),
        limit=data.draw(st.sampled_from([3, 10, 1000])),
        window_s=data.draw(st.sampled_from([0.0, DAY_S, 1e7])),
        depth=data.draw(st.sampled_from([1, 3, 100])),
        spacing=data.draw(st.integers(0, 3)),
        seen=data.draw(st.sampled_from(["keep", "lower", "hide"])),
    )
    features = features_of(rows)
    points = np.where(np.isfinite(found := scores(features, caller, recipe)), found, naive.LEFT_OUT)
    ranked = rank(features, caller, recipe, NOW)
    expected, total = naive.order(rows, caller, recipe, points.tolist())
    assert ranked.slots.tolist() == expected
    assert ranked.total == total
    assert ranked.scores == pytest.approx(points[expected].astype(np.float32))
    assert (ranked.slots.dtype, ranked.scores.dtype) == (np.int32, np.float32)


@given(data=st.data(), rows=ROWS, preset=PRESET)
def test_scores_are_those_of_the_written_formulas(data: st.DataObject, rows: list[Row], preset: str) -> None:
    caller = data.draw(callers(len(rows)))
    recipe = Recipe(preset=preset, weights=data.draw(st.sampled_from([{}, WEIGHTS])))
    found = scores(features_of(rows), caller, recipe)
    expected = [naive.score(row, caller, recipe) for row in rows]
    assert np.where(np.isfinite(found), found, naive.LEFT_OUT) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def _place_and_score(rows: list[Row], slot: int, caller: Caller, recipe: Recipe) -> tuple[float, float]:
    features = features_of(rows)
    ranked = rank(features, caller, recipe, NOW).slots.tolist()
    place = ranked.index(slot) if slot in ranked else len(rows) + 1
    return place, float(scores(features, caller, recipe)[slot])


@pytest.mark.parametrize("preset", sorted(PRESETS))
@given(data=st.data(), rows=ROWS.filter(bool), more=st.one_of(COUNTS, st.integers(1, 3)))
def test_more_of_a_wanted_signal_never_lowers_a_row(
    data: st.DataObject, rows: list[Row], more: float, preset: str
) -> None:
    caller = data.draw(callers(len(rows)))
    recipe = Recipe(preset, WEIGHTS, seen=data.draw(st.sampled_from(["keep", "lower"])))
    slot = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(["likes", "comments"]))
    place, score = _place_and_score(rows, slot, caller, recipe)
    liked = replace(rows[slot], **{name: getattr(rows[slot], name) + more})
    place_then, score_then = _place_and_score([*rows[:slot], liked, *rows[slot + 1 :]], slot, caller, recipe)
    assert score_then >= score
    assert place_then <= place


@pytest.mark.parametrize("preset", sorted(PRESETS))
@given(data=st.data(), rows=ROWS.filter(bool), more_s=AGES.filter(lambda age_s: age_s >= 0))
def test_a_greater_age_never_raises_a_row(
    data: st.DataObject, rows: list[Row], more_s: float, preset: str
) -> None:
    caller = data.draw(callers(len(rows)))
    recipe = Recipe(preset, WEIGHTS, seen=data.draw(st.sampled_from(["keep", "lower"])))
    slot = data.draw(st.integers(0, len(rows) - 1))
    place, score = _place_and_score(rows, slot, caller, recipe)
    older = replace(rows[slot], age_s=rows[slot].age_s + more_s)
    place_then, score_then = _place_and_score([*rows[:slot], older, *rows[slot + 1 :]], slot, caller, recipe)
    assert score_then <= score
    assert place_then >= place
    if preset == "wilson":
        assert score_then == score


@given(
    row=st.builds(Row, likes=COUNTS, comments=COUNTS, spam=st.integers(0, 2)),
    half_life_s=st.sampled_from([1.0, 3600.0, DAY_S, 604_800.0]),
    half_lives=st.integers(0, 500),
)
def test_a_half_life_halves_a_score_exactly(row: Row, half_life_s: float, half_lives: int) -> None:
    aged = replace(row, age_s=half_life_s * half_lives)
    now, then = scores(features_of([row, aged]), Caller(), Recipe("for_you", WEIGHTS, half_life_s))
    assert then == now * 0.5**half_lives


@given(data=st.data(), rows=ROWS, preset=PRESET)
def test_nothing_a_caller_must_not_get_appears_even_if_it_is_pinned(
    data: st.DataObject, rows: list[Row], preset: str
) -> None:
    rows = [replace(row, is_pinned=True) for row in rows]
    caller = data.draw(callers(len(rows)))
    for slot in slots(features_of(rows), caller, preset=preset, seen="hide", spacing=1):
        assert rows[slot].is_candidate
        assert caller.visible is None or caller.visible[slot]
        assert slot not in caller.hidden.tolist() + caller.seen.tolist()
        assert rows[slot].author not in caller.hidden_authors.tolist()


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_equal_rows_go_by_date_and_then_by_slot(preset: str) -> None:
    rows = [Row(age_s=100 * DAY_S if number % 2 else -number, likes=3) for number in range(10)]
    assert slots(features_of(rows), preset=preset) == [8, 6, 4, 2, 0, 1, 3, 5, 7, 9]


@given(rows=ROWS, preset=PRESET, names=st.permutations(SIGNALS))
def test_scores_do_not_hang_on_the_order_of_the_columns(
    rows: list[Row], preset: str, names: list[str]
) -> None:
    recipe = Recipe(preset, {"likes": 0.1, "comments": 0.2, "spam": 0.3})  # (a + b) + c is not a + (b + c)
    one, other = (scores(features_of(rows, order), Caller(), recipe) for order in (SIGNALS, names))
    assert one.tolist() == other.tolist()


def test_pinned_rows_come_first_and_the_newest_of_them_first_of_all() -> None:
    rows = [Row(likes=9), Row(5 * DAY_S, is_pinned=True), Row(2 * DAY_S, is_pinned=True), Row(likes=1)]
    ranked = rank(features_of(rows), Caller(), Recipe(), NOW)
    assert ranked.slots.tolist() == [2, 1, 0, 3]
    assert ranked.scores.tolist() == pytest.approx([0.25, 1 / 32, 1 + np.log2(10), 2])


def test_seen_rows_are_kept_lowered_below_all_others_or_hidden() -> None:
    features = features_of([Row(likes=9), Row(likes=8), Row(9 * DAY_S), Row(likes=1, is_pinned=True)])
    caller = Caller(seen=codes(0, 1, 3, 99))
    assert slots(features, caller, seen="keep") == [3, 0, 1, 2]
    assert slots(features, caller, seen="lower") == [3, 2, 0, 1]
    assert slots(features, caller, seen="lower", depth=3) == [3, 2, 0]
    assert slots(features, caller, seen="hide") == [2]


def test_a_followed_author_and_a_topic_of_interest_raise_a_row() -> None:
    features = features_of([Row(), Row(author=1), Row(topics=(7, 3)), Row(author=2)])
    caller = Caller(
        followed=codes(1),
        authors=codes(2),
        author_affinity=np.array([-1], np.float32),
        topics=codes(3),
        topic_affinity=np.array([0.5], np.float32),
    )
    assert slots(features, caller) == [1, 2, 0, 3]


def test_topics_together_count_no_more_than_one_of_greatest_interest() -> None:
    caller = Caller(topics=codes(1, 2, 3), topic_affinity=np.array([0.75, 0.75, -1], np.float32))
    features = features_of([Row(topics=(1, 2)), Row(topics=(1,)), Row(topics=(3, 3)), Row()])
    assert scores(features, caller, Recipe()).tolist() == [3.0, 2.5, 0.01, 1.0]


def test_what_a_caller_likes_least_still_has_a_score_that_its_age_and_spam_lower() -> None:
    caller = Caller(authors=codes(1), author_affinity=np.array([-1], np.float32))
    features = features_of([Row(author=1), Row(DAY_S, 1), Row(author=1, spam=1)])
    assert scores(features, caller, Recipe("for_you", WEIGHTS)).tolist() == [0.01, 0.005, 0.005]


def test_a_guest_and_somebody_new_get_what_is_liked_and_recent() -> None:
    rows = [Row(DAY_S, likes=2), Row(60, likes=40), Row(0), Row(30 * DAY_S, likes=500)]
    features = features_of(rows)
    assert slots(features) == slots(features, Caller(own=3)) == [1, 0, 2, 3]


def test_an_author_who_owns_nearly_all_of_a_feed_is_still_kept_apart() -> None:
    rows = [Row(400 - number, author=0) for number in range(400)] + [Row(1000 + n, n + 1) for n in range(3)]
    recipe = Recipe("chronological", depth=20, spacing=1)
    expected, _ = naive.order(rows, Caller(), recipe, [-row.age_s for row in rows])
    found = rank(features_of(rows), Caller(), recipe, NOW).slots.tolist()
    assert found == expected
    assert found[:7] == [399, 400, 398, 401, 397, 402, 396]


@given(
    data=st.data(),
    authors=st.lists(st.integers(0, 3) | st.integers(-1, 40), max_size=200),
    spacing=st.integers(1, 4),
    depth=st.integers(1, 12),
)
def test_rows_come_from_as_far_down_as_spacing_needs(
    data: st.DataObject, authors: list[int], spacing: int, depth: int
) -> None:
    ages = data.draw(st.randoms(use_true_random=False)).sample(range(len(authors)), len(authors))
    rows = [Row(float(age), author) for age, author in zip(ages, authors, strict=True)]
    recipe = Recipe("chronological", spacing=spacing, depth=depth)
    expected, _ = naive.order(rows, Caller(), recipe, [-row.age_s for row in rows])
    assert rank(features_of(rows), Caller(), recipe, NOW).slots.tolist() == expected


def test_the_newest_of_those_a_caller_may_get_are_ranked_within_the_window() -> None:
    rows = [Row(number * DAY_S, author=number % 2, likes=number) for number in range(10)]
    ranked = rank(
        features_of(rows), Caller(hidden_authors=codes(1)), Recipe("wilson", limit=3, window_s=7 * DAY_S), NOW
    )
    assert ranked.slots.tolist() == [4, 2, 0]
    assert ranked.total == 3
    assert slots(features_of(rows), preset="wilson", window_s=2 * DAY_S) == [2, 1, 0]


def test_a_plugins_scores_take_the_presets_place_and_are_used_as_they_are() -> None:
    features = features_of([Row(likes=100), Row(), Row(is_pinned=True), Row(), Row(90 * DAY_S), Row()])
    given_scores = np.array([1, np.nan, -7, np.inf, 3e38, -np.inf], np.float32)
    ranked = rank(features, Caller(), Recipe(), NOW, given_scores)
    assert ranked.slots.tolist() == [2, 4, 0]
    assert ranked.scores.tolist() == [-7, np.float32(3e38), 1]
    assert ranked.total == 3
    doubled = rank(features, Caller(), Recipe(), NOW, np.array([1, 2, 3, 4, 1e300, 6]))
    assert doubled.slots.tolist() == [2, 4, 5, 3, 1, 0]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_values_at_the_edges_do_not_break_an_order(preset: str) -> None:
    largest = float(np.finfo(np.float32).max)
    rows = [
        Row(NOW),
        Row(-1e9, likes=largest, comments=largest),
        Row(likes=float("inf"), spam=largest),
        Row(1e12, likes=-largest),
        Row(likes=float("nan")),
    ]
    heavy = {"likes": 1e6, "comments": 1e6, "spam": -1e6, "follow": -1e6}
    ranked = rank(features_of(rows), Caller(followed=codes(2)), Recipe(preset, heavy, half_life_s=1e-3), NOW)
    assert len(ranked.slots) == ranked.total >= 3
    assert np.isfinite(ranked.scores).all()


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_date_in_the_future_counts_as_now(preset: str) -> None:
    features = features_of([Row(0, likes=3), Row(-30 * DAY_S, likes=3), Row(-1, likes=3)])
    now, *later = scores(features, Caller(), Recipe(preset)).tolist()
    assert later == [now, now]
    assert slots(features, preset=preset, window_s=60) == [1, 2, 0]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_feed_without_rows_is_empty(preset: str) -> None:
    caller = Caller(0, *[codes(0, 1)] * 5, np.ones(2, np.float32), codes(0, 1), np.ones(2, np.float32))
    for rows in ([], [Row(is_candidate=False)]):
        for seen in ("keep", "lower", "hide"):
            ranked = rank(features_of(rows), caller, Recipe(preset, spacing=1, seen=seen), NOW)
            assert (len(ranked.slots), len(ranked.scores), ranked.total) == (0, 0, 0)


def test_what_is_ranked_is_not_changed_by_it() -> None:
    rows = [Row(number, number % 3, likes=number, is_pinned=number == 2, topics=(1,)) for number in range(9)]
    features, caller = (
        features_of(rows),
        Caller(seen=codes(1), topics=codes(1), topic_affinity=np.ones(1, "f4")),
    )
    columns = [features.created, features.author, features.is_candidate, features.pinned, features.topics]
    for column in (*columns, *features.signals.values()):
        column.flags.writeable = False
    for preset in PRESETS:
        first, again = (
            rank(features, caller, Recipe(preset, spacing=1, seen="lower"), NOW) for _ in range(2)
        )
        assert first.slots.tolist() == again.slots.tolist()


def test_more_rows_than_formulas_take_at_a_time_are_ranked_alike() -> None:
    draw = np.random.default_rng(5)
    likes, ages = draw.integers(0, 9, 40_000), draw.integers(0, 10**6, 40_000)
    rows = [Row(float(age), likes=float(like)) for age, like in zip(ages, likes, strict=True)]
    features, recipe = features_of(rows), Recipe(depth=40_000)
    points = scores(features, Caller(), recipe).tolist()
    expected = sorted(range(40_000), key=lambda slot: (-points[slot], rows[slot].age_s, slot))
    assert slots(features, depth=40_000) == expected
    assert slots(features, depth=500) == expected[:500]
