"""``hapta cache`` with a real Hapta and a real PocketBase."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.conftest import MakeHapta, MakePocketBase
from tests.control.command import run_command
from tests.support.hapta import Hapta
from tests.support.pocketbase import PASSWORD, PocketBase
from tests.support.process import wait_until

TOPICS = "/api/collections/topics/records"


@pytest.fixture(scope="module")
def served(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    """One whose PocketBase, as we know, has no hooks that shape topics and diaries."""
    settings = {"cache.pb_hooks": "none", "cache.max_response_bytes": 65_536, "log.format": "json"}
    settings["feed.max_silence_s"] = (
        120  # commands take their time, and the first read after a pause passes by
    )
    server = Hapta(tmp_path_factory.mktemp("hapta"), pocketbase.url, settings)
    server.start()
    yield server
    server.stop()


def cache(hapta: Hapta, *arguments: str, code: int = 0) -> str:
    """``hapta cache …`` where ``hapta`` runs; what it wrote."""
    return run_command(hapta, "cache", *arguments, code=code)


def explained(hapta: Hapta, url: str, *arguments: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(cache(hapta, "explain", url, "--json", *arguments))
    return found


def counted(hapta: Hapta, collection: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(cache(hapta, "stats", "--json"))["collections"].get(collection, {})
    return found


def read(hapta: Hapta, path: str, token: str = "") -> str:
    headers = {"Authorization": token} if token else {}
    return httpx.get(hapta.url + path, headers=headers).raise_for_status().headers["Cache-Status"]


def login(hapta: Hapta, name: str) -> tuple[str, str]:
    """Token and id."""
    answer = httpx.post(
        f"{hapta.url}/api/collections/users/auth-with-password",
        json={"identity": f"{name}@example.com", "password": PASSWORD},
    ).raise_for_status()
    return answer.json()["token"], answer.json()["record"]["id"]


def test_an_open_list_is_explained_before_and_after_it_is_stored(served: Hapta) -> None:
    path = f"{TOPICS}?sort=name&perPage=7"
    before = cache(served, "explain", path)
    assert "shared by everybody but superusers: nothing of the caller is read" in before
    assert "any change in topics: it is listed" in before
    assert "nothing is stored; the next read of it fetches and stores it" in before
    assert read(served, path) == "hapta; fwd=uri-miss; stored"
    found = explained(served, served.url + path)
    assert (found["is_storable"], found["lifetime_s"], found["pb_hooks"]) == (True, 300.0, {"topics": "none"})
    assert found["canonical"] == f"{TOPICS}?perPage=7&sort=name"
    now = found["now"]
    assert (now["state"], now["status"]) == ("fresh", 200)
    assert 0 < now["ttl_s"] <= 300
    assert "stored and fresh for another" in cache(served, "explain", path)


def test_a_look_at_what_is_stored_is_no_hit(served: Hapta) -> None:
    path = f"{TOPICS}?perPage=8"
    read(served, path)
    hits = counted(served, "topics")["hits"]
    explained(served, path)
    assert counted(served, "topics")["hits"] == hits
    read(served, path)
    assert counted(served, "topics")["hits"] == hits + 1


def test_each_caller_is_told_who_shares_the_answer_with_them(served: Hapta) -> None:
    token, ada = login(served, "ada")
    path = "/api/collections/diaries/records?sort=id"
    read(served, path, token)
    mine = explained(served, path, "--as", f"users/{ada}")
    assert mine["shared_by"] == ["own answers for each user: listRule of diaries reads @request.auth.id"]
    assert mine["now"]["state"] == "fresh"
    _, ben = login(served, "ben")
    others = explained(served, path, "--as", f"_pb_users_auth_/{ben}")
    assert (others["as"], others["now"]) == (f"users/{ben}", {"state": "absent"})
    guest = explained(served, path, "--as", "guest")
    assert guest["shared_by"][0].startswith("guests by themselves: ")


def test_a_stored_list_of_users_serves_its_members_too(served: Hapta) -> None:
    token, ada = login(served, "ada")
    path = "/api/collections/users/records?perPage=50"
    read(served, path)
    assert explained(served, path)["now"]["state"] == "fresh"
    assert explained(served, path, "--as", f"users/{ada}")["now"]["state"] == "fresh"
    assert read(served, path, token).startswith("hapta; hit")


@pytest.mark.parametrize(
    ("url", "caller", "reason", "words"),
    [
        pytest.param(TOPICS, "superuser", "superuser", "what superusers are shown", id="superuser"),
        pytest.param(
            "/api/collections/closed/records", "guest", "rule",
            "listRule of closed lets only superusers in", id="closed",
        ),
        pytest.param(f"{TOPICS}?filter=nope = 1", "guest", "language", "has no field nope", id="filter"),
        pytest.param(f"{TOPICS}?sort=@random", "guest", "random", "depends on chance", id="random"),
        pytest.param("/api/collections/_mfas/records", "guest", "collection", "system", id="system"),
        pytest.param("/api/collections/nope/records", "guest", "collection", "no such", id="unknown"),
        pytest.param("/api/health", "guest", "method", "lists and views of records", id="no read"),
    ],
)  # fmt: skip
def test_what_is_never_stored_is_told_with_its_reason(
    served: Hapta, url: str, caller: str, reason: str, words: str
) -> None:
    found = explained(served, url, "--as", caller)
    assert (found["is_storable"], found["reason"]) == (False, reason)
    shown = cache(served, "explain", url, "--as", caller)
    assert "never stored" in shown
    assert words in shown


def test_what_is_too_large_is_told_once_it_was_seen(served: Hapta) -> None:
    httpx.post(
        f"{served.url}/api/collections/posts/records", json={"title": "large", "body": "x" * 70_000}
    ).raise_for_status()
    path = "/api/collections/posts/records?filter=title='large'"
    assert explained(served, path)["now"] == {"state": "absent"}
    assert "stored" not in read(served, path)
    now = explained(served, path)["now"]
    assert (now["state"], now["reason"]) == ("not now", "size")
    assert "larger than cache.max_response_bytes" in cache(served, "explain", path)


@pytest.mark.parametrize(
    ("caller", "words"),
    [
        pytest.param(
            "users/nobody000000000", "does not know of a record nobody000000000 in users", id="record"
        ),
        pytest.param("posts/x", "There is no auth collection posts", id="no auth collection"),
        pytest.param("nope/x", "There is no auth collection nope", id="no collection"),
        pytest.param("ada", "expected guest, superuser or COLLECTION/ID", id="a name alone"),
        pytest.param("users/../../x", "does not know of a record", id="a way out"),
    ],
)
def test_an_unknown_caller_is_refused(served: Hapta, caller: str, words: str) -> None:
    assert words in cache(served, "explain", TOPICS, "--as", caller, code=2)


@pytest.mark.parametrize("url", ["topics", "http://[", "/a%zz"])
def test_what_is_no_url_is_refused(served: Hapta, url: str) -> None:
    assert cache(served, "explain", url, code=2).startswith("hapta: ")


def test_a_purge_drops_what_depends_on_the_collection_and_nothing_else(
    served: Hapta,
) -> None:
    stats, topics = "/api/collections/post_stats/records?perPage=9", f"{TOPICS}?perPage=9"
    read(served, stats)
    read(served, topics)
    assert read(served, stats).startswith("hapta; hit")
    dropped = cache(served, "purge", "posts")
    assert (
        dropped == f"{int(dropped.split()[0])} response{'' if dropped.startswith('1 ') else 's'} dropped.\n"
    )
    assert int(dropped.split()[0]) >= 1
    assert read(served, stats) == "hapta; fwd=uri-miss; stored"
    assert read(served, topics).startswith("hapta; hit")
    cache(served, "purge", "--all")
    assert counted(served, "topics")["responses"] == 0
    assert read(served, topics) == "hapta; fwd=uri-miss; stored"


def test_only_a_known_collection_can_be_purged(served: Hapta) -> None:
    assert "There is no collection nope" in cache(served, "purge", "nope", code=2)
    assert "say which" in cache(served, "purge", code=2)


def test_the_figures_are_those_of_the_reads_and_writes_before(served: Hapta) -> None:
    before = counted(served, "posts")
    path = "/api/collections/posts/records?perPage=3"
    post = httpx.post(f"{served.url}/api/collections/posts/records", json={"title": "figures"})
    assert post.raise_for_status().status_code == 200
    for _ in range(3):
        read(served, path)
    read(served, f"{path}&sort=@random")
    after = counted(served, "posts")
    assert after["hits"] - before.get("hits", 0) == 2
    assert after["bypasses"]["random"] >= 1
    assert after["invalidations"] > before.get("invalidations", 0)
    assert after["responses"] >= 1
    assert after["bytes"] > 0
    shown = cache(served, "stats")
    assert any(line.split()[:1] == ["posts"] for line in shown.splitlines())
    assert "of 67,108,864 bytes used" in shown


def test_the_access_log_says_what_the_cache_did(served: Hapta) -> None:
    path = f"{TOPICS}?perPage=11"
    for _ in range(2):
        read(served, path)
    read(served, f"{path}&sort=@random")
    httpx.get(f"{served.url}/api/health")

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in served.log.splitlines() if '"path"' in line]

    wait_until(lambda: lines()[-1]["path"] == "/api/health", "the line of the last request", 5)
    mine = [line for line in lines() if "perPage=11" in line["path"]]
    assert [line["cache"] for line in mine] == ["miss:uri-miss", "hit", "bypass:random"]
    assert [line["upstream_ms"] is None for line in mine] == [False, True, False]
    assert "cache" not in lines()[-1]


def test_a_cache_that_is_off_says_so(make_hapta: MakeHapta) -> None:
    off = make_hapta(cache__is_enabled=False)
    assert "nothing is stored: cache.is_enabled is false" in cache(off, "explain", TOPICS)
    assert "The cache is off" in cache(off, "stats")


def test_settings_of_a_collection_that_is_not_there_do_not_go_unheard(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta
) -> None:
    pocketbase = make_pocketbase()
    names = {f"cache__collections__{name}__is_enabled": False for name in ("Diary", "Topics")}
    hapta = make_hapta(upstream=pocketbase.url, **names)
    told = "[cache.collections.{}] is about a collection that does not exist"
    assert hapta.log.count(told.format("Diary")) == 1
    assert told.format("Topics") not in hapta.log
    pocketbase.admin.patch("/api/collections/topics", json={"name": "subjects"}).raise_for_status()

    def is_told() -> bool:
        httpx.get(f"{hapta.url}/api/collections/posts/records", timeout=10)
        return told.format("Topics") in hapta.log

    wait_until(is_told, "the renamed collection is told of")
    assert hapta.log.count(told.format("Diary")) == 1
