"""A plugin scores a feed: in a worker, on columns it cannot change; what cannot work is refused at load."""

import asyncio
import io
import os
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from bench.feeds import NOW, DrawnTable
from hapta.app.feed_scorers import Scorer, feed_problems
from hapta.app.plugins import Plugins, hooks_at_rest
from hapta.config import Loaded, load
from hapta.hooks.loader import PluginErrors
from hapta.hooks.reject import HookFailed
from hapta.model.clock import SystemClock
from hapta.model.errors import RankingUnavailable
from hapta.observe.events import Events
from hapta.observe.hook_metrics import HookMetrics
from hapta.ranking.features import Caller, Codes, Ranked, Recipe
from hapta.ranking.rank import rank
from hapta.testing import load_plugin, make_columns
from hapta.workers.functions import FunctionRef
from tests.ranking.conftest import MakeSite, Site

RECIPE = Recipe(half_life_s=3600.0, depth=50, weights={"likes": 2.0})
HEAD = "import numpy as np\n"
SETUP = "\ndef setup(api):\n    api.feed('home')(score)\n"


def written(folder: Path, source: str, name: str = "mine") -> Path:
    file = folder / f"{name}.py"
    file.write_text(HEAD + textwrap.dedent(source))
    return file


def scorer(file: Path) -> Scorer:
    return Scorer("mine", FunctionRef(str(file), "score").target, f"{file}:2")


async def scored(site: Site, table: Any, file: Path, caller: Caller | None = None, **keys: Any) -> Ranked:
    keys = {"deadline_s": 30.0, "plugin": scorer(file), **keys}
    return await site.here.rank(table, caller or Caller(), RECIPE, NOW, **keys)


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    made = await make_site(count=1)
    assert isinstance(made, Site)
    return made


async def test_its_scores_are_what_rows_are_ranked_by(site: Site, tmp_path: Path) -> None:
    file = written(tmp_path, "def score(c): return c.signals['likes'] - c.age_s / 1e6")
    table = DrawnTable(site.arena, 2000)
    features = table.features()
    scores = (features.signals["likes"] - (NOW - features.created) / 1e6).astype(np.float32)
    for number in range(10):
        caller = table.caller(number)
        got = await scored(site, table, file, caller)
        expected = rank(features, caller, RECIPE, NOW, scores)
        assert got.slots.tolist() == expected.slots.tolist()
        assert got.total == expected.total
    assert {where for where, _ in site.told.counted} == {"pool"}


async def test_it_gets_the_rows_of_the_caller_and_their_ties(site: Site, tmp_path: Path) -> None:
    table = DrawnTable(site.arena, 4)
    arrays = table.block.arrays
    arrays["created"][:] = [NOW - 10, NOW - 20, NOW - 30, NOW + 40]
    arrays["author"][:] = [0, 1, 2, -1]
    arrays["is_candidate"][:] = True
    arrays["pinned"][:] = [False, False, False, True]
    arrays["topics"][:] = [[0, -1], [0, 1], [-1, -1], [1, 2]]
    arrays["signal.likes"][:] = [1, 2, 3, 4]
    caller = Caller(
        followed=codes(1, 9),
        hidden=codes(2),
        seen=codes(0, 2),
        authors=codes(0, 1),
        author_affinity=np.array([0.5, -1], np.float32),
        topics=codes(0, 1),
        topic_affinity=np.array([0.25, 0.5], np.float32),
    )
    file = written(
        tmp_path,
        """
        def score(c):
            assert (len(c), c.now, c.half_life_s) == (3, 1_790_000_000.0, 3600.0)
            assert dict(c.weights) == {"likes": 2}
            assert c.age_s.tolist() == [10, 20, 0]
            assert (c.now - c.created).tolist() == [10, 20, -40]
            assert c.author.tolist() == [0, 1, -1]
            assert c.pinned.tolist() == [False, False, True]
            assert c.topics.tolist() == [[0, -1], [0, 1], [1, 2]]
            assert c.signals["likes"].tolist() == [1, 2, 4]
            assert c.followed.tolist() == [False, True, False]
            assert c.author_affinity.tolist() == [0.5, -1, 0]
            assert c.topic_affinity.tolist() == [0.25, 0.75, 0.5]
            assert c.seen.tolist() == [True, False, False]
            for each in (c.created, c.age_s, c.author, c.topics, c.pinned, c.seen, *c.signals.values()):
                try:
                    each[0] = 1
                except ValueError:
                    continue
                raise AssertionError("it could be written to")
            return c.signals["likes"]
        """,
    )
    got = await scored(site, table, file, caller)
    assert site.told.events == []
    assert got.slots.tolist() == [3, 1, 0]


