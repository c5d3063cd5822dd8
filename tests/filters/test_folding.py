"""A rule that provably fails is a write that PocketBase refuses."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hapta.filters.fold import Facts, provably
from hapta.filters.parser import parse
from tests.support.pocketbase import PocketBase, from_template
from tests.support.seed import row_id

_NAMES = """
    @request.auth.id @request.auth.id @request.auth.collectionName @request.auth.role @request.auth.verified
    @request.auth.id:lower @request.auth.nope.nope null true false name note @request.body.name
    @request.query.q
"""
_OPERANDS = st.sampled_from([*_NAMES.split(), "''", "'x'", "'users'", f"'{row_id('user', 1)}'", "0", "1"])
_OPERATORS = st.sampled_from(["=", "!=", "?=", "?!=", "~", "!~", "<", ">=", "=", "!="])
_COMPARISONS = st.tuples(_OPERANDS, _OPERATORS, _OPERANDS).map(" ".join)
_JOINS = st.sampled_from([" && ", " || "])


def _joined(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    more = st.lists(st.tuples(_JOINS, items).map("".join), min_size=1, max_size=2).map("".join)
    flat = st.tuples(items, more).map("".join)
    return st.one_of(flat, flat.map(lambda text: f"({text})"))


RULES = st.recursive(_COMPARISONS, _joined, max_leaves=4)


class Writes:
    """The collection ``hooked`` with rules of our choice, written to by a guest and by Ada."""

    def __init__(self, pocketbase: PocketBase) -> None:
        self._admin = pocketbase.admin
        self._guest = httpx.Client(base_url=pocketbase.url, timeout=30)
        self._ada = httpx.Client(base_url=pocketbase.url, timeout=30)
        self._ada.headers["Authorization"] = pocketbase.token("users", "ada@example.com")
        collection = self._admin.get("/api/collections/hooked").json()
        self._fields = frozenset(field["name"] for field in collection["fields"])
        users = self._admin.get("/api/collections/users").json()
        self._known = {"id": row_id("user", 1), "collectionId": users["id"], "collectionName": "users"}

    def close(self) -> None:
        self._guest.close()
        self._ada.close()

    def check(self, rules: list[str]) -> None:
        """Each rule in another place: what is provable must show."""
        keys = ("createRule", "updateRule", "deleteRule")
        saved = self._admin.patch("/api/collections/hooked", json=dict(zip(keys, rules, strict=True)))
        assert saved.status_code == 200, saved.text
        for action, rule in zip(("create", "update", "delete"), rules, strict=True):
            for client, auth in ((self._guest, None), (self._ada, self._known)):
                holds = provably(parse(rule), Facts(self._fields, auth))
                if holds is not None:
                    assert self._is_done(client, action) is holds, (rule, action, auth)

    def _is_done(self, client: httpx.Client, action: str) -> bool:
        path = "/api/collections/hooked/records"
        if action == "create":
            answer = client.post(path, json={"name": "new"})
        else:
            row = self._admin.post(path, json={"name": "old"}).raise_for_status().json()["id"]
            method, body = ("PATCH", {"name": "changed"}) if action == "update" else ("DELETE", None)
            answer = client.request(method, f"{path}/{row}", json=body)
        assert answer.status_code in (200, 204, 400 if action == "create" else 404), answer.text
        return answer.is_success


@pytest.fixture(scope="module")
def writes(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writes]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("folding"))
    try:
        found = Writes(instance)
        yield found
        found.close()
    finally:
        instance.close()


_SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@settings(_SETTINGS, max_examples=40)
@given(rules=st.lists(RULES, min_size=3, max_size=3))
@example(rules=["@request.auth.nope !~ 'x'", "null !~ 'x'", "'x' !~ null"])
@example(rules=["@request.auth.role != 'x'", "null < 1", "0 >= null"])
@example(rules=["null = 0", "'' = false", "true = 1"])
def test_what_is_provable_happens(writes: Writes, rules: list[str]) -> None:
    writes.check(rules)


@pytest.mark.all_modes
@pytest.mark.timeout(900)
@settings(_SETTINGS, max_examples=1_500)
@given(rules=st.lists(RULES, min_size=3, max_size=3))
def test_what_is_provable_happens_at_length(writes: Writes, rules: list[str]) -> None:
    writes.check(rules)
