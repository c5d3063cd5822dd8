"""Figures go between their marks, and nowhere else."""

from pathlib import Path

import pytest

from bench.__main__ import _MEASUREMENTS
from bench.document import filled, marks
from bench.errors import BenchError
from bench.plan import Section

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
SECTION = Section("a", "| new |", [])
FIRST, LAST = marks("a")


def test_what_stands_between_the_marks_is_replaced_and_the_rest_kept() -> None:
    page = f"before\n{FIRST}\nold\n{LAST}\nafter\n"
    assert filled(page, SECTION, "how") == f"before\n{FIRST}\n| new |\n\nhow\n{LAST}\nafter\n"


def test_filling_twice_changes_nothing_more() -> None:
    once = filled(f"{FIRST}{LAST}", SECTION, "how")
    assert filled(once, SECTION, "how") == once


@pytest.mark.parametrize(
    "page",
    ["", FIRST, LAST, f"{LAST}{FIRST}", f"{FIRST}{FIRST}{LAST}", f"{FIRST}{LAST}{LAST}"],
    ids=["none", "only the first", "only the last", "wrong order", "two first", "two last"],
)
def test_a_page_without_its_marks_is_refused(page: str) -> None:
    with pytest.raises(BenchError, match="expected"):
        filled(page, SECTION, "how")


@pytest.mark.parametrize("name", _MEASUREMENTS)
def test_the_page_has_a_place_for_every_measurement(name: str) -> None:
    assert filled(PAGE.read_text(encoding="utf-8"), Section(name, "x", []), "y")
