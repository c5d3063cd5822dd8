"""Medians, spreads, ratios and tables."""

import pytest

from bench.statistics import Spread, differences, ratios, table


def test_a_spread_is_the_median_between_the_least_and_the_greatest() -> None:
    assert Spread.of([5.0, 1.0, 3.0, 100.0, 2.0]) == Spread(3.0, 1.0, 100.0)


def test_the_median_of_an_even_number_lies_between_the_two_in_the_middle() -> None:
    assert Spread.of([4.0, 1.0, 2.0, 100.0]).middle == 3.0


@pytest.mark.parametrize(("digits", "shown"), [(0, "1,234 (12–56,789)"), (2, "1,234.00 (12.35–56,789.10)")])
def test_a_spread_is_shown_with_its_thousands_apart(digits: int, shown: str) -> None:
    assert Spread(1234.0, 12.346, 56789.1).shown(digits) == shown


def test_ratios_are_taken_within_a_round() -> None:
    # a machine three times slower in the second round changes no ratio
    assert ratios([50.0, 20.0, 40.0], [100.0, 40.0, 80.0]) == Spread(0.5, 0.5, 0.5)


def test_differences_are_taken_within_a_round() -> None:
    assert differences([3.0, 9.0], [1.0, 6.0]) == Spread(2.5, 2.0, 3.0)


def test_rounds_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


def test_a_table_has_its_first_column_on_the_left() -> None:
    assert table(["a", "b"], [["x", "1"], ["y", "2"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n| y | 2 |"
