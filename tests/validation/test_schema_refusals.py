"""What the schema refuses through Hapta is what PocketBase says, and PocketBase is not asked.

The row ``schema-refusals`` of docs/differences.md.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hapta import Hapta
from tests.support.pocketbase import PASSWORD, PocketBase, from_template
from tests.support.relay import Relay

_FIELDS = [
    {"name": "title", "type": "text", "required": True, "max": 5},
    {"name": "kind", "type": "select", "values": ["a", "b"], "maxSelect": 1},
    {"name": "n", "type": "number", "min": 1.5, "onlyInt": False},
]
_WRITE = re.compile(rb"(?:POST|PATCH|DELETE) /api/collections/[a-z]+/records")
_SIGNED_IN = "@request.auth.id != ''"
_NO_HOOKS = {"cache.pb_hooks": "none", "cache.collections.hooked.pb_hooks": "none"}
_OWN = frozenset(
    [
        *("date", "content-length", "x-request-id", "cache-status", "ratelimit", "ratelimit-policy"),
        *("access-control-expose-headers", "connection", "keep-alive"),
    ]
)
_REFUSED = {"Cache-Status": "hapta; detail=edge-refusal"}


class Edge:
    """A PocketBase asked directly and through Hapta, with a counting relay between the two."""

    def __init__(self, instance: PocketBase, hapta: Hapta, relay: Relay) -> None:
        self.admin = instance.admin
        self._relay = relay
        self._direct = httpx.Client(base_url=instance.url, timeout=30)
        self._through = httpx.Client(base_url=hapta.url, timeout=30)
        login = {"identity": "ada@example.com", "password": PASSWORD}
        answer = self._through.post("/api/collections/users/auth-with-password", json=login)
        self.user = str(answer.raise_for_status().json()["record"]["id"])
        self._ada = {
            "direct": {"Authorization": instance.token("users", "ada@example.com")},
            "through": {"Authorization": str(answer.json()["token"])},
        }

    def close(self) -> None:
        self._direct.close()
        self._through.close()

    def collection(self, name: str, rule: str | None, kind: str = "base", **more: Any) -> str:
        """Make one through Hapta, so that it knows at once, and give the path of its records."""
        setup = {"name": name, "type": kind, "fields": _FIELDS, "createRule": rule, **more}
        token = {"Authorization": self.admin.headers["Authorization"]}
        self._through.delete(f"/api/collections/{name}", headers=token)
        made = self._through.post("/api/collections", json=setup, headers=token)
        assert made.status_code == 200, made.text
        return f"/api/collections/{name}/records"

    def is_refused(
        self, path: str, body: Any, *, as_ada: bool = False, method: str = "POST", **headers: str
    ) -> bool:
        """Whether the second of two such writes is refused without PocketBase, as PocketBase does it."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **headers}
        direct = sent | (self._ada["direct"] if as_ada else {})
        through = sent | (self._ada["through"] if as_ada else {})
        first = self._through.request(method, path, content=content, headers=through)
        asked = self._count()
        second = self._through.request(method, path, content=content, headers=through)
        is_refused = second.headers.get("Cache-Status") == _REFUSED["Cache-Status"]
        assert self._count() - asked == (not is_refused)
        expected = self._direct.request(method, path, content=content, headers=direct)
        assert second.status_code == expected.status_code
        if is_refused:
            assert first.content == second.content == expected.content
            assert _meaningful(second) == _meaningful(expected)
        return is_refused

    def _count(self) -> int:
        # a request stands right behind the body of the one before it
        return sum(len(_WRITE.findall(sent)) for sent in self._relay.asked)


def _meaningful(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in _OWN}


@pytest.fixture(scope="module")
def make_edge(
    pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Edge]]:
    with ExitStack() as closing:

        def make(**settings: Any) -> Edge:
            instance = from_template(pocketbase_template, tmp_path_factory.mktemp("edge"))
            closing.callback(instance.close)
            relay = closing.enter_context(Relay(instance.url))
            chosen = {key.replace("__", "."): value for key, value in settings.items()}
            hapta = Hapta(tmp_path_factory.mktemp("hapta"), relay.url, _NO_HOOKS | chosen)
            closing.callback(hapta.stop)
            hapta.start()
            found = Edge(instance, hapta, relay)
            closing.callback(found.close)
            return found

        yield make


