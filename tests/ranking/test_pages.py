"""What a ranked page promises as an HTTP answer: its form, its refusals, and that it is one request like any
other."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fastlane.site import Site
from tests.ranking.pages import Person, config, feeds, forms, furnished, ids, listed, signed_in, walk
from tests.support.pocketbase import ADMIN_EMAIL, PocketBase, from_template
from tests.support.process import wait_until
from tests.support.wire import Wire

HOME = "/api/hapta/feeds/own"
LIST = "/api/collections/r_own/records"
ADA = ("users", "ada@example.com")
BEN = ("users", "ben@example.com")
SUPERUSER = ("_superusers", ADMIN_EMAIL)
ORIGIN = {"Origin": "https://app.example.com"}


@pytest.fixture(scope="module")
def served(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("feeds"))
    try:
        yield furnished(instance)
    finally:
        instance.close()


def started(served: PocketBase, home: Path, **more: Any) -> Site:
    settings = {"feeds.home.collection": "posts", "feeds.home.preset": "hot", **feeds()}
    (home / "config.toml").write_text(config(settings))
    return Site(home, served.url, **more)


@pytest.fixture(scope="module")
def site(served: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with started(served, tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
def guest(site: Site) -> Iterator[httpx.Client]:
    with site.client() as client:
        yield client


@pytest.fixture
def ada(site: Site) -> Iterator[httpx.Client]:
    with signed_in(site.url, ADA) as client:
        yield client


@pytest.fixture
def superuser(site: Site) -> Iterator[httpx.Client]:
    with signed_in(site.url, SUPERUSER) as client:
        yield client


def test_a_page_has_the_form_of_a_list_of_pocketbase(guest: httpx.Client, served: PocketBase) -> None:
    for path, besides in forms("open", "r_open"):
        body = guest.get(path, params={**besides, "perPage": 5, "page": 2}).json()
        assert list(body) == ["items", "page", "perPage", "snapshot", "totalItems", "totalPages"]
        assert (body["page"], body["perPage"], body["totalItems"], body["totalPages"]) == (2, 5, 22, 5)
        skipped = guest.get(path, params={**besides, "skipTotal": "1"}).json()
        assert (skipped["totalItems"], skipped["totalPages"], len(skipped["items"])) == (-1, -1, 22)
        (one,) = guest.get(path, params={**besides, "perPage": 1}).json()["items"]
        alone = httpx.get(f"{served.url}/api/collections/r_open/records/{one['id']}").content
        assert alone in guest.get(path, params={**besides, "perPage": 1}).content


def test_a_page_beyond_the_last_one_is_empty(guest: httpx.Client) -> None:
    body = guest.get("/api/hapta/feeds/open", params={"page": 99}).json()
    assert (body["items"], body["page"], body["totalItems"]) == ([], 99, 22)


@pytest.mark.parametrize(
    ("query", "page", "per_page"),
    [("page=0", 1, 30), ("perPage=0", 1, 30), ("perPage=5000", 1, 1000), ("page=2&perPage=20", 2, 20)],
)
def test_paging_is_read_as_pocketbase_reads_it(
    query: str, page: int, per_page: int, guest: httpx.Client, served: PocketBase
) -> None:
    direct = httpx.get(f"{served.url}/api/collections/r_open/records?{query}").json()
    for path, besides in forms("open", "r_open"):
        body = guest.get(f"{path}?{query}&feed={besides.get('feed', '')}").json()
        assert (body["page"], body["perPage"]) == (page, per_page) == (direct["page"], direct["perPage"])


@pytest.mark.parametrize(
    "query",
    [
        *(
            "filter=views>1",
            "sort=-views",
            "page=x",
            "page=-1",
            "perPage=1.5",
            "skipTotal=maybe",
            "explain=2",
        ),
        *("page=1&page=2", "a=1&a=2", "a=%zz", "fields=id:excerpt(3)", "fields=*:excerpt(3)", "a=1;b=2"),
    ],
)
def test_what_a_feed_cannot_be_asked_for_is_refused(query: str, guest: httpx.Client) -> None:
    for path, besides in forms("open", "r_open"):
        answer = guest.get(f"{path}?{query}&" + "&".join(f"{k}={v}" for k, v in besides.items()))
        assert answer.status_code == 400, query
        assert answer.json()["data"] == {}
        assert "feed" in answer.json()["message"]


def test_an_empty_filter_and_sort_are_none(guest: httpx.Client) -> None:
    assert guest.get("/api/hapta/feeds/open?filter=&sort=").status_code == 200


def test_a_feed_that_is_not_there_is_not_found(guest: httpx.Client) -> None:
    for path in ("/api/hapta/feeds/nothing", "/api/hapta/feeds/", "/api/hapta/feeds", f"{HOME}/"):
        assert guest.get(path).status_code == 404, path
    for name in ("nothing", "", "home", "OWN", "own "):
        answer = guest.get(LIST, params={"feed": name})
        assert answer.status_code == 404, name
        assert "it has own" in answer.json()["message"]


def test_a_collection_is_known_by_all_its_names(guest: httpx.Client, served: PocketBase) -> None:
    expected = guest.get(LIST, params={"feed": "own"}).json()
    for name in ("pbc_rown________"[:15], "R_OWN"):
        assert guest.get(f"/api/collections/{name}/records", params={"feed": "own"}).json() == expected


@pytest.mark.parametrize("query", ["%66eed=own", "fee%64=own", "feed=%6Fwn", "x=1&feed=own", "&&feed=own"])
def test_the_parameter_is_known_however_it_is_written(query: str, guest: httpx.Client) -> None:
    assert "snapshot" in guest.get(f"{LIST}?{query}").json()


def test_a_feed_named_twice_is_never_answered_by_a_plain_list(guest: httpx.Client) -> None:
    for query in ("feed=own&feed=open", "feed=own&%66eed=own", "feed=&feed=own", "feed=own&feed="):
        assert guest.get(f"{LIST}?{query}").status_code in (400, 404), query


def test_where_a_collection_has_no_feed_the_parameter_is_its_rule_s(
    site: Site, guest: httpx.Client, served: PocketBase
) -> None:
    fed = {
        "name": "fed",
        "type": "base",
        "listRule": '@request.query.feed = "own"',
        "fields": [{"name": "feed", "type": "text"}],
    }
    served.admin.post("/api/collections", json=fed).raise_for_status()
    served.admin.post("/api/collections/fed/records", json={"feed": "x"}).raise_for_status()
    path = "/api/collections/fed/records"
    wait_until(lambda: guest.get(path, params={"feed": "own"}).json()["totalItems"] == 1, "it is known")
    for query in (
        "feed=own",
        "feed=",
        "feed=other",
        "feed=own&filter=feed%3D%22x%22&sort=feed",
        "feed=a&feed=b",
    ):
        direct = httpx.get(f"{served.url}{path}?{query}")
        for _ in range(3):
            through = guest.get(f"{path}?{query}")
            assert (through.status_code, through.json()) == (direct.status_code, direct.json()), query
    record = httpx.get(f"{served.url}{LIST}").json()["items"][0]["id"]
    assert "snapshot" not in guest.get(f"{LIST}/{record}?feed=own").json(), "a view is none"


def test_head_says_what_get_would(site: Site, guest: httpx.Client) -> None:
    for path, besides in forms("own", "r_own"):
        query = {**besides, "perPage": "3"}
        get = guest.get(path, params=query, headers={"Accept-Encoding": "identity"})
        head = guest.head(path, params=query, headers={"Accept-Encoding": "identity"})
        assert (head.status_code, head.content) == (200, b"")
        for name in ("Content-Length", "Content-Type", "ETag"):
            assert head.headers[name] == get.headers[name], name
    assert guest.head("/api/hapta/feeds/nothing").status_code == 404


def test_other_methods_are_not_a_feed_s(guest: httpx.Client, served: PocketBase) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert guest.request(method, HOME).status_code == 404
    made = guest.post(f"{LIST}?feed=own", json={"title": "made", "draft": True})
    assert made.status_code == 200
    assert guest.delete(f"{LIST}/{made.json()['id']}?feed=own").status_code == 204


def test_a_batch_has_no_lists_and_so_no_feeds(guest: httpx.Client) -> None:
    requests = [{"method": "GET", "url": f"{LIST}?feed=own"}]
    assert guest.post("/api/batch", json={"requests": requests}).status_code == 400
    body = {"title": "made", "draft": True}
    requests = [{"method": "POST", "url": f"{LIST}?feed=own", "body": body}]
    (made,) = guest.post("/api/batch", json={"requests": requests}).json()
    assert made["status"] == 200
    guest.delete(f"{LIST}/{made['body']['id']}").raise_for_status()


def test_only_superusers_have_scores_explained(
    guest: httpx.Client, ada: httpx.Client, superuser: httpx.Client
) -> None:
    for path, besides in forms("home", "posts"):
        query = {**besides, "explain": "1", "perPage": "4"}
        for client in (guest, ada):
            answer = client.get(path, params=query)
            assert answer.status_code == 403
            assert set(answer.json()) == {"data", "message", "status"}
        body = superuser.get(path, params=query).json()
        assert len(body["explain"]) == len(body["items"]) == 4
        assert all(isinstance(value, float | int) for each in body["explain"] for value in each.values())


def test_a_page_that_is_known_is_not_sent_again(guest: httpx.Client, ada: httpx.Client) -> None:
    first = guest.get("/api/hapta/feeds/open")
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = guest.get("/api/hapta/feeds/open", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    mine = ada.get(HOME)
    assert guest.get(HOME, headers={"If-None-Match": mine.headers["ETag"]}).status_code == 200
    assert guest.get(HOME, headers={"If-None-Match": '"x"', "Range": "bytes=0-3"}).status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "identity", "gzip, deflate, br"])
def test_rows_that_are_stored_compressed_are_whole_on_a_page(
    coding: str, site: Site, guest: httpx.Client
) -> None:
    served = guest.get("/api/hapta/feeds/home", params={"expand": "author,topics"}).json()["items"]
    for each in served:
        for _ in range(3):
            path = f"/api/collections/posts/records/{each['id']}"
            guest.get(path, params={"expand": "author,topics"}, headers={"Accept-Encoding": "gzip"})
    site.settle()
    for _ in range(3):  # a row may have had to be confirmed
        answer = guest.get(
            "/api/hapta/feeds/home", params={"expand": "author,topics"}, headers={"Accept-Encoding": coding}
        )
        assert answer.json()["items"] == served
        assert gzip.compress(b"")[:2] not in answer.content
    assert answer.headers["Cache-Status"].startswith("hapta; hit")


def test_a_page_of_another_origin_may_read_every_answer(
    site: Site, guest: httpx.Client, ada: httpx.Client, served: PocketBase
) -> None:
    direct = httpx.get(f"{served.url}{LIST}", headers=ORIGIN).headers["Access-Control-Allow-Origin"]
    for path, besides in forms("own", "r_own"):
        for client in (guest, ada):
            for _ in range(3):  # of PocketBase, and of the store
                answer = client.get(path, params=besides, headers=ORIGIN)
                assert answer.headers.get_list("Access-Control-Allow-Origin") == [direct]
                assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
            known = {**ORIGIN, "If-None-Match": answer.headers["ETag"]}
            answer = client.get(path, params=besides, headers=known)
            assert answer.status_code == 304
            assert answer.headers.get_list("Access-Control-Allow-Origin") == [direct]
        preflight = {**ORIGIN, "Access-Control-Request-Method": "GET"}
        preflight["Access-Control-Request-Headers"] = "authorization"
        granted = guest.options(path, params=besides, headers=preflight)
        assert (granted.status_code, granted.headers["Access-Control-Allow-Origin"]) == (204, "*")
    refused = [
        ("/api/hapta/feeds/nothing", 404),
        (f"{LIST}?feed=nothing", 404),
        ("/api/hapta/feeds/closed_to_all", 403),
        ("/api/collections/r_closed_to_all/records?feed=closed_to_all", 403),
        (f"{HOME}?sort=x", 400),
        (f"{HOME}?explain=1", 403),
    ]
    for target, status in refused:
        answer = guest.get(target, headers=ORIGIN)
        assert answer.status_code == status, target
        assert answer.headers.get_list("Access-Control-Allow-Origin") == ["*"], target


def test_a_page_is_charged_as_one_request(served: PocketBase, tmp_path: Path) -> None:
    limits = {"ratelimit__max": 5, "ratelimit__burst": 5, "ratelimit__duration": 3600}
    with started(served, tmp_path, **limits) as site, site.client() as client:
        assert [client.get(HOME, params={"perPage": 4}).status_code for _ in range(7)] == [200] * 5 + [
            429
        ] * 2


def test_tokens_of_pocketbase_are_taken_for_whom_they_are_of_or_for_nobody(
    site: Site, served: PocketBase, tmp_path: Path
) -> None:
    raw = served.token(*BEN)
    with signed_in(served.url, BEN) as ben, signed_in(served.url, None) as nobody:
        expected = set(ids(listed(ben, "r_own").json()["items"]))
        of_guests = set(ids(listed(nobody, "r_own").json()["items"]))
    assert of_guests < expected
    headers = {"Authorization": raw}
    with site.client() as client:
        assert set(ids(client.get(HOME, headers=headers).json()["items"])) == expected
        assert set(ids(client.get(HOME).json()["items"])) == of_guests
    with started(served, tmp_path, sessions__raw_tokens="refuse") as other, other.client() as client:
        answer = client.get(HOME, headers=headers).json()
        assert set(ids(answer["items"])) == of_guests
        assert answer["totalItems"] == len(of_guests)


def test_who_logged_out_is_told_so(site: Site) -> None:
    with signed_in(site.url, ADA) as client:
        assert client.get(HOME).status_code == 200
        assert client.post("/api/hapta/logout").status_code == 204
        for path, besides in forms("own", "r_own"):
            assert client.get(path, params=besides).status_code == 401


def test_superusers_get_pages_from_where_they_may_work_only(
    served: PocketBase, superuser: httpx.Client, tmp_path: Path
) -> None:
    assert superuser.get("/api/hapta/feeds/closed_to_all").json()["totalItems"] == 22
    raw = {"Authorization": served.token(*SUPERUSER)}
    (tmp_path / "config.toml").write_text(config({**feeds(), "admin.networks": ["192.0.2.0/24"]}))
    with Site(tmp_path, served.url) as site, site.client() as client:
        for path, besides in forms("closed_to_all", "r_closed_to_all"):
            answers = [client.get(path, params=besides, headers=raw), client.get(path, params=besides)]
            assert [each.status_code for each in answers] == [403, 403]


def test_a_request_s_body_is_nothing_to_a_page(site: Site) -> None:
    head = f"GET {HOME}?perPage=4 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    bodies = [
        'Content-Length: 14\r\n\r\n{"title": "x"}',
        'Transfer-Encoding: chunked\r\n\r\ne\r\n{"title": "x"}\r\n0\r\n\r\n',
    ]
    for body in bodies:
        with Wire(site.url) as wire:
            wire.send((head + body).encode())
            assert wire.reply().status == 200


def test_a_person_s_fields_and_expansions_are_pocketbase_s(site: Site, served: PocketBase) -> None:
    person = Person(site.url, served.url, ADA)
    for query in ({"expand": "author"}, {"fields": "title"}, {"fields": "id"}, {"fields": " id , views "}):
        expected = listed(person.direct, "r_own", **query).json()["items"]
        for path, besides in forms("own", "r_own"):
            items = walk(person.through, path, {**query, **besides, "perPage": 4})
            assert _told(items) == _told(expected), (path, query)
    person.close()


def _told(items: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in items)
