"""docs/feeds.md says what feeds are: its keys, its formulas, its example and its quick start are tried."""

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.app.ranked_feeds import GUESTS_FOR_S, MOST_ASKED
from hapta.config.feed_tables import EdgeConfig, RankedFeedConfig, SignalConfig
from hapta.config.feeds import MOST_EDGES, MOST_FEEDS, MOST_SIGNALS, MOST_TOPICS, read_feeds
from hapta.config.fields import expected, fields_of
from hapta.config.reference import as_toml
from hapta.ranking import signals, signatures, snapshots, spec, visible
from hapta.ranking.explain import explain
from hapta.ranking.features import Caller, Features, Recipe
from hapta.ranking.presets import FOR_YOU_WEIGHTS, POSTLY_WEIGHTS, PRESETS
from hapta.stages.ranked_rows import MOST_WHOLE
from tests.conftest import MakeHapta, MakePocketBase
from tests.support.pocketbase import PASSWORD, PocketBase
from tests.support.process import wait_until

TEXT = (Path(__file__).parent.parent / "docs" / "feeds.md").read_text(encoding="utf-8")
PRESETS_PART = TEXT.partition("\n## The presets\n")[2].partition("\n### An example\n")[0]
FORMULAS = dict(re.findall(r"### `(\w+)`\n\n```python\n(.*?)```", PRESETS_PART, re.DOTALL))
EXAMPLE = dict(
    re.findall(r"^\| `(\w+)` \| (-?[\d.]+) \|$", TEXT.partition("\n### An example\n")[2], re.MULTILINE)
)
POSTLY = tuple(POSTLY_WEIGHTS)
TABLES = {
    "### `[feeds.<name>]`": RankedFeedConfig,
    "### `[feeds.<name>.signals]`": SignalConfig,
    "### `[feeds.<name>.follows]`": EdgeConfig,
}


@pytest.mark.parametrize(("heading", "struct"), TABLES.items())
def test_each_key_stands_on_the_page_with_what_it_takes_and_its_default(heading: str, struct: type) -> None:
    part = TEXT.partition(f"\n{heading}")[2].partition("\n### ")[0]
    shown = re.findall(r"^\| `(\w+)` \| (.*?) \| (`.*?`|required) \| \S", part, re.MULTILINE)
    fields = fields_of("feeds.<name>", struct)
    assert shown == [
        (field.name, expected(field), "required" if field.is_required else f"`{as_toml(field.default)}`")
        for field in fields
    ]


def test_the_tables_within_a_feed_have_a_section_each() -> None:
    within = {field for field in RankedFeedConfig.__struct_fields__ if field not in _keys(RankedFeedConfig)}
    assert within == {"signals", "weights", "follows", "hides", "engaged"}
    headings = "\n".join(re.findall(r"^### .*$", TEXT, re.MULTILINE))
    assert all(f"{name}]`" in headings or f"`.{name}`" in headings for name in within)


def _keys(struct: type) -> set[str]:
    return {field.attribute for field in fields_of("feeds.<name>", struct)}


@pytest.mark.parametrize(
    "said",
    [
        f"There are at most {MOST_FEEDS} feeds",
        f"at most {MOST_SIGNALS}. Either a field",
        f"at most {MOST_EDGES} of each",
        f"at most {MOST_TOPICS} fields, of a row at most {spec.MOST_TOPICS} topics",
        f"in its first {signals.LOOKED_AT:,} characters",
        f"the newest {MOST_ASKED:,} rows",
        f"of at most {signatures.MOST:,} different kinds",
        f"texts of more than {signatures.LONGEST} characters",
        f"in more than {visible.MOST_ASKED} of these",
        f"a collection of at most {MOST_WHOLE} rows",
    ],
)
def test_bounds_are_those_of_the_code(said: str) -> None:
    assert said in " ".join(TEXT.split())