def codes(*values: int) -> Codes:
    return np.array(values, np.int32)


async def test_a_row_without_a_finite_score_is_left_out(site: Site, tmp_path: Path) -> None:
    table = DrawnTable(site.arena, 4)
    table.block.arrays["is_candidate"][:] = True
    table.block.arrays["pinned"][:] = False
    file = written(tmp_path, "def score(c): return np.array([1.0, np.nan, 1e300, 2.0])")
    got = await scored(site, table, file)
    assert got.slots.tolist() == [3, 0]
    assert got.total == 2


async def test_whole_numbers_and_flags_are_scores_too(site: Site, tmp_path: Path) -> None:
    table = DrawnTable(site.arena, 3)
    table.block.arrays["is_candidate"][:] = True
    table.block.arrays["pinned"][:] = False
    for made in ("np.array([3, 1, 2])", "np.array([True, False, True]) * 2 + np.array([1, 0, 0])"):
        file = written(tmp_path, f"def score(c): return {made}")
        assert (await scored(site, table, file)).slots.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        pytest.param("def score(c):\n    return 1 / 0", 3, "ZeroDivisionError", id="raises"),
        pytest.param("def score(c):\n    raise SystemExit(3)", 3, "SystemExit", id="ends"),
        pytest.param("def score(c): return c.signals['nope']", 2, "KeyError", id="unknown signal"),
        pytest.param("def score(c): return [1.0] * len(c)", 2, "numpy array", id="a list"),
        pytest.param("def score(c): return c.created[:5]", 2, "shape", id="too few"),
        pytest.param("def score(c): return c.created.astype(str)", 2, "numbers", id="texts"),
        pytest.param("def score(c): return c.created.astype(complex)", 2, "numbers", id="complex"),
        pytest.param("def score(c): c.created[0] = 1", 2, "read-only", id="writes"),
        pytest.param(
            "def score(c): return np.zeros(1)\nimport nothing_of_the_kind", 3, "No module", id="load"
        ),
    ],
)
async def test_one_that_fails_is_a_503_and_the_operator_is_told_where(
    site: Site, tmp_path: Path, source: str, line: int, problem: str
) -> None:
    file = written(tmp_path, source)
    with pytest.raises(RankingUnavailable) as caught:
        await scored(site, DrawnTable(site.arena, 100), file)
    assert int(caught.value.headers["Retry-After"]) >= 1
    assert caught.value.message == RankingUnavailable.message  # nothing of the plugin's goes to a client
    ((event, fields),) = site.told.events
    assert event == "ranking_failed"
    assert fields["message"].startswith(f"{file}:{line}: scoring the feed drawn failed: ")
    assert problem in fields["message"]
    assert (fields["feed"], fields["plugin"]) == ("drawn", "mine")
    assert site.told.counted == [("pool", "failed")]
    assert site.pool.restarts == {}


async def test_what_is_told_of_a_failure_is_bounded(site: Site, tmp_path: Path) -> None:
    file = written(tmp_path, "def score(c):\n    raise ValueError('x' * 10**6)")
    with pytest.raises(RankingUnavailable):
        await scored(site, DrawnTable(site.arena, 100), file)
    ((_, fields),) = site.told.events
    assert len(fields["message"]) < 2000
    assert len(fields["trace"]) <= 8000


async def test_one_that_does_not_end_is_killed_at_the_deadline(site: Site, tmp_path: Path) -> None:
    file = written(tmp_path, "def score(c):\n    while True: pass")
    with pytest.raises(RankingUnavailable):
        await scored(site, DrawnTable(site.arena, 100), file, deadline_s=0.3)
    ((_, fields),) = site.told.events
    assert fields["message"] == f"{file}:2: scoring the feed drawn failed: it was not done within 0.3 s"
    assert site.told.counted == [("pool", "timed_out")]
    good = written(tmp_path, "def score(c): return c.created", "good")
    assert (await scored(site, DrawnTable(site.arena, 100), good)).total > 0


