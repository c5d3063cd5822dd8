"""What Hapta makes without PocketBase is what PocketBase would have answered."""

import sys
from itertools import count, islice
from pathlib import Path

import pytest

from tests.isolation import stage
from tests.isolation.planted_remade import REMADE
from tests.isolation.remade import made, run
from tests.support.hapta import Hapta

FOUND_WITHIN = 24
"""Worlds in which a planted bug has to show itself; most do in the first three."""
FIRST = {"unique-where": 5, "touched-modifier": 4, "touched-date": 10, "echo-any": 3, "derive-page": 2}
"""World to begin with, where the ones before show nothing."""


@pytest.mark.parametrize(
    "worlds",
    [
        pytest.param(7, id="7 worlds", marks=pytest.mark.timeout(120)),
        pytest.param(400, id="400 worlds", marks=[pytest.mark.all_modes, pytest.mark.timeout(3600)]),
    ],
)
async def test_what_is_made_of_writes_and_rows_is_what_pocketbase_answers(
    tmp_path: Path, worlds: int
) -> None:
    with stage.running(tmp_path) as urls:
        async with stage.doors(urls) as doors:
            figures = await run(doors, 2026, range(worlds), say=print)
    print(figures)
    assert not figures.differences, "\n".join(map(str, figures.differences))
    counts = made(figures)
    assert counts["patched"] > 20 * worlds, counts
    assert counts["from-list"] > 10 * worlds, counts
    assert counts["refilled"] > worlds, counts


SLOW_TO_SHOW = {"echo-any", "derive-page"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.all_modes if name in SLOW_TO_SHOW else []) for name in REMADE],
)
async def test_a_bug_planted_into_it_is_found(tmp_path: Path, name: str) -> None:
    def command(hapta: Hapta) -> list[str]:
        arguments = hapta.command[hapta.command.index("serve") + 1 :]
        return [sys.executable, "-m", "tests.isolation.planted_serve", name, *arguments]

    with stage.running(tmp_path, command) as urls:
        async with stage.doors(urls) as doors:
            worlds = count(FIRST.get(name, 0))
            figures = await run(doors, 3, islice(worlds, FOUND_WITHIN), say=print)
    assert figures.differences, f"not within {FOUND_WITHIN} worlds: {figures}"
