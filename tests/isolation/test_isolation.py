"""Everybody gets through a warm Hapta what PocketBase itself would have given to them."""

from pathlib import Path

import pytest

from tests.isolation import stage
from tests.isolation.accounts import AccountsWorld
from tests.isolation.runner import run


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("triples", "has_lane"),
    [
        pytest.param(2_000, True, id="2000 triples"),
        pytest.param(2_000, False, id="2000 triples without the fast lane", marks=pytest.mark.all_modes),
        pytest.param(
            50_000, True, id="50000 triples", marks=[pytest.mark.all_modes, pytest.mark.timeout(3600)]
        ),
    ],
)
async def test_everybody_gets_what_pocketbase_itself_would_give_them(
    tmp_path: Path, triples: int, has_lane: bool
) -> None:
    with stage.running(tmp_path, more={"server.fast_lane": has_lane}) as urls:
        async with stage.doors(urls) as doors:
            figures = await run(doors, seed=2026, triples=triples, say=print)
    print(figures)
    assert not figures.differences, "\n".join(map(str, figures.differences))
    assert figures.triples >= triples
    # what proves something: rows are shown, callers are told different things, and the store answers
    assert figures.filled > figures.reads / 3, figures
    assert figures.apart > figures.asks / 3, figures
    assert figures.moved < figures.reads / 1000, figures
    assert figures.hits > figures.reads / 4, figures
    assert figures.revalidated > figures.reads / 100, figures


@pytest.mark.timeout(300)
async def test_those_shown_in_an_answer_others_share_get_it_with_their_own_email(tmp_path: Path) -> None:
    with stage.running(tmp_path) as urls:
        async with stage.doors(urls) as doors:
            figures = await run(doors, seed=2026, triples=1_500, world=AccountsWorld, say=print)
    print(figures)
    assert not figures.differences, "\n".join(map(str, figures.differences))
    overlaid = sum(count for fate, count in figures.fates.items() if fate.endswith("; detail=overlay"))
    assert overlaid > figures.reads / 50, figures.fates
