"""Rows nobody has read yet are shown; readers decide about the others."""

from hapta.testing import load_plugin, make_columns
from tests.unit.examples import EXAMPLES


def scores(ages: list[float], views: list[float], likes: list[float]) -> list[float]:
    plugin = load_plugin(EXAMPLES / "first_chance.py")
    found: list[float] = plugin.score("home", make_columns(ages, {"views": views, "likes": likes})).tolist()
    return found


def test_who_nobody_has_read_is_as_good_as_who_everybody_likes() -> None:
    unread, liked, passed_over = scores([0, 0, 0], [0, 1000, 1000], [0, 1000, 10])
    assert unread == liked == 1.0
    assert passed_over < 0.02


def test_each_reader_who_does_not_like_it_lets_a_row_sink_and_each_like_lifts_it() -> None:
    sinking = scores([0] * 5, [0, 1, 2, 10, 100], [0] * 5)
    assert sinking == sorted(sinking, reverse=True)
    assert len(set(sinking)) == 5
    rising = scores([0] * 4, [100] * 4, [0, 10, 50, 100])
    assert rising == sorted(rising)
    assert len(set(rising)) == 4


def test_half_of_it_is_gone_after_the_half_life() -> None:
    new, old = scores([0, 86_400], [10, 10], [5, 5])
    assert old == new / 2


def test_more_likes_than_readers_are_as_many_readers() -> None:
    odd, even = scores([0, 0], [2, 5], [5, 5])
    assert odd == even


def test_which_feed_it_scores_is_a_setting() -> None:
    plugin = load_plugin(EXAMPLES / "first_chance.py", {"feed": "videos"})
    assert len(plugin.score("videos", make_columns([0], {"views": [1], "likes": [1]}))) == 1
