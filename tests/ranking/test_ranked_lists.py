"""``?feed=`` on ordinary lists, beside what PocketBase answers.

Rows of ``docs/differences.md`` proved here: ``ranked-lists``.
"""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase
from tests.support.process import wait_until

POSTS = "/api/collections/posts/records"


@pytest.fixture(scope="module")
def hapta(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    home = tmp_path_factory.mktemp("ranked lists")
    (home / "config.toml").write_text('[feeds.home]\ncollection = "posts"\n')
    server = Hapta(home, pocketbase.url)
    server.start()
    wait_until(lambda: "ranked_feed_ready" in server.log, "the table is loaded")
    yield server
    server.stop()


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(POSTS, id="a list of a collection with a feed"),
        pytest.param("/api/collections/topics/records?feed=home", id="a collection without a feed"),
        pytest.param("/api/collections/posts/records/post00000000001?feed=home", id="a single row"),
    ],
)
def test_what_is_no_ranked_list_is_answered_as_by_pocketbase(
    hapta: Hapta, pocketbase: PocketBase, target: str
) -> None:
    through, direct = httpx.get(hapta.url + target), httpx.get(pocketbase.url + target)
    assert (through.status_code, through.content) == (direct.status_code, direct.content)


def test_a_ranked_list_has_a_list_s_rows_and_members_and_a_snapshot(
    hapta: Hapta, pocketbase: PocketBase
) -> None:
    ranked = httpx.get(f"{hapta.url}{POSTS}?feed=home&perPage=500")
    plain = httpx.get(f"{pocketbase.url}{POSTS}?perPage=500").json()
    body = ranked.json()
    assert body.keys() == {*plain, "snapshot"}
    assert {row["id"]: row for row in body["items"]} == {row["id"]: row for row in plain["items"]}
    assert [body[name] for name in ("page", "perPage", "totalItems", "totalPages")] == [
        plain[name] for name in ("page", "perPage", "totalItems", "totalPages")
    ]
    assert ranked.headers["ETag"]
    assert ranked.headers["Cache-Status"].startswith("hapta; ")
    assert httpx.get(f"{hapta.url}/api/hapta/feeds/home?perPage=500").json() == body


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("feed=home&filter=views>1", 400, "takes no filter"),
        ("feed=home&sort=-created", 400, "takes no sort"),
        ("feed=away", 404, "it has home"),
        ("feed=", 404, "it has home"),
    ],
)
def test_what_it_cannot_be_asked_is_told(hapta: Hapta, query: str, status: int, said: str) -> None:
    answer = httpx.get(f"{hapta.url}{POSTS}?{query}")
    assert answer.status_code == status
    assert said in answer.json()["message"]
