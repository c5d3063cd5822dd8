"""A hit is what PocketBase would answer now, and whoever breaks that is found out.

Random walks in CI: a bug has to be found under each of three seeds, and many walks without one must pass.
Hypothesis drives the same machine, shortly in CI and at length with ``--all``.
"""

from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.generations_machine import Bugs, GenerationsMachine, walk

STEPS = 40
WALKS = 10_000
"""The shyest of the bugs took up to 2,766 under six seeds."""
SEEDS = ("one", "two", "three")
PLANTED = [name for name in vars(Bugs) if not name.startswith("_")]

_SETTINGS = settings(
    max_examples=100,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
)


def machine_with(bug: str) -> type[GenerationsMachine]:
    class Machine(GenerationsMachine):
        bugs = type("Planted", (Bugs,), {bug: True})

    return Machine


def walks_until_found(machine: type[GenerationsMachine], seed: str, most: int) -> int | None:
    """How many walks it took to find something wrong; ``None`` if that many found nothing."""
    chance = Random(seed)
    for number in range(1, most + 1):
        try:
            walk(machine(), chance, STEPS)
        except AssertionError:
            return number
    return None


def test_a_hit_is_what_pocketbase_would_answer_now() -> None:
    run_state_machine_as_test(GenerationsMachine, settings=_SETTINGS)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_walks_find_nothing_wrong(seed: str) -> None:
    assert walks_until_found(GenerationsMachine, seed, WALKS) is None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, seed: str) -> None:
    assert walks_until_found(machine_with(bug), seed, WALKS) is not None


@pytest.mark.all_modes
@pytest.mark.timeout(600)
def test_a_hit_is_what_pocketbase_would_answer_now_at_length() -> None:
    run_state_machine_as_test(GenerationsMachine, settings=settings(_SETTINGS, max_examples=3000))


@pytest.mark.all_modes
@pytest.mark.timeout(600)
def test_many_random_walks_find_nothing_wrong() -> None:
    assert walks_until_found(GenerationsMachine, "at length", 50 * WALKS) is None


@pytest.mark.all_modes
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found_under_further_seeds(bug: str, seed: int) -> None:
    assert walks_until_found(machine_with(bug), str(seed), 5 * WALKS) is not None