def test_times_are_those_of_the_code() -> None:
    assert (snapshots.LIFETIME_S, snapshots.MOST_IDS, GUESTS_FOR_S) == (3600, 2_000_000, 2)
    assert "A snapshot holds for an hour" in TEXT
    assert "hold two million" in TEXT
    assert "after two seconds at the latest" in TEXT


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
def test_each_table_of_the_page_is_taken(block: str) -> None:
    tables = tomllib.loads(block)["feeds"]
    whole = {name: {"collection": "posts", "author": "author", **table} for name, table in tables.items()}
    assert read_feeds(whole, {}).keys() == tables.keys()


def test_each_preset_has_a_formula_and_its_place_in_the_example() -> None:
    assert FORMULAS.keys() == EXAMPLE.keys() == PRESETS.keys()


def by_the_page(preset: str, facts: dict[str, Any]) -> float:
    """The score that the formula on the page gives."""
    names: dict[str, Any] = {**vars(math), "sign": lambda number: (number > 0) - (number < 0), **facts}
    exec(FORMULAS[preset], names)
    return float(names["score"])


def by_hapta(
    preset: str, values: dict[str, float], created: float, now: float, recipe: Recipe, caller: Caller
) -> float:
    """The score that Hapta gives to a row of author 1 and topics 2 and 3."""
    features = Features(
        created=np.array([created]),
        author=np.array([1], np.int32),
        is_candidate=np.array([True]),
        pinned=np.array([False]),
        topics=np.array([[2, 3]], np.int32),
        signals={name: np.array([value], np.float32) for name, value in values.items()},
    )
    return explain(features, caller, recipe, now, [0])[0]["score"]


def facts_of(values: dict[str, float], weights: dict[str, float], age_s: float, now: float) -> dict[str, Any]:
    """What the page calls these."""
    weighted = {name: weights.get(name, 1.0) for name in values}
    return {
        **dict.fromkeys(POSTLY, 0.0),
        **values,
        "s": sum(weighted[name] * value for name, value in values.items()),
        "up": sum(weighted[name] * value for name, value in values.items() if weighted[name] > 0),
        "down": sum(-weighted[name] * value for name, value in values.items() if weighted[name] < 0),
        "negative": [(weighted[name], value) for name, value in values.items() if weighted[name] < 0],
        **{name: weights.get(name, weight) for name, weight in FOR_YOU_WEIGHTS.items()},
        "created": now - age_s,
        "age_s": age_s,
        "half_life_s": 86_400.0,
    }


WEIGHTS = st.dictionaries(
    st.sampled_from(["comments", "reports", "follow", "author", "topic"]), st.integers(-4, 4).map(float)
)
COUNT = st.integers(0, 1000).map(float)
AFFINITY = st.integers(-8, 8).map(lambda number: number / 8)


@pytest.mark.parametrize("preset", sorted(set(PRESETS) - {"postly"}))
@given(
    values=st.fixed_dictionaries({"likes": COUNT, "comments": COUNT, "reports": COUNT}),
    weights=WEIGHTS,
    age_s=st.integers(0, 40 * 86_400).map(float),
    is_followed=st.booleans(),
    author=AFFINITY,
    topics=st.tuples(AFFINITY, AFFINITY),
)
def test_the_formulas_as_written_give_the_scores_that_hapta_gives(
    preset: str,
    values: dict[str, float],
    weights: dict[str, float],
    age_s: float,
    is_followed: bool,
    author: float,
    topics: tuple[float, float],
) -> None:
    now = 1_790_000_000.0
    caller = Caller(
        followed=np.array([1] if is_followed else [], np.int32),
        authors=np.array([1], np.int32),
        author_affinity=np.array([author], np.float32),
        topics=np.array([2, 3], np.int32),
        topic_affinity=np.array(topics, np.float32),
    )
    facts = facts_of(values, weights, age_s, now)
    facts |= {"is_followed": is_followed, "author_affinity": author}
    facts["topic_affinity"] = max(-1.0, min(1.0, sum(topics)))
    found = by_hapta(preset, values, now - age_s, now, Recipe(preset, weights), caller)
    assert found == pytest.approx(by_the_page(preset, facts), rel=1e-9, abs=1e-9)


