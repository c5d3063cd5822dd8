"""The same requests and the same bounds as the reference simulator of the workload, number for number."""

from dataclasses import asdict

import pytest

from hapta.workload.bounds import Bounds, bounds
from hapta.workload.draws import Kind, Workload
from hapta.workload.profiles import DEFAULT_SEED, PROFILES

_FIRST_NAMES = ("reads", "edge", "writes", "distinct", "files", "naive", "coll", "exact", "patch", "norm")
_NAMES = (*_FIRST_NAMES, "snap", "snap_nocoal", "w_100ms", "w_1s", "w_5s")
_KINDS = ("home", "reco", "view", "comments", "profile", "uposts", "tag", "counts", "notif", "file", "search")

# What the reference simulator prints for seed 20250718: profile, requests, _NAMES' numbers, _KINDS' numbers.
_REFERENCE = [
    (
        "S",
        50_000,
        "49896 1481 104 282 6 21098 6206 954 386 329 65 117 92 52 17",
        "13049 3994 10043 6470 3992 2456 1998 1452 1463 2973 525",
    ),
    (
        "H",
        50_000,
        "49896 1489 104 1732 113 30802 12831 2526 1836 1521 172 225 94 51 16",
        "13082 3929 10058 6416 3993 2528 1990 1498 1481 2894 538",
    ),
    (
        "H1",
        5_000,
        "4958 146 42 910 81 3824 2311 1119 952 744 96 131 27 7 2",
        "1290 366 968 657 439 252 183 134 141 308 74",
    ),
    (
        "R0",
        5_000,
        "4992 158 8 1406 112 3494 1961 1435 1414 1198 133 136 8 5 2",
        "1284 422 1008 653 394 262 215 129 143 275 49",
    ),
    (
        "R",
        5_000,
        "4904 153 96 1382 112 4210 2908 1698 1478 1251 138 224 52 10 3",
        "1273 409 992 626 388 270 209 124 149 267 44",
    ),
    (
        "W",
        5_000,
        "4511 153 489 1352 107 4543 3764 2507 1841 1594 136 612 85 13 10",
        "1143 372 911 593 358 245 181 108 152 251 44",
    ),
]


def _bounds(profile: str, requests: int, seed: int = DEFAULT_SEED) -> Bounds:
    workload = Workload(PROFILES[profile], seed)
    return bounds(workload.profile, workload.world, workload.draws(requests))


@pytest.mark.parametrize(
    ("profile", "requests", "numbers", "kinds"), [pytest.param(*row, id=row[0]) for row in _REFERENCE]
)
def test_draws_and_bounds_equal_the_reference_simulator(
    profile: str, requests: int, numbers: str, kinds: str
) -> None:
    found = asdict(_bounds(profile, requests))
    assert found.pop("kinds") == dict(zip(_KINDS, map(int, kinds.split()), strict=True))
    assert found == dict(zip(_NAMES, map(int, numbers.split()), strict=True))


def test_the_levels_fall_from_the_coarsest_cache_to_the_replica() -> None:
    levels = list(_bounds("S", 5_000).levels().values())
    assert levels == sorted(levels, reverse=True)


def test_the_same_seed_draws_the_same_requests_and_another_seed_others() -> None:
    def draws(seed: int) -> list[object]:
        return list(Workload(PROFILES["S"], seed).draws(200))

    assert draws(7) == draws(7)
    assert draws(7) != draws(8)


def test_writes_and_notifications_always_have_an_actor_and_new_posts_are_numbered_on() -> None:
    workload = Workload(PROFILES["W"], DEFAULT_SEED)
    new_posts = []
    for draw in workload.draws(2_000):
        if draw.kind.is_write or draw.kind is Kind.NOTIFICATIONS:
            assert draw.actor in workload.world.active
        if draw.kind in (Kind.POST, Kind.UPLOAD):
            new_posts.append(draw.subject)
    assert new_posts == list(range(2_000, 2_000 + len(new_posts)))
    assert new_posts
