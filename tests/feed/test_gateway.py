"""What the change feed and Hapta's collections mean for the running gateway."""

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from hapta.feed import OWN_NAMES
from tests.conftest import MakeHapta, MakePocketBase
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, GATEWAY_EMAIL, PASSWORD, PocketBase
from tests.support.process import free_port, wait_until

READY = "/api/hapta/health/ready"


@pytest.fixture(scope="package")
def gateway(served: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Hapta in front of the PocketBase of all tests here."""
    settings = {"metrics.enabled": True, "metrics.port": free_port()}
    server = Hapta(tmp_path_factory.mktemp("gateway"), served.url, settings)
    server.metrics = f"http://127.0.0.1:{settings['metrics.port']}/metrics"  # type: ignore[attr-defined]
    server.start()
    yield server
    server.stop()


@pytest.fixture
def superuser(gateway: Hapta, served: PocketBase) -> Any:
    """The test's superuser, through Hapta."""
    headers = {"Authorization": served.token("_superusers", ADMIN_EMAIL)}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as client:
        yield client


def names(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {item["name"] for item in answer.json()["items"]}


def test_hapta_s_collections_are_not_listed_and_not_counted(
    superuser: httpx.Client, served: PocketBase
) -> None:
    through, direct = (
        client.get("/api/collections", params={"perPage": 1000}) for client in (superuser, served.admin)
    )
    assert names(direct) - names(through) == OWN_NAMES
    hidden = len(OWN_NAMES)
    assert through.json()["totalItems"] == direct.json()["totalItems"] - hidden
    shown = [item for item in direct.json()["items"] if item["name"] not in OWN_NAMES]
    assert through.json()["items"] == shown
    assert list(through.json()) == list(direct.json())


@pytest.mark.parametrize(
    "query",
    [
        "perPage=3&page=2&sort=name",
        "filter=system=true&sort=name",
        'filter=name~"hapta" || name="posts" // all of them',
        "filter=name~'a'&fields=id,name&skipTotal=1",
    ],
)
def test_pages_filters_and_fields_go_on_working(superuser: httpx.Client, query: str) -> None:
    answer = superuser.get(f"/api/collections?{query}")
    assert names(answer)
    assert not names(answer) & OWN_NAMES
    if "perPage=3" in query:
        assert len(answer.json()["items"]) == 3


def test_a_wrong_filter_is_refused_as_by_pocketbase(superuser: httpx.Client, served: PocketBase) -> None:
    query = "/api/collections?filter=nonsense=("
    through, direct = superuser.get(query), served.admin.get(query)
    assert (through.status_code, through.json()) == (direct.status_code, direct.json())


@pytest.mark.parametrize("name", ["hapta_meta", "HAPTA_Sessions", "pbc_hapta_audit", "%68apta_rotations"])
def test_a_single_one_is_not_there(superuser: httpx.Client, served: PocketBase, name: str) -> None:
    through = superuser.get(f"/api/collections/{name}?fields=id")
    unknown = served.admin.get("/api/collections/unknown?fields=id")
    assert (through.status_code, through.json()) == (unknown.status_code, unknown.json())


def test_their_rows_are_read_and_written_by_superusers(superuser: httpx.Client) -> None:
    path = "/api/collections/hapta_audit/records"
    made = superuser.post(path, json={"kind": "note"})
    assert made.status_code == 200
    assert superuser.get(f"{path}/{made.json()['id']}").json()["kind"] == "note"
    assert superuser.delete(f"{path}/{made.json()['id']}").status_code == 204


def test_an_import_of_what_is_listed_keeps_them(superuser: httpx.Client, served: PocketBase) -> None:
    listed = superuser.get("/api/collections?perPage=1000").json()["items"]
    body = {"collections": listed, "deleteMissing": True}
    assert superuser.put("/api/collections/import", json=body).status_code == 204
    assert names(served.admin.get("/api/collections?perPage=1000")) >= OWN_NAMES


def test_they_are_shown_on_request(served: PocketBase, make_hapta: MakeHapta) -> None:
    server = make_hapta(upstream=served.url, admin__show_own_collections=True)
    headers = {"Authorization": served.token("_superusers", ADMIN_EMAIL)}
    answer = httpx.get(f"{server.url}/api/collections?perPage=1000", headers=headers)
    assert names(answer) >= OWN_NAMES


def test_own_writes_and_the_connection_show_in_the_metrics(superuser: httpx.Client, gateway: Hapta) -> None:
    def figure(name: str) -> float:
        text = httpx.get(gateway.metrics).text  # type: ignore[attr-defined]
        return float(next(line for line in text.splitlines() if line.startswith(name)).split()[-1])

    assert figure("hapta_feed_live") == 1
    before = figure("hapta_feed_lag_seconds_count")
    path = "/api/collections/topics/records"
    made = superuser.post(path, json={"name": "measured"}).json()
    superuser.patch(f"{path}/{made['id']}", json={})
    superuser.delete(f"{path}/{made['id']}")
    wait_until(lambda: figure("hapta_feed_lag_seconds_count") >= before + 2, "two lags counted")
    assert figure('hapta_feed_events_total{action="delete"}') >= 1
    assert figure('hapta_feed_gaps_total{reason="lost"}') == 0


def test_lost_rights_end_readiness_not_traffic_and_come_back(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta
) -> None:
    pocketbase = make_pocketbase()
    server = make_hapta(upstream=pocketbase.url, feed__max_silence_s=0.5, feed__renew_idle_s=0.5)
    accounts = pocketbase.rows("_superusers", filter=f"email='{GATEWAY_EMAIL}'")
    path = f"/api/collections/_superusers/records/{accounts[0]['id']}"
    pocketbase.admin.patch(path, json={"password": "another-1", "passwordConfirm": "another-1"})

    wait_until(lambda: not server.is_ready(), "not ready")
    answer = httpx.get(server.url + READY)
    assert (answer.status_code, answer.json()["message"]) == (
        503,
        "The database refuses Hapta its superuser rights.",
    )
    assert httpx.get(server.url + "/api/collections/posts/records").status_code == 200
    assert server.log.count('"rights_lost"') == 1
    assert "AdminEmail and AdminPassword" in server.log
    assert PASSWORD not in server.log

    pocketbase.admin.patch(path, json={"password": PASSWORD, "passwordConfirm": PASSWORD})
    wait_until(server.is_ready, "ready again", 15)
    assert server.log.count('"rights_back"') == 1


def test_a_foreign_collection_of_the_same_name_ends_the_start(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta
) -> None:
    pocketbase = make_pocketbase()
    pocketbase.admin.post("/api/collections", json={"name": "hapta_meta", "type": "base"}).raise_for_status()
    server = make_hapta(upstream=pocketbase.url, started=False)
    done = subprocess.run(
        server.command, cwd=server.home, env=server.environment, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert "hapta_meta, but it is not one that Hapta made" in done.stderr
    assert "rename or remove the collection" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_embedded_pocketbase_has_them_and_keeps_them_over_a_restart(
    make_hapta: MakeHapta, tmp_path: Path
) -> None:
    server = make_hapta(upstream=None)
    server.stop()
    server.start()
    assert "feed_gap" not in server.log
    assert "schema_changed" not in server.log
