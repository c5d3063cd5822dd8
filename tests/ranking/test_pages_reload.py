"""Feeds that come, change and go while Hapta runs, and the fast lane, which must not outlive any of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hapta.config import load
from tests.fastlane.site import Caller, body, status
from tests.fastlane.site import Site as InProcess
from tests.ranking.pages import config, ids
from tests.reload.conftest import MakeSite, make_site  # noqa: F401
from tests.reload.site import Site
from tests.support.hapta import SECRET
from tests.support.pocketbase import GATEWAY_EMAIL, PASSWORD, PocketBase
from tests.support.process import wait_until
from tests.support.wire import Wire

POSTS = "/api/collections/posts/records"
TARGET = f"{POSTS}?feed=home&perPage=5"


@pytest.fixture
def site(make_site: MakeSite) -> Site:  # noqa: F811
    return make_site()


@pytest.fixture
def wire(site: Site) -> Iterator[Wire]:
    """One connection for all of it, as browsers have."""
    with Wire(site.url) as opened:
        yield opened


def ask(wire: Wire, target: str = TARGET) -> tuple[int, dict[str, Any]]:
    wire.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    reply = wire.reply()
    return reply.status, json.loads(reply.body)


def test_a_feed_comes_is_weighed_otherwise_is_made_of_other_things_and_goes(site: Site, wire: Wire) -> None:
    for _ in range(20):
        answered, plain = ask(wire)  # stored, and told by the lane
        assert (answered, "snapshot" in plain) == (200, False)
    hot: dict[str, Any] = {"feeds__home__collection": "posts", "feeds__home__preset": "for_you"}
    site.reload(**hot, feeds__home__signals__views__field="views", feeds__home__weights__views=1000)
    answered, up = ask(wire)
    assert (answered, "snapshot" in up) == (200, True)
    best = [each["views"] for each in up["items"]]
    assert best == sorted(best, reverse=True)
    made = len(site.events("ranked_feed_ready"))
    site.reload(feeds__home__weights__views=-1000)
    _, down = ask(wire)
    assert max(each["views"] for each in down["items"]) < min(best)
    assert len(site.events("ranked_feed_ready")) == made, "weights need no other table"
    weights = {"feeds__home__weights__rating": 1_000_000, "feeds__home__weights__views": 0}
    site.reload(feeds__home__signals__rating__field="rating", **weights)

    def is_rated() -> bool:
        answered, rated = ask(wire)
        assert answered == 200, "the old table serves until then"
        rates = [each["rating"] for each in rated["items"]]
        return rates == sorted(rates, reverse=True)

    wait_until(is_rated, "another table")
    _, rated = ask(wire)
    assert site.events("ranked_feed_ready")[-1]["why"] == "configuration"
    _, second = ask(wire, f"{TARGET}&page=2")
    assert not set(ids(second["items"])) & set(ids(rated["items"]))
    site.reload(**{name.replace(".", "__"): None for name in site.settings if name.startswith("feeds.")})
    answered, after = ask(wire)
    assert (answered, after) == (200, plain)
    assert ask(wire, "/api/hapta/feeds/home")[0] == 404


def test_the_lane_tells_no_plain_list_once_there_is_a_feed_nor_a_page_ever(
    pocketbase: PocketBase, tmp_path: Any
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(config({}))
    with InProcess(tmp_path, pocketbase.url) as site, Caller(site) as caller:
        secrets = {"DatabaseURL": pocketbase.url, "AdminEmail": GATEWAY_EMAIL, "AdminPassword": PASSWORD}
        port = [f"server.port={site.url.rpartition(':')[2]}", "metrics.enabled=false"]
        reloading = site.gateway._reloading
        assert reloading is not None
        reloading._read = lambda: load(path, {**secrets, "Secret": SECRET}, port, tmp_path)
        plain = body(caller.warm(TARGET))
        path.write_text(config({"feeds.home.collection": "posts"}))
        site.run(site.gateway.reload())
        told = site.told
        for _ in range(10):
            answer = caller.ask(TARGET)
            assert status(answer) == 200
            assert b'"snapshot"' in body(answer)
        assert site.told == told
        path.write_text(config({}))
        site.run(site.gateway.reload())
        assert body(caller.ask(TARGET)) == plain
