"""What Hapta refuses without asking PocketBase refuses with the same answer: generated rules and bodies.

The row ``edge-refusals`` of docs/differences.md.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.filters.test_folding import RULES
from tests.support.hapta import Hapta
from tests.support.pocketbase import PASSWORD, PocketBase, from_template
from tests.support.relay import Relay
from tests.support.seed import row_id

PATH = "/api/collections/edge/records"
KEYS = ("createRule", "updateRule", "deleteRule")
SETUP = {
    "name": "edge",
    "type": "base",
    "fields": [
        {"name": "name", "type": "text", "required": True},
        {"name": "note", "type": "text"},
        {"name": "n", "type": "number"},
        {"name": "file", "type": "file", "maxSelect": 1},
    ],
}
_OWN = frozenset(
    [
        *("date", "content-length", "x-request-id", "cache-status", "ratelimit", "ratelimit-policy"),
        *("access-control-expose-headers", "connection", "keep-alive"),
    ]
)
_DENYING = st.sampled_from(
    ["@request.auth.id != ''", "@request.auth.collectionName = 'clients'", "'a' = 'b'", "1 = 2 && name = 'x'"]
)
_RULES = st.one_of(st.none(), _DENYING, RULES, st.just(""))
_JSON = {"Content-Type": "application/json"}
_BODIES = st.sampled_from(
    [
        (b"", {}),
        (b"", _JSON),
        (b'{"name":"a"}', _JSON),
        (b"{}", _JSON),
        (b'{"name":"a","n":1.5,"note":null}', {"Content-Type": "application/json; charset=utf-8"}),
        (b'{"id":"short","name":[1,{"a":2}],"n":"x","file":"y","nope":true}', _JSON),
        (b'{"id":"%s","name":"a"}' % row_id("edge", 1).encode(), _JSON),
        (b'{"name+":"a","n-":3,"@jsonPayload":"{}"}', _JSON),
        (b'{"name":"a","NAME":"b"}', _JSON),
        (b'{"name":"a","name":"b"}', _JSON),
        (b'{"n":1e309}', _JSON),
        (b'{"n":1e200}', _JSON),
        (b'{"name":"\\ud800"}', _JSON),
        (b'{"name":"\xff"}', _JSON),
        (b"\xef\xbb\xbf{}", _JSON),
        (b"{", _JSON),
        (b"[]", _JSON),
        (b"null", _JSON),
        (b"{} x", _JSON),
        (b'{"a":' * 200 + b"1" + b"}" * 200, _JSON),
        (b'{"name":"a"}', {"Content-Type": "text/plain"}),
        (b'{"name":"a"}', {}),
        (b"name=a", {"Content-Type": "application/x-www-form-urlencoded"}),
    ]
)
_TAILS = st.sampled_from(
    ["", "?expand=x&fields=id", "?fields=id:excerpt(", "?filter=(&page=0", "?name=a&@jsonPayload={"]
)
_ORIGINS = st.sampled_from([{}, {}, {"Origin": "https://a.example"}])


class Sides:
    """One PocketBase, asked directly and through Hapta, with a counting relay between the two."""

    def __init__(self, pocketbase: PocketBase, hapta: Hapta, relay: Relay) -> None:
        self._relay = relay
        self._admin = pocketbase.admin
        self._direct = httpx.Client(base_url=pocketbase.url, timeout=30)
        self._through = httpx.Client(base_url=hapta.url, timeout=30)
        self._tokens: list[tuple[dict[str, str], dict[str, str]]] = [({}, {})]
        for email in ("ada@example.com", "ben@example.com"):
            login = {"identity": email, "password": PASSWORD}
            answer = self._through.post("/api/collections/users/auth-with-password", json=login)
            own = {"Authorization": answer.raise_for_status().json()["token"]}
            self._tokens.append(({"Authorization": pocketbase.token("users", email)}, own))
        self.refused = 0

    def close(self) -> None:
        self._direct.close()
        self._through.close()

    def set_rules(self, rules: list[str | None]) -> None:
        """Through Hapta, so that it knows at once."""
        token = {"Authorization": self._admin.headers["Authorization"]}
        saved = self._through.patch(
            "/api/collections/edge", json=dict(zip(KEYS, rules, strict=True)), headers=token
        )
        assert saved.status_code == 200, saved.text
        self._row = str(self._admin.post(PATH, json={"name": "old"}).raise_for_status().json()["id"])

    def compare(self, method: str, is_there: bool, tail: str, body: bytes, headers: dict[str, str]) -> None:
        """The same write by everybody; what the edge refuses PocketBase refuses, and was not asked for."""
        record = "" if method == "POST" else f"/{self._row if is_there else 'nope'}"
        target = PATH + record + tail
        for direct, through in self._tokens:
            sent = self._count()
            answer = self._through.request(method, target, content=body, headers={**headers, **through})
            if answer.headers.get("Cache-Status") != "hapta; detail=edge-refusal":
                continue
            self.refused += 1
            assert self._count() == sent, "it reached PocketBase"
            expected = self._direct.request(method, target, content=body, headers={**headers, **direct})
            assert (answer.status_code, answer.content) == (expected.status_code, expected.content)
            assert _meaningful(answer) == _meaningful(expected)

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


_WRITES = st.tuples(st.sampled_from(["POST", "PATCH", "DELETE"]), st.booleans(), _TAILS, _BODIES, _ORIGINS)
_SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))
_MANY = st.lists(_WRITES, min_size=4, max_size=8)


def _check(sides: Sides, rules: list[str | None], writes: list[tuple[str, bool, str, tuple, dict]]) -> None:  # type: ignore[type-arg]
    sides.set_rules(rules)
    for method, is_there, tail, (body, headers), origin in writes:
        sides.compare(method, is_there, tail, body, {**headers, **origin})


@pytest.mark.timeout(300)
def test_what_is_refused_at_the_edge_pocketbase_refuses_alike(sides: Sides) -> None:
    @settings(_SETTINGS, max_examples=40)
    @given(rules=st.lists(_RULES, min_size=3, max_size=3), writes=_MANY)
    def check(rules: list[str | None], writes: list) -> None:  # type: ignore[type-arg]
        _check(sides, rules, writes)

    check()
    assert sides.refused > 50, "hardly anything was refused, so little was compared"


@pytest.mark.all_modes
@pytest.mark.timeout(1800)
@settings(_SETTINGS, max_examples=1_500)
@given(rules=st.lists(_RULES, min_size=3, max_size=3), writes=_MANY)
def test_what_is_refused_at_the_edge_pocketbase_refuses_alike_at_length(
    sides: Sides,
    rules: list[str | None],
    writes: list,  # type: ignore[type-arg]
) -> None:
    _check(sides, rules, writes)