async def test_a_file_that_changes_scores_anew(site: Site, tmp_path: Path) -> None:
    table = DrawnTable(site.arena, 300)
    table.block.arrays["pinned"][:] = False
    file = written(tmp_path, "def score(c): return c.created")
    newest = await scored(site, table, file, plugin=scorer(file))
    new = written(tmp_path, "def score(c): return -c.created + 0.0", "new")
    os.replace(new, file)
    oldest = await scored(site, table, file, plugin=scorer(file))
    created = table.features().created
    assert created[newest.slots[0]] > created[oldest.slots[0]]


async def test_many_callers_each_get_their_own(site: Site, tmp_path: Path) -> None:
    file = written(tmp_path, "def score(c): return c.followed * 1e9 + c.signals['likes'] - c.age_s / 1e7")
    table = DrawnTable(site.arena, 800)
    features = table.features()
    callers = [replace(table.caller(number), seen=codes()) for number in range(16)]
    got = await asyncio.gather(*(scored(site, table, file, caller) for caller in callers))
    for caller, ranked in zip(callers, got, strict=True):
        follows = np.isin(features.author[ranked.slots], caller.followed) | features.pinned[ranked.slots]
        assert follows.tolist() == sorted(follows.tolist(), reverse=True)
        assert not np.isin(features.author[ranked.slots], caller.hidden_authors).any()


# at load