@pytest.fixture(scope="module")
def edge(make_edge: Callable[..., Edge]) -> Edge:
    return make_edge()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="required"),
        pytest.param({"title": "abcdef", "n": 1}, id="two fields"),
        pytest.param({"title": "a", "kind": "é <&>?"}, id="a value in the message"),
        pytest.param({"title": None, "kind": ["a", "z"], "n": "0.5", "nope": 1}, id="values that are cast"),
        pytest.param(b"", id="no body"),
    ],
)
def test_a_body_against_the_schema_is_refused_without_pocketbase(edge: Edge, body: Any) -> None:
    path = edge.collection("notes", "")
    assert edge.is_refused(path, body)
    assert edge.is_refused(path, body, as_ada=True, Origin="https://a.example")
    assert edge.is_refused(path + "?fields=id&expand=(((&filter=)", body)


def test_a_body_in_order_goes_to_pocketbase_and_so_does_what_is_not_certain(edge: Edge) -> None:
    path = edge.collection("notes", "")
    for body in (
        {"title": "abc", "n": 2},
        {"title": "", "id": "a" * 14 + "/"} | {"n+": 1},
        {"title": "", "n": "0x1"},
        b'{"title":"","title":""}',
        b'{"title":"\\ud800"}',
        b'{"n":1e400}',
        b"[]",
        b"null",
        b"{",
        {"title": "x" * 20_000},
    ):
        assert not edge.is_refused(path, body)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert not edge.is_refused(path, b"title=", **form)


def test_a_rule_that_surely_passes_for_the_caller_lets_the_schema_speak(edge: Edge) -> None:
    path = edge.collection("notes", _SIGNED_IN)
    assert edge.is_refused(path, {}, as_ada=True)
    path = edge.collection("notes", f"@request.auth.id = '{edge.user}' && (1 = 1 || null = 'x')")
    assert edge.is_refused(path, {}, as_ada=True)


@pytest.mark.parametrize(
    "rule",
    [
        "title = ''",
        "@request.body.title = ''",
        "@collection.users.id ?= @request.auth.id",
        "@request.auth.name != 'nobody'",
        "1 = 1 || title != ''",
        "@request.headers.x_pass = '1' || @request.auth.id != ''",
    ],
)
def test_a_rule_that_may_not_pass_is_left_to_pocketbase(edge: Edge, rule: str) -> None:
    path = edge.collection("notes", rule)
    assert not edge.is_refused(path, {}, as_ada=True)


def test_a_relation_is_only_known_to_exist_where_it_is_the_callers_own_record(edge: Edge) -> None:
    users = str(edge.admin.get("/api/collections/users").json()["id"])
    author = {"name": "author", "type": "relation", "collectionId": users, "maxSelect": 1}
    path = edge.collection("notes", "", fields=[*_FIELDS, author])
    assert edge.is_refused(path, {"author": edge.user}, as_ada=True)
    assert not edge.is_refused(path, {"author": edge.user})
    assert not edge.is_refused(path, {"author": "nobody"}, as_ada=True)


def test_an_auth_collection_says_first_what_is_wrong_with_the_password(edge: Edge) -> None:
    path = edge.collection("people", "", "auth")
    assert edge.is_refused(path, {"password": "12345678", "passwordConfirm": "x", "title": "too long"})
    assert edge.is_refused(path, {"password": "1234567", "passwordConfirm": "1234567", "email": "a@b.de"})
    assert not edge.is_refused(path, {"password": "x" * 80, "passwordConfirm": "x"})
    managed = edge.collection("people", "", "auth", manageRule="@request.body.verified = true")
    assert not edge.is_refused(managed, {"verified": True})


def test_an_update_is_left_to_pocketbase(edge: Edge) -> None:
    path = edge.collection("notes", "", updateRule="")
    made = edge.admin.post(path, json={"title": "a"}).json()["id"]
    assert not edge.is_refused(f"{path}/{made}", {"title": ""}, method="PATCH")


def test_a_write_to_a_collection_that_is_not_there_is_refused_without_pocketbase(edge: Edge) -> None:
    assert edge.is_refused("/api/collections/nowhere/records", {})
    assert edge.is_refused("/api/collections/nowhere/records/x", b"{", method="PATCH")
    assert not edge.is_refused("/api/collections/nowhere/records/x", b"", method="DELETE")


def test_rules_of_fields_count_as_soon_as_they_are_changed(edge: Edge) -> None:
    path = edge.collection("notes", "")
    assert edge.is_refused(path, {"title": "abcdef"})
    path = edge.collection("notes", "", fields=[{"name": "title", "type": "text", "max": 6}])
    assert not edge.is_refused(path, {"title": "abcdef"})


def test_a_collection_with_hooks_is_left_to_pocketbase(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge(cache__collections__notes__pb_hooks="request")
    assert not edge.is_refused(edge.collection("notes", ""), {})
    assert edge.is_refused(edge.collection("others", ""), {})


def test_it_can_be_switched_off(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge(validation__schema=False)
    assert not edge.is_refused(edge.collection("notes", ""), {})
