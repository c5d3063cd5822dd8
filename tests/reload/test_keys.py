"""Keys that hold from a reload on, each seen at work."""

import textwrap
from collections.abc import Iterator

import httpx
import pytest

from tests.reload.conftest import MakeSite
from tests.reload.site import Site
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD
from tests.support.process import wait_until
from tests.support.upstream_double import UpstreamDouble, says
from tests.support.wire import Wire

POSTS = "/api/collections/posts/records"
LIVE = b"GET /api/hapta/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


@pytest.fixture
def double() -> Iterator[UpstreamDouble]:
    with UpstreamDouble() as upstream:
        yield upstream


def log_in(client: httpx.Client, identity: str, collection: str) -> str:
    login = {"identity": identity, "password": PASSWORD}
    answer = client.post(f"/api/collections/{collection}/auth-with-password", json=login)
    return str(answer.raise_for_status().json()["token"])


def test_a_head_has_the_new_deadline(site: Site) -> None:
    with Wire(site.url) as wire:
        wire.send(LIVE)
        assert wire.reply().status == 200
        site.reload(server__header_timeout_s=0.3)
        wire.send(LIVE[:20])
        assert wire.is_closed_within(5)


def test_a_new_connection_is_kept_idle_for_the_new_time(site: Site) -> None:
    site.reload(server__keepalive_timeout_s=0.3)
    with Wire(site.url) as wire:
        wire.send(LIVE)
        assert wire.reply().status == 200
        assert wire.is_closed_within(5)


def test_bounds_of_the_head_are_the_new_ones(site: Site) -> None:
    long = f"/api/hapta/health/live?{'x' * 3000}"
    with httpx.Client(base_url=site.url) as client:
        assert client.get(long).status_code == 200
        site.reload(server__max_target_bytes=2048)
        assert client.get(long).status_code == 414
        site.reload(server__max_target_bytes=16_384, server__max_header_bytes=2048)
        assert client.get("/api/hapta/health/live", headers={"X-Long": "x" * 3000}).status_code == 431


def test_pocketbase_has_the_new_deadline(double: UpstreamDouble, make_site: MakeSite) -> None:
    site = make_site(upstream=double.url)
    site.reload(upstream__response_timeout_s=0.3)
    double.plan("GET", "/api/collections/users/auth-methods", says(then="stall"))
    assert httpx.get(f"{site.url}/api/collections/users/auth-methods", timeout=10).status_code == 504


def test_the_oldest_session_ends_by_the_new_number(site: Site) -> None:
    with httpx.Client(base_url=site.url) as client:
        first = log_in(client, "ada@example.com", "users")
        site.reload(sessions__max_per_identity=1)
        log_in(client, "ada@example.com", "users")
        old = {"Authorization": first}  # it is ended once the login is answered
        wait_until(lambda: client.get(POSTS, headers=old).status_code == 401, "the first one has ended")


def test_own_collections_are_shown(site: Site) -> None:
    with httpx.Client(base_url=site.url) as client:
        client.headers["Authorization"] = log_in(client, ADMIN_EMAIL, "_superusers")
        query = "/api/collections?perPage=500"
        assert "hapta_sessions" not in client.get(query).text
        site.reload(admin__show_own_collections=True)
        assert "hapta_sessions" in client.get(query).text


def test_the_dashboard_is_shown_to_networks_only(site: Site) -> None:
    with httpx.Client(base_url=site.url, headers={"X-Forwarded-For": "203.0.113.9"}) as client:
        assert client.get("/_/").status_code == 200
        site.reload(admin__ui="networks")
        assert client.get("/_/").status_code == 404


def test_logins_are_guarded_by_the_new_bounds(site: Site) -> None:
    wrong = {"identity": "nobody@example.com", "password": "wrong-wrong"}
    with httpx.Client(base_url=site.url) as client:
        path = "/api/collections/users/auth-with-password"
        assert [client.post(path, json=wrong).status_code for _ in range(3)] == [400] * 3
        site.reload(login__failures=3, login__message="Slowly.")
        assert client.post(path, json=wrong).status_code == 400
        answer = client.post(path, json=wrong)
        assert (answer.status_code, answer.json()["message"]) == (429, "Slowly.")


def test_creates_are_left_to_pocketbase(site: Site) -> None:
    site.reload(validation__schema=False)
    assert site.reload(validation__schema=True)["changes"] == ["validation.schema: false -> true"]
    assert httpx.post(f"{site.url}{POSTS}", json={}).status_code in (200, 400)


def test_hooks_have_the_new_deadline(make_site: MakeSite) -> None:
    site = make_site(started=False)
    (site.hapta.home / "plugins").mkdir()
    (site.hapta.home / "plugins" / "slow.py").write_text(
        textwrap.dedent("""
            import asyncio


            def setup(api):
                @api.validate("posts", on="create")
                async def slowly(change):
                    await asyncio.sleep(0.5)
        """)
    )
    site.hapta.start()
    with httpx.Client(base_url=site.url, timeout=10) as client:
        made = client.post(POSTS, json={"title": "slow"})
        assert made.status_code == 200
        client.delete(f"{POSTS}/{made.json()['id']}")
        site.reload(hooks__guard_deadline_s=0.1)
        assert client.post(POSTS, json={"title": "slow"}).status_code == 500