REFUSED = {
    "async": ("async def score(c): ...", "is async"),
    "lambda": ("score = lambda c: c.created", "could not find <lambda>"),
    "no function": ("score = 3", "takes a function"),
    "a class": ("class score: ...", "takes a function"),
    "two arguments": ("def score(a, b): ...", "must take 1 argument"),
    "wrapped": (
        "def made():\n    def score(c): ...\n    return score\nscore = made()",
        "could not find made",
    ),
    "defined again": ("def score(c): ...\nold = score\ndef score(c): ...\nscore, old = old, score", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_worker_could_not_run_is_refused_with_file_and_line(tmp_path: Path, name: str) -> None:
    source, problem = REFUSED[name]
    file = written(tmp_path, source + SETUP)
    if not problem:
        assert load_plugin(file).hooks  # what bears its name is what a worker finds
        return
    with pytest.raises(PluginErrors) as caught:
        load_plugin(file)
    (text,) = caught.value.problems
    assert f"{file}:" in text
    assert problem in text
    assert "level of the module" in text or name == "two arguments"


def test_a_function_within_setup_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "def setup(api):\n    @api.feed('home')\n    def score(c): ...")
    with pytest.raises(PluginErrors, match=r"mine\.py:3: feed: a worker process could not find"):
        load_plugin(file)


def test_one_plugin_scores_a_feed_once(tmp_path: Path) -> None:
    source = "def score(c): ...\ndef other(c): ...\ndef setup(api):\n"
    file = written(tmp_path, source + "    api.feed('home')(score)\n    api.feed('home')(other)")
    with pytest.raises(PluginErrors, match=r"mine\.py:3: the feed home is scored already \(line 2\)"):
        load_plugin(file)


def test_a_feed_that_is_not_there_or_scored_already_is_told_with_file_and_line(tmp_path: Path) -> None:
    first = load_plugin(written(tmp_path, "def score(c): ..." + SETUP, "first")).hooks
    second = load_plugin(written(tmp_path, "def score(c): ..." + SETUP, "second")).hooks
    assert feed_problems(first, {"home"}) == []
    (missing,) = feed_problems(first, {"trending"})
    assert f"{tmp_path}/first.py:2: feed: there is no [feeds.home]" in missing
    assert "it has trending" in missing
    (twice,) = feed_problems([*first, *second], {"home"})
    assert f"{tmp_path}/second.py:2: feed: home is scored by first.score already" in twice


def test_a_plugin_in_a_test_scores_as_in_a_worker(tmp_path: Path) -> None:
    plugin = load_plugin(written(tmp_path, "def score(c): return c.signals['likes'] + c.followed" + SETUP))
    columns = make_columns([0, 60], {"likes": [1, 5]}, followed=[True, False])
    assert plugin.score("home", columns).tolist() == [2, 5]
    with pytest.raises(ValueError, match="no feed 'other'"):
        plugin.score("other", columns)
    with pytest.raises(HookFailed):
        plugin.score("home", make_columns([0]))


def test_made_columns_are_like_a_workers(tmp_path: Path) -> None:
    columns = make_columns([10, 20], topics=[[1, 2], [3, -1]])
    assert columns.topics.shape == (2, 2)
    assert (columns.now - columns.created).tolist() == [10, 20]
    assert not columns.age_s.flags.writeable
    assert make_columns([]).topics.shape == (0, 0)
    with pytest.raises(ValueError, match="2 rows"):
        make_columns([1, 2], seen=[True])


def configured(home: Path, *feeds: str) -> Loaded:
    """A configuration with these feeds, and the plugins of a folder beside it."""
    (home / "plugins").mkdir(exist_ok=True)
    tables = [f'[feeds.{name}]\ncollection = "posts"\n' for name in feeds]
    (home / "config.toml").write_text("\n".join(tables))
    return load(Path("config.toml"), {}, [], home)


def at_work(loaded: Loaded) -> Plugins:
    events = Events(loaded.config.log, io.BytesIO(), SystemClock())
    metrics = HookMetrics(CollectorRegistry())
    plugins = Plugins(loaded, [], None, clock=SystemClock(), events=events, metrics=metrics)
    plugins.load()
    return plugins


async def test_the_start_is_refused_where_the_feed_is_not_configured_and_the_check_says_so(
    tmp_path: Path,
) -> None:
    loaded = configured(tmp_path, "trending")
    file = written(tmp_path / "plugins", "def score(c): ..." + SETUP)
    for begin in (at_work, hooks_at_rest):
        with pytest.raises(PluginErrors) as caught:
            begin(loaded)
        (problem,) = caught.value.problems
        assert problem.startswith(f"{file}:2: feed: there is no [feeds.home]")


async def test_two_plugins_for_one_feed_are_refused(tmp_path: Path) -> None:
    loaded = configured(tmp_path, "home")
    for name in ("one", "two"):
        written(tmp_path / "plugins", "def score(c): ..." + SETUP, name)
    with pytest.raises(PluginErrors, match=r"home is scored by one\.score already"):
        at_work(loaded)


async def test_a_reload_may_not_take_a_feed_from_its_plugin_nor_give_it_a_second(tmp_path: Path) -> None:
    loaded = configured(tmp_path, "home", "trending")
    written(tmp_path / "plugins", "def score(c): ..." + SETUP, "one")
    plugins = at_work(loaded)
    with pytest.raises(PluginErrors, match=r"one\.py:2: feed: there is no \[feeds\.home\]"):
        await plugins.prepare(configured(tmp_path, "trending"))
    written(tmp_path / "plugins", "def score(c): ..." + SETUP, "two")
    with pytest.raises(PluginErrors) as caught:
        await plugins.prepare(configured(tmp_path, "home"))
    assert len(caught.value.problems) == 1
    scorer = plugins.scorer("home")
    assert scorer is not None
    assert (scorer.plugin, plugins.scorer("trending")) == ("one", None)
    assert scorer.where.endswith("one.py:2")


async def test_a_reload_moves_a_feed_from_one_plugin_to_the_other(site: Site, tmp_path: Path) -> None:
    loaded = configured(tmp_path, "home")
    one = written(tmp_path / "plugins", "def score(c): return c.created" + SETUP, "one")
    plugins = at_work(loaded)
    table = DrawnTable(site.arena, 300)
    table.block.arrays["pinned"][:] = False
    newest = await scored(site, table, one, plugin=plugins.scorer("home"))
    one.unlink()
    written(tmp_path / "plugins", "def score(c): return -c.created" + SETUP, "two")
    plugins.commit(await plugins.prepare(loaded))
    oldest = await scored(site, table, one, plugin=plugins.scorer("home"))
    await plugins.stop()
    created = table.features().created
    assert created[newest.slots[0]] > created[oldest.slots[0]]
