"""Whatever a write reaches, over any number of cascades, relations and views: Hapta knows without being told.

The change feed says nothing here, so nothing but what is concluded from the schema makes anything unusable.
"""

import random
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.coherence.own import records
from tests.coherence.relay import Relay
from tests.coherence.site import Site
from tests.coherence.web import COLLECTIONS, Web
from tests.support.process import wait_until

WRITES = 10


class Writer:
    """Draws and makes writes through Hapta, as a guest."""

    def __init__(self, web: Web, client: httpx.Client) -> None:
        self._web, self._rng, self._client = web, web.rng, client

    def write(self) -> str:
        """One; what it was."""
        number = self._rng.randrange(COLLECTIONS)
        kinds: list[Callable[[int, str], httpx.Response]] = [self._create]
        if self._web.rows[number]:
            kinds = [self._change, self._turn, self._delete, self._delete, self._batch, *kinds]
        kind = self._rng.choice(kinds)
        row = self._rng.choice(self._web.rows[number] or [""])
        answer = kind(number, row)
        return f"{answer.request.method} {answer.request.url.path} ({kind.__name__}): {answer.status_code}"

    def _create(self, number: int, _: str) -> httpx.Response:
        answer = self._client.post(records(f"web{number}"), json=self._web.row(number))
        self._web.rows[number].append(answer.json()["id"])
        return answer

    def _change(self, number: int, row: str) -> httpx.Response:
        return self._client.patch(records(f"Web{number}", row), json={"n": self._rng.randrange(6)})

    def _turn(self, number: int, row: str) -> httpx.Response:
        turned = {way.name: self._web.value(way) for way in self._web.ways[number]}
        return self._client.patch(records(f"web{number}", row), json=turned)

    def _delete(self, number: int, row: str) -> httpx.Response:
        return self._client.delete(records(f"web{number}", row))

    def _batch(self, number: int, row: str) -> httpx.Response:
        target = records(f"pbc_web00000{number:03d}")
        upsert = {"method": "PUT", "url": target, "body": {"id": row, "n": self._rng.randrange(6)}}
        other = self._rng.choice(self._web.rows[number])
        delete = {"method": "DELETE", "url": f"{target}/{other}"}
        return self._client.post("/api/batch", json={"requests": [upsert, delete][: 1 + (other != row)]})


@pytest.fixture
def client(relayed_site: tuple[Site, Relay]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=relayed_site[0].hapta.url, timeout=30) as through_hapta:
        yield through_hapta


def is_hit(answer: httpx.Response) -> bool:
    return "hapta; hit" in answer.headers["Cache-Status"]


@pytest.mark.parametrize("seed", [1, 4])
def test_what_a_write_reaches_is_never_served_as_it_was(
    relayed_site: tuple[Site, Relay], client: httpx.Client, seed: int
) -> None:
    site, relay = relayed_site
    web, admin, hits = Web(random.Random(seed)), site.admin, 0
    admin.patch("/api/settings", json={"batch": {"enabled": True, "maxRequests": 50, "timeout": 3}})
    web.build(admin)
    # the feed follows a new schema with a new stream: only when all is stored there is no other to come
    wait_until(lambda: all(is_hit(client.get(target)) for target in web.reads), "everything stored", 30)
    relay.silence_streams(new_ones_too=False)
    writer = Writer(web, client)
    with httpx.Client(base_url=site.pocketbase.url, timeout=30) as direct:
        for _ in range(WRITES):
            for target in web.reads:  # stored, or stored anew
                hits += is_hit(client.get(target))
            what = writer.write()
            for target in web.reads:
                seen, there = client.get(target), direct.get(target)
                assert (seen.status_code, seen.content) == (there.status_code, there.content), (
                    f"{target} after {what}: {seen.headers['Cache-Status']}"
                )
    assert hits > WRITES * len(web.reads) // 4, "too little was stored for this to say much"
