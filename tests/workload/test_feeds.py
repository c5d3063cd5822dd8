"""``hapta bench --feeds``: its made-up sites, what is computed of them, and what ``for_you`` is worth."""

import json
import subprocess
import sys
from math import log2

import numpy as np
import pytest

from hapta.ranking.features import Caller, Features, Ranked, Recipe
from hapta.ranking.rank import rank
from hapta.workload import feed_quality, feed_speed
from hapta.workload.feed_quality import WAYS, first_version, ndcg, version_1_8_2
from hapta.workload.feeds import FeedsReport, run
from hapta.workload.preferences import POSTS, USERS, Draws, site
from hapta.workload.prng import SplitMix64
from hapta.workload.profiles import DEFAULT_SEED

ORIGINAL = ("postly", "first version", "version 1.8.2", "first, one page", "1.8.2, one page")


@pytest.fixture(scope="module")
def report() -> FeedsReport:
    return run(DEFAULT_SEED, lambda line: None, rows=(1000,), seconds=0.0)


@pytest.mark.parametrize("other", ["chronological", *ORIGINAL])
def test_for_you_is_nearer_to_what_people_want_on_every_seed(report: FeedsReport, other: str) -> None:
    ours, theirs = report.quality["for_you"].all, report.quality[other].all
    assert len(ours) == len(theirs) == 5
    assert all(a > b for a, b in zip(ours, theirs, strict=True)), (ours, theirs)


def test_for_you_serves_people_of_whom_nothing_is_known_better_than_by_date(report: FeedsReport) -> None:
    ours, theirs = report.quality["for_you"].new, report.quality["chronological"].new
    assert all(a > b for a, b in zip(ours, theirs, strict=True)), (ours, theirs)


def test_knowing_somebody_helps_for_you_alone(report: FeedsReport) -> None:
    for name in ("hot", "gravity", "chronological"):
        ours, theirs = report.quality["for_you"].known, report.quality[name].known
        assert np.mean(ours) > np.mean(theirs), name


def test_draws_are_those_of_splitmix64() -> None:
    many, one = Draws(7), SplitMix64(7)
    assert many.uniform(3, 4).ravel().tolist() == [one.uniform() for _ in range(12)]
    assert many.uniform(5).tolist() == [one.uniform() for _ in range(5)]


def test_a_site_is_what_its_description_says() -> None:
    drawn = site(1)
    shown = np.zeros((USERS, POSTS), np.bool_)
    for user, caller in enumerate(drawn.callers):
        shown[user, caller.seen] = True
        assert len(caller.followed) == 0 or 8 <= len(caller.followed) <= 10
    is_new = drawn.is_new
    assert 0.1 < is_new.mean() < 0.25
    assert not shown[is_new].any()
    assert all(len(drawn.callers[user].topics) == 0 for user in np.flatnonzero(is_new))
    assert not drawn.grades[shown].any(), "what was shown is held out"
    left = (~shown).sum(axis=1)
    assert ((drawn.grades == 3).sum(axis=1) == (0.01 * left).astype(int)).all()
    assert ((drawn.grades >= 1).sum(axis=1) == (0.10 * left).astype(int)).all()


def test_a_seed_always_gives_the_same_site() -> None:
    one, again, other = site(3), site(3), site(4)
    assert (one.grades == again.grades).all()
    assert one.features.signals["likes"].tolist() == again.features.signals["likes"].tolist()
    assert (one.grades != other.grades).any()


def test_ndcg_is_that_of_the_definition() -> None:
    gained = 7 / log2(2) + 0 / log2(3) + 1 / log2(4)
    best = 7 / log2(2) + 3 / log2(3) + 1 / log2(4)
    assert ndcg([3, 0, 1], [0, 1, 2, 3], places=3) == pytest.approx(gained / best)
    assert ndcg([3, 2, 1, 0], [1, 0, 3, 2]) == 1.0
    assert ndcg([0, 0], [0, 0]) == 0.0


def test_the_first_versions_raise_what_they_meant_to_lower() -> None:
    names = (*feed_quality.POSTLY_WEIGHTS,)
    rows = 4  # nothing; unsafe; by a muted author; spam
    signals = {name: np.zeros(rows, np.float32) for name in names}
    signals["nsfw"][1] = signals["spam"][3] = 1
    signals["mutes"][2] = 100
    features = Features(
        np.full(rows, feed_quality.NOW), np.zeros(rows, np.int32), np.ones(rows, np.bool_),
        np.zeros(rows, np.bool_), np.empty((rows, 0), np.int32), signals,
    )  # fmt: skip
    assert first_version(features).tolist() == pytest.approx([0.5, 1.5, 0.4, 0.0])
    assert version_1_8_2(features).tolist() == pytest.approx([0.5, 100.5, 0.6, 0.5])
    postly = rank(features, Caller(), Recipe("postly"), feed_quality.NOW)
    assert postly.slots.tolist() == [0, 2, 3, 1]


def test_a_ways_order_leaves_out_what_was_shown() -> None:
    drawn = site(2)
    for way in WAYS.values():
        order = way(drawn.features, drawn.callers[0])
        assert len(order) == 20
        assert not set(order) & set(drawn.callers[0].seen.tolist())


def test_a_ranking_elsewhere_is_measured_beside_the_one_in_process() -> None:
    asked = []

    def elsewhere(features: Features, caller: Caller, recipe: Recipe, now: float) -> Ranked:
        asked.append(recipe.preset)
        return rank(features, caller, recipe, now)

    found = feed_speed.measure(
        1, rankings=(("here", rank), ("there", elsewhere)), rows=(50, 100), seconds=0.0
    )
    assert [(speed.rows, speed.where) for speed in found[::4]] == [
        (50, "here"), (50, "there"), (100, "here"), (100, "there"),
    ]  # fmt: skip
    assert len(asked) == sum(speed.rankings + 1 for speed in found if speed.where == "there")
    assert all(0 < speed.wall_p50 <= speed.wall_p99 for speed in found)


def test_the_report_has_every_way_and_every_length(report: FeedsReport) -> None:
    as_json = json.loads(json.dumps(report.as_dict()))
    assert set(as_json["ndcg_at_20"]) == set(WAYS)
    assert len(as_json["ndcg_at_20"]["hot"]["new"]) == len(as_json["seeds"]) == 5
    assert {row["rows"] for row in as_json["speed"]} == {1000}
    text = report.as_text()
    for name in (*WAYS, "NDCG@20", "1,000", "for_you, guest", f"{DEFAULT_SEED} to {DEFAULT_SEED + 4}"):
        assert name in text


def test_options_of_the_workload_are_refused_beside_feeds() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "hapta", "bench", "--feeds", "--profile", "S"], capture_output=True, text=True
    )
    assert found.returncode == 2
    assert "--feeds goes with --seed and --json, not with --profile" in found.stderr


def test_without_feeds_the_command_loads_no_numpy() -> None:
    program = "import sys, hapta.cli.bench; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
