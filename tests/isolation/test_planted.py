"""A planner with a bug is found out by the isolation test."""

import sys
from itertools import count
from pathlib import Path

import pytest

from tests.isolation import stage
from tests.isolation.planted import MUTATIONS
from tests.isolation.rules import THEMES
from tests.isolation.runner import run
from tests.support.hapta import Hapta

TRIPLES = 6_000
KEY_PARTS = (
    "any-auth",
    "auth-field",
    "auth-record",
    "header",
    "query",
    "method",
    "own-email",
    "overlay-twice",
    "overlay-other-email",
)
"""Bugs that drop one part of the key, or lay a wrong e-mail over; the others run with the full matrix."""


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, id=name, marks=[] if name in KEY_PARTS else [pytest.mark.all_modes])
        for name in MUTATIONS
    ],
)
async def test_a_planted_bug_is_found(tmp_path: Path, name: str) -> None:
    def command(hapta: Hapta) -> list[str]:
        arguments = hapta.command[hapta.command.index("serve") + 1 :]
        return [sys.executable, "-m", "tests.isolation.planted_serve", name, *arguments]

    mutation = MUTATIONS[name]
    worlds = count(mutation.theme, THEMES)
    with stage.running(tmp_path, command) as urls:
        async with stage.doors(urls) as doors:
            figures = await run(
                doors, seed=1, triples=TRIPLES, worlds=worlds, world=mutation.world, say=print
            )
    assert figures.differences, f"not within {TRIPLES} triples: {figures}"
