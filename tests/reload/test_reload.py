"""SIGHUP and ``hapta reload``: what changes, what does not, and what is told."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.coherence.relay import Fate
from tests.coherence.relay import Relay as CoherenceRelay
from tests.faults.gauges import Gauges
from tests.reload.conftest import MakeSite
from tests.reload.site import Site
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase
from tests.support.process import free_port, wait_until
from tests.support.upstream_double import UpstreamDouble, response, says
from tests.support.wire import Reply, Wire

POSTS = "/api/collections/posts/records"
LIVE = "/api/hapta/health/live"


def ask(wire: Wire, target: str = POSTS, *fields: str, method: str = "GET") -> Reply:
    """One request on a connection that stays open."""
    wire.send("\r\n".join([f"{method} {target} HTTP/1.1", "Host: hapta.test", *fields, "", ""]).encode())
    return wire.reply(method)


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


@pytest.fixture
def wire(site: Site) -> Iterator[Wire]:
    """A connection that was open before the reload."""
    with Wire(site.url) as opened:
        assert ask(opened).status == 200
        yield opened


def test_the_next_request_on_an_open_connection_meets_a_new_limit(site: Site, wire: Wire) -> None:
    told = site.reload(ratelimit__max=3, ratelimit__burst=2, ratelimit__duration=60)
    assert told["changes"] == [
        "ratelimit.max: 1000000 -> 3",
        "ratelimit.duration: 1.0 -> 60.0",
        "ratelimit.burst: 1000000 -> 2",
    ]
    assert [ask(wire, LIVE).status for _ in range(2)] == [200, 200], "health is not limited"
    assert [ask(wire).status for _ in range(4)].count(429) >= 2


def test_what_was_counted_stays_counted(site: Site, wire: Wire) -> None:
    site.reload(limits__api__rate="3/hour", limits__api__path_prefix="/api/collections")
    assert [ask(wire).status for _ in range(4)] == [200, 200, 200, 429]
    site.reload(cors__max_age_s=5)
    assert ask(wire).status == 429


def test_limits_can_be_switched_off_and_on(site: Site, wire: Wire) -> None:
    site.reload(limits__api__rate="1/hour")
    assert [ask(wire).status for _ in range(2)] == [200, 429]
    site.reload(ratelimit__is_enabled=False)
    assert [ask(wire).status for _ in range(2)] == [200, 200]
    site.reload(ratelimit__is_enabled=True)
    assert [ask(wire).status for _ in range(2)] == [200, 429]


def test_the_cache_can_be_switched_off_and_on_and_holds_nothing_of_before(
    make_site: MakeSite, pocketbase: PocketBase
) -> None:
    site = make_site(cache__pb_hooks="none")
    with Wire(site.url) as wire:
        wait_until(lambda: "hit" in (ask(wire).get("cache-status") or ""), "a hit")
        site.reload(cache__is_enabled=False)
        assert ask(wire).get("cache-status") is None
        created = pocketbase.admin.post(POSTS, json={"title": "while it was off"})
        assert created.status_code == 200
        site.reload(cache__is_enabled=True)
        first = ask(wire)
        assert "fwd" in (first.get("cache-status") or "")
        assert b"while it was off" in ask(wire, f"{POSTS}?filter=(id='{created.json()['id']}')").body
        wait_until(lambda: "hit" in (ask(wire).get("cache-status") or ""), "a hit again")
        pocketbase.admin.delete(f"{POSTS}/{created.json()['id']}")


def test_a_collection_is_no_longer_stored_from_the_reload_on(make_site: MakeSite) -> None:
    site = make_site(cache__pb_hooks="none")
    with Wire(site.url) as wire:
        wait_until(lambda: "hit" in (ask(wire).get("cache-status") or ""), "a hit")
        site.reload(cache__collections__posts__is_enabled=False)
        assert "hit" not in (ask(wire).get("cache-status") or "")
        assert "hit" not in (ask(wire).get("cache-status") or "")


def test_preflights_get_the_new_age(site: Site, wire: Wire) -> None:
    fields = ("Origin: https://app.example", "Access-Control-Request-Method: GET")
    assert ask(wire, POSTS, *fields, method="OPTIONS").get("access-control-max-age") == "600"
    site.reload(cors__max_age_s=7)
    assert ask(wire, POSTS, *fields, method="OPTIONS").get("access-control-max-age") == "7"


def test_an_open_connection_is_judged_by_the_new_networks(site: Site, wire: Wire) -> None:
    assert ask(wire, "/api/settings").status == 401
    site.reload(admin__networks=["10.1.2.3"])
    assert ask(wire, "/api/settings").status == 404
    site.reload(admin__networks=["127.0.0.1"])
    assert ask(wire, "/api/settings").status == 401
    spoken = ("X-Forwarded-For: 203.0.113.9",)
    assert ask(wire, "/api/settings", *spoken).status == 404
    site.reload(server__trusted_proxies=["127.0.0.1"], admin__networks=["203.0.113.0/24"])
    assert ask(wire, "/api/settings", *spoken).status == 401


def test_places_of_an_address_are_given_back_though_it_became_a_proxy(make_site: MakeSite) -> None:
    site = make_site(server__max_connections_per_address=4)
    with Wire(site.url) as one, Wire(site.url) as other:
        assert (ask(one).status, ask(other).status) == (200, 200)
        site.reload(server__trusted_proxies=["127.0.0.1"])
        assert (ask(one).status, ask(other).status) == (200, 200)
    site.reload(server__trusted_proxies=[])
    wires = [Wire(site.url) for _ in range(4)]
    assert [ask(wire).status for wire in wires] == [200] * 4
    with Wire(site.url) as fifth:
        assert fifth.is_closed_within(5)
    for wire in wires:
        wire.__exit__()


def test_bounds_of_bodies_change(site: Site) -> None:
    body = b'{"title": "' + b"x" * 5000 + b'"}'
    with httpx.Client(base_url=site.url) as client:
        assert client.post("/api/collections/guarded/records", content=body).status_code != 413
        site.reload(server__spool_bytes=4000, server__memory_body_bytes=1000)
        assert client.post("/api/collections/guarded/records", content=body).status_code == 413


def test_what_needs_a_restart_is_named_and_the_rest_is_taken(site: Site, wire: Wire) -> None:
    told = site.reload(server__port=free_port(), feed__max_silence_s=20, cors__max_age_s=9)
    assert told["changes"] == ["cors.max_age_s: 600 -> 9"]
    (waiting,) = site.events("needs_restart")
    assert waiting["message"] == "changed, but waiting for a restart: server.port, feed.max_silence_s"
    assert ask(wire).status == 200
    assert httpx.get(f"{site.url}{LIVE}").status_code == 200


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        pytest.param("[ratelimit]\nmax = 0\n", "config.toml:2: ratelimit.max: expected", id="wrong value"),
        pytest.param("[ratelimit\n", "config.toml:1:", id="no TOML"),
        pytest.param("[validate.posts]\ntitle = 3\n", "config.toml:2: validate.posts.title:", id="checks"),
        pytest.param("[plugins.none]\n", "there is no plugin none", id="no such plugin"),
        pytest.param(
            '[server]\ntls_cert = "a"\ntls_key = "b"\n', "config.toml:2: server.tls_cert:", id="certificate"
        ),
        pytest.param('[server]\nspool_dir = "config.toml"\n', "server.spool_dir:", id="folder"),
    ],
)
def test_an_invalid_configuration_changes_nothing(site: Site, wire: Wire, broken: str, said: str) -> None:
    site.path.write_text("[cors]\nmax_age_s = 3\n" + broken if "config.toml:" not in said else broken)
    (message,) = site.refuse()
    assert said in message
    assert message.endswith("; the configuration before it stays at work")
    fields = ("Origin: https://app.example", "Access-Control-Request-Method: GET")
    assert ask(wire, POSTS, *fields, method="OPTIONS").get("access-control-max-age") == "600"
    assert site.reload()["changes"] == []


def test_a_file_that_is_gone_is_no_empty_one(site: Site) -> None:
    site.path.unlink()
    assert site.refuse() == ["config.toml: no such file; the configuration before it stays at work"]


def test_secrets_are_not_told_and_need_a_restart(site: Site) -> None:
    secret = "another-secret-Wq8rT2yU6iO1pA5sD9fG3hJ7kL4zX"
    (site.hapta.home / ".env").write_text(f"AdminToken=\nSecretPrevious={secret}\n")
    site.reload()
    (waiting,) = site.events("needs_restart")
    assert waiting["message"] == "changed, but waiting for a restart: SecretPrevious"
    assert secret not in site.hapta.log


def test_secrets_that_hapta_made_up_are_no_change(make_site: MakeSite) -> None:
    site = make_site(upstream=None, started=False)
    site.hapta.start(40)
    assert (site.hapta.home / "hapta.env").exists()
    assert site.reload(cors__max_age_s=4)["changes"] == ["cors.max_age_s: 600 -> 4"]
    assert site.events("needs_restart") == []


def test_the_command_says_what_changed(site: Site) -> None:
    site.write(cors__max_age_s=5, server__threads=2)
    done = site.command("reload")
    assert (done.returncode, done.stdout) == (0, "cors.max_age_s: 600 -> 5\n")
    assert done.stderr == "hapta: waiting for a restart: server.threads\n"
    again = site.command("reload", "--json")
    assert json.loads(again.stdout) == {"changes": [], "needs_restart": ["server.threads"]}
    assert site.command("reload").stdout == "Nothing changed.\n"


def test_the_command_says_why_it_was_refused(site: Site) -> None:
    site.write(validate__posts__title=3)
    done = site.command("reload")
    assert done.returncode == 2
    assert "validate.posts.title" in done.stderr
    assert done.stderr.startswith("hapta: config.toml:")


def test_the_command_says_that_none_runs(make_site: MakeSite) -> None:
    done = make_site(started=False).command("reload")
    assert done.returncode == 2
    assert "no Hapta runs with this state directory" in done.stderr


def test_checks_of_fields_change(site: Site) -> None:
    with httpx.Client(base_url=site.url) as client:
        bad = {"title": "short"}
        assert client.post(POSTS, json=bad).json().get("data", {}).get("title") is None
        site.path.write_text(site.path.read_text() + "[validate.posts]\ntitle = { min = 100 }\n")
        site.told_after_signal("reloaded")
        answer = client.post(POSTS, json=bad)
        assert answer.status_code == 400
        assert "title" in answer.json()["data"]


def test_what_is_logged_changes(site: Site, wire: Wire) -> None:
    site.reload(log__access="off")
    ask(wire, f"{POSTS}?page=7001")
    site.reload(log__access="all")
    ask(wire, f"{POSTS}?page=7002")
    wait_until(lambda: "page=7002" in site.hapta.log, "it is logged")
    assert "page=7001" not in site.hapta.log


def test_a_request_under_way_ends_as_it_began(double: UpstreamDouble, make_site: MakeSite) -> None:
    site = make_site(upstream=double.url)
    double.plan("GET", "/api/custom/slow", says(1.0, response(b'{"whole":1}')))
    with Wire(site.url) as slow, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, slow, "/api/custom/slow")
        wait_until(lambda: double.count("GET", "/api/custom/slow") == 1, "it is under way")
        site.reload(ratelimit__max=1, ratelimit__burst=1, cache__is_enabled=False)
        assert not waiting.done()
        assert (waiting.result().status, waiting.result().body) == (200, b'{"whole":1}')


@pytest.fixture
def double() -> Iterator[UpstreamDouble]:
    with UpstreamDouble() as upstream:
        yield upstream


def test_reloads_under_load_fail_no_request_and_split_none(make_site: MakeSite) -> None:
    """Each configuration names itself in two lines of an answer that are made by different parts, before and
    after PocketBase was asked: one that shows two of them is half old, half new."""
    site = make_site(cors__memo_s=0, cors__max_age_s=1, limits__mark__rate="900001/minute")
    stop, wrong, seen = threading.Event(), [], set()
    fields = ("Origin: https://app.example", "Access-Control-Request-Method: GET")

    def client() -> None:
        with Wire(site.url) as wire:
            while not stop.is_set():
                preflight = ask(wire, POSTS, *fields, method="OPTIONS")
                answer = ask(wire)
                if (preflight.status, answer.status) != (204, 200):
                    wrong.append(f"{preflight} {answer}")
                policy = preflight.get("ratelimit-policy") or ""
                age = preflight.get("access-control-max-age")
                seen.add(age)
                if f'"mark";q=90000{age};' not in policy:
                    wrong.append(f"{age} {policy}")

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client) for _ in range(4)]
        for number in range(2, 8):
            site.reload(cors__max_age_s=number, limits__mark__rate=f"90000{number}/minute")
            time.sleep(0.1)
        stop.set()
        for each in clients:
            each.result()
    assert wrong == []
    assert {str(number) for number in range(2, 8)} <= seen


def test_a_thousand_reloads_leave_no_descriptor_behind(make_site: MakeSite) -> None:
    site = make_site(server__state_dir=".")
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(site.hapta.home / "hapta.sock"))
    client.settimeout(30)
    reading = client.makefile("rb")

    def reload() -> bytes:
        client.sendall(b"POST /reload HTTP/1.1\r\nHost: hapta\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += reading.readline()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return reading.read(length)

    gauges = Gauges(site.hapta, 0)
    for _ in range(20):
        assert reload() == b'{"changes": [], "needs_restart": []}'
    before = gauges.file_descriptors()
    for number in range(1000):
        site.write(cors__max_age_s=number % 7, limits__some__rate=f"{number + 1000}/minute")
        assert b"limits.some" in reload()
    assert gauges.file_descriptors() <= before
    client.close()


@pytest.mark.parametrize("signals", [1, 30])
def test_a_signal_during_the_start_is_heard_after_it(make_site: MakeSite, signals: int) -> None:
    double = UpstreamDouble()
    site = make_site(started=False, upstream=double.url)
    site.hapta.command.append("--wait")
    site.hapta.launch()
    wait_until(lambda: bool(site.events("waiting")), "it waits for its database")
    for _ in range(signals):
        site.hang_up()
    time.sleep(0.2)
    assert site.hapta.process is not None
    assert site.hapta.process.poll() is None
    with double:
        wait_until(lambda: bool(site.events("reloaded")), "it has heard")
        site.hapta.stop()


def test_a_signal_during_the_drain_does_not_end_it(double: UpstreamDouble, make_site: MakeSite) -> None:
    site = make_site(upstream=double.url)
    double.plan("GET", "/api/custom/slow", says(1.0, response(b'{"whole":1}')))
    with Wire(site.url) as slow:
        slow.send(b"GET /api/custom/slow HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: double.count("GET", "/api/custom/slow") == 1, "it is under way")
        assert site.hapta.process is not None
        site.hapta.process.send_signal(signal.SIGTERM)
        wait_until(lambda: bool(site.events("draining")), "it drains")
        site.hang_up()
        assert slow.reply().body == b'{"whole":1}'
    assert site.hapta.process.wait(10) == 0


def test_an_invalid_signal_storm_leaves_it_at_work(site: Site, wire: Wire) -> None:
    site.path.write_text("[ratelimit]\nmax = 0\n")
    for _ in range(50):
        site.hang_up()
    site.refuse()
    assert ask(wire).status == 200


def test_superusers_streams_end_where_their_networks_change(site: Site, pocketbase: PocketBase) -> None:
    with httpx.Client(base_url=site.url, timeout=10) as client:
        login = {"identity": ADMIN_EMAIL, "password": PASSWORD}
        token = client.post("/api/collections/_superusers/auth-with-password", json=login).json()["token"]
        with Wire(site.url) as stream:
            stream.send(b"GET /api/realtime HTTP/1.1\r\nHost: x\r\n\r\n")
            first = stream.until(b'"}')
            client_id = json.loads(first[first.index(b"{") :])["clientId"]
            answer = client.post(
                "/api/realtime",
                json={"clientId": client_id, "subscriptions": ["posts/*"]},
                headers={"Authorization": token},
            )
            assert answer.status_code == 204
            site.reload(admin__networks=["10.1.2.3"])
            stream.until(b"0\r\n\r\n")


def test_a_write_under_way_when_the_cache_is_switched_on_was_announced(
    make_site: MakeSite, pocketbase: PocketBase
) -> None:
    """Else a read in between would be stored, and served after the write was answered."""
    row = pocketbase.admin.post(POSTS, json={"title": "before"}).raise_for_status().json()["id"]
    target = f"{POSTS}/{row}"
    with CoherenceRelay(pocketbase.url) as relay:
        site = make_site(upstream=relay.url, cache__pb_hooks="none", cache__is_enabled=False)
        with Wire(site.url) as wire, ThreadPoolExecutor(1) as pool:
            relay.silence_streams(new_ones_too=True)
            relay.plan(f"PATCH {target}", Fate.DELAYED)
            writing = pool.submit(httpx.patch, site.url + target, json={"title": "after"}, timeout=20)
            wait_until(lambda: relay.count(f"PATCH {target}") == 1, "it is under way")
            site.reload(cache__is_enabled=True)
            for _ in range(3):
                seen = ask(wire, target)
                assert b"before" in seen.body
                assert "hit" not in (seen.get("cache-status") or "")
            relay.release()
            assert writing.result().status_code == 200
            assert b"after" in ask(wire, target).body
    pocketbase.admin.delete(target)
