"""What Hapta answers to reads that a rule denies PocketBase answers alike: rules, callers, query shapes."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support.hapta import Hapta
from tests.support.pocketbase import PASSWORD, PocketBase, from_template
from tests.support.relay import Relay

PATH = "/api/collections/edge/records"
EDGE = "hapta; detail=edge-refusal"
SETUP = {
    "name": "edge",
    "type": "base",
    "fields": [
        {"name": "name", "type": "text"},
        {"name": "n", "type": "number"},
        {"name": "meta", "type": "json"},
        {"name": "hush", "type": "text", "hidden": True},
        {"name": "tags", "type": "select", "maxSelect": 3, "values": ["a", "b", "c"]},
        {"name": "created", "type": "autodate", "onCreate": True},
    ],
}
_OWN = frozenset(
    [
        *("date", "x-request-id", "cache-status", "ratelimit", "ratelimit-policy"),
        *("access-control-expose-headers", "connection", "keep-alive"),
    ]
)
RULES = {
    "superusers": None,
    "users": "@request.auth.id != ''",
    "clients": "@request.auth.collectionName = 'clients'",
    "nobody": "'a' = 'b'",
    "nobody and more": "1 = 2 && name = 'x'",
}
BY_DEFAULT = {("superusers", False), ("users", False), ("users", True), ("nobody and more", True)}
"""Each way to be refused, and one who is not."""
FILTERS = [
    "name = 'a'", "name ~ 'a%' && n > 1", "n >= -1.5 || tags ?= 'a'", "tags:each = 'a'", "tags:length > 1",
    "meta.a.b = 1", "created > @now", "created >= '2020-01-01 00:00:00.000Z'", "name:lower = 'a'",
    "id = null", "n = true", "(name = 'a' && (n = 1 || n = 2))", "hush = 'a'", "nope = 1", "name = ", "(",
    "name = 'a' //c", "@request.auth.id = ''", "@collection.users.id = ''", "geoDistance(n, n, 1, 2) < 3",
    "name = \"a\"", "1 = 1", "meta = '{'", "n ~ name", "name", "''", " ", "strftime('%Y', created) = '2020'",
    "name:isset = true", "n = 9999999999999999999999", "n = 1e5", "name ?!~ 'x'", "a.b.c = 1", "tags.x = 1",
    "name.x = 1",
]  # fmt: skip
SHAPES = [
    "", "page=2", "page=0", "page=-1", "page=x", "page=999999", "perPage=5", "perPage=0", "perPage=1001",
    "perPage=-3", "perPage=1e2", "page=3&perPage=7&skipTotal=1", "skipTotal=true", "skipTotal=t",
    "skipTotal=2",
    "skipTotal=false&page=4", "page=1&page=2", "sort=-name,n", "sort=@random", "sort=@rowid", "sort=nope",
    "sort=hush", "sort=%2Bcreated", "sort=,", "sort=tags:length", "sort=meta.a", "sort=-", "expand=x",
    "expand=,",
    "expand=a.b.c.d.e.f.g", "fields=id", "fields=id:excerpt(", "whatever=1", "a;b=1", "page=%zz", "%zz",
    *(f"filter={quote(each)}" for each in FILTERS),
    f"filter={quote(FILTERS[0])}&sort=-n&page=2&perPage=3&expand=x",
]  # fmt: skip


class Sides:
    """One PocketBase, asked directly and through Hapta, with a counting relay between the two."""

    def __init__(self, pocketbase: PocketBase, hapta: Hapta, relay: Relay) -> None:
        self._relay = relay
        self._admin = pocketbase.admin
        self._direct = httpx.Client(base_url=pocketbase.url, timeout=30)
        self._through = httpx.Client(base_url=hapta.url, timeout=30)
        self._row = str(self._admin.post(PATH, json={"name": "a", "n": 1}).raise_for_status().json()["id"])
        login = {"identity": "ada@example.com", "password": PASSWORD}
        own = self._through.post("/api/collections/users/auth-with-password", json=login).raise_for_status()
        self._direct_token = {"Authorization": pocketbase.token("users", "ada@example.com")}
        self._own_token = {"Authorization": str(own.json()["token"])}

    def close(self) -> None:
        self._direct.close()
        self._through.close()

    def set_rule(self, rule: str | None) -> None:
        """Through Hapta, so that it knows at once."""
        token = {"Authorization": self._admin.headers["Authorization"]}
        body = {"listRule": rule, "viewRule": rule}
        assert self._through.patch("/api/collections/edge", json=body, headers=token).status_code == 200

    def compare(self, target: str, *, is_user: bool, origin: dict[str, str]) -> int:
        """Asked twice, so that Hapta knows PocketBase's words, and by HEAD; how many the edge answered."""
        target = target.replace("ROW", self._row)
        own, direct = (self._own_token, self._direct_token) if is_user else ({}, {})
        self._through.get(target, headers={**own, **origin})
        answered = 0
        for method in ("GET", "HEAD"):
            sent = self._count()
            answer = self._through.request(method, target, headers={**own, **origin})
            if answer.headers.get("Cache-Status") != EDGE:
                continue
            answered += 1
            assert self._count() == sent, "it reached PocketBase"
            expected = self._direct.request(method, target, headers={**direct, **origin})
            assert (answer.status_code, answer.content) == (expected.status_code, expected.content), target
            assert _meaningful(answer) == _meaningful(expected), target
        return answered

    def _count(self) -> int:
        return sum(f" {PATH}" in line for line in self._relay.requests)


def _meaningful(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in _OWN}


@pytest.fixture(scope="module")
def sides(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    with ExitStack() as closing:
        instance = from_template(pocketbase_template, tmp_path_factory.mktemp("edge"))
        closing.callback(instance.close)
        instance.admin.post("/api/collections", json=SETUP).raise_for_status()
        relay = closing.enter_context(Relay(instance.url))
        hapta = Hapta(tmp_path_factory.mktemp("hapta"), relay.url, {"cache.pb_hooks": "none"})
        closing.callback(hapta.stop)
        hapta.start()
        found = Sides(instance, hapta, relay)
        closing.callback(found.close)
        yield found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("rule", "is_user", "is_denied"),
    [
        pytest.param(
            rule,
            is_user,
            not is_user or name != "users",
            id=f"{name}, {'user' if is_user else 'guest'}",
            marks=[] if (name, is_user) in BY_DEFAULT else pytest.mark.all_modes,
        )
        for (name, rule), is_user in product(RULES.items(), (False, True))
    ],
)
def test_what_is_answered_at_the_edge_pocketbase_answers_alike(
    sides: Sides, rule: str | None, is_user: bool, is_denied: bool
) -> None:
    sides.set_rule(rule)
    answered = {"list": 0, "view": 0}
    for shape in SHAPES:
        origin = {"Origin": "https://a.example"} if len(shape) % 3 == 0 else {}
        answered["list"] += sides.compare(f"{PATH}?{shape}", is_user=is_user, origin=origin)
    for row, shape in product(("ROW", "nope", "nope12345678901"), ("", "?expand=x", "?fields=id", "?page=x")):
        answered["view"] += sides.compare(f"{PATH}/{row}{shape}", is_user=is_user, origin={})
    if is_denied:
        assert answered["list"] > 40, "hardly any list was answered, so little was compared"
        assert answered["view"] > 12, "hardly any view was answered, so little was compared"
    else:
        assert answered == {"list": 0, "view": 0}