@given(
    values=st.fixed_dictionaries(dict.fromkeys(POSTLY, st.integers(0, 50).map(float))),
    age_s=st.sampled_from([0.0, 7 * 86_400.0, 7 * 86_400.0 + 1, 30 * 86_400.0, 30 * 86_400.0 + 1]),
    liked=st.sampled_from([None, 2, 9]),
)
def test_so_does_postly_and_rows_below_its_least_are_left_out(
    values: dict[str, float], age_s: float, liked: int | None
) -> None:
    now = 1_790_000_000.0
    caller = Caller()
    if liked is not None:
        one = np.array([1.0], np.float32)
        caller = Caller(topics=np.array([liked], np.int32), topic_affinity=one)
    facts = {**values, "age_s": age_s, "has_interests": liked is not None, "is_on_topic": liked == 2}
    score = by_the_page("postly", facts)
    found = by_hapta("postly", values, now - age_s, now, Recipe("postly"), caller)
    if abs(score + 1) > 1e-6:
        assert found == (pytest.approx(score) if score > -1 else -math.inf)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_example_has_the_scores_that_hapta_gives(preset: str) -> None:
    created = 1_767_247_200.0  # 2026-01-01 06:00:00 UTC
    values = {"likes": 12.0, "comments": 4.0, "reports": 1.0}
    recipe = Recipe(preset, {"comments": 2.0, "reports": -3.0})
    caller = Caller(followed=np.array([1], np.int32))
    found = by_hapta(preset, values, created, created + 6 * 3600, recipe, caller)
    assert f"{found:.6g}" == EXAMPLE[preset]


def collections(pocketbase: PocketBase) -> None:
    """What the quick start asks for, beside the posts and comments that are there."""
    relations = {"likes": {"post": "pbc_posts000001"}}
    relations["follows"] = {"follower": "_pb_users_auth_", "followed": "_pb_users_auth_"}
    for name, fields in relations.items():
        body = {
            "name": name,
            "type": "base",
            "listRule": "",
            "fields": [
                {"name": field, "type": "relation", "collectionId": target, "maxSelect": 1}
                for field, target in fields.items()
            ],
        }
        pocketbase.admin.post("/api/collections", json=body).raise_for_status()


def test_the_quick_start_works(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta, tmp_path: Path
) -> None:
    pocketbase = make_pocketbase()
    collections(pocketbase)
    post = "post00000000007"
    for _ in range(50):
        row = {"post": post}
        pocketbase.admin.post("/api/collections/likes/records", json=row).raise_for_status()
    start = TEXT.partition("## Quick start")[2]
    config = tmp_path / "config.toml"
    config.write_text(re.findall(r"```toml\n(.*?)```", start, re.DOTALL)[0])
    hapta = make_hapta(upstream=pocketbase.url, arguments=("--config", str(config)))
    wait_until(lambda: "ranked_feed_ready" in hapta.log, "the table is loaded")
    own, listed = re.findall(r"^curl 'http://127.0.0.1:8080(.*)'$", start, re.MULTILINE)
    first, same = httpx.get(hapta.url + own).json(), httpx.get(hapta.url + listed).json()
    assert first == same
    assert first["items"][0]["id"] == post
    assert first.keys() == {"items", "page", "perPage", "snapshot", "totalItems", "totalPages"}
    login = {"identity": "ada@example.com", "password": PASSWORD}
    token = httpx.post(f"{hapta.url}/api/collections/users/auth-with-password", json=login).json()["token"]
    headers = {"Authorization": token}
    page = httpx.get(f"{hapta.url}{own}&page=2&snapshot={first['snapshot']}", headers=headers).json()
    assert page["snapshot"] != first["snapshot"]  # which was a guest's
