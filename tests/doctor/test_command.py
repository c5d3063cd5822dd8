"""``hapta doctor`` as its operator runs it."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from hapta.app.control import ControlClient
from hapta.config import load
from hapta.doctor import examine
from hapta.doctor.pocketbase import clock_skew, outward_addresses, way_around
from hapta.model.clock import ManualClock, SystemClock
from tests.conftest import MakeHapta, MakePocketBase
from tests.support.hapta import SECRET, Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase
from tests.support.process import free_port, wait_until

ROOT = Path(__file__).parents[2]


class Answering(BaseHTTPRequestHandler):
    """Answers every GET."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def remote(url: str, **changes: str) -> dict[str, str]:
    secrets = {"DatabaseURL": url, "AdminEmail": ADMIN_EMAIL, "AdminPassword": PASSWORD, "Secret": SECRET}
    return {**secrets, **changes}


def doctor(
    home: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **(env or {})}
    done = subprocess.run(
        [sys.executable, "-m", "hapta", "doctor", *arguments],
        cwd=home,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in (PASSWORD, SECRET))
    return done


def diagnosis(home: Path, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """The checks of ``--json`` by name; the exit code must fit them."""
    ports = ["--set", f"server.port={free_port()}", "--set", f"metrics.port={free_port()}"]
    done = doctor(home, *ports, *arguments, "--json", env=env)
    report = json.loads(done.stdout)
    has_failed = any(check["status"] == "fail" for check in report["checks"])
    assert report["ok"] is not has_failed
    assert done.returncode == int(has_failed)
    return {check["name"]: check for check in report["checks"]}


def test_a_fresh_folder_is_well(tmp_path: Path) -> None:
    checks = diagnosis(tmp_path)
    assert {name for name, check in checks.items() if check["status"] == "fail"} == set()
    assert checks["embedded"]["found"].endswith("pocketbase")
    assert "is free" in checks["server.port"]["found"]
    assert list(tmp_path.iterdir()) == []


def test_the_text_names_each_check_and_what_to_do(tmp_path: Path) -> None:
    done = doctor(
        tmp_path,
        *("--set", f"server.port={free_port()}", "--set", f"metrics.port={free_port()}"),
        *("--set", "admin.networks=0.0.0.0/0"),
    )
    assert "  ok    HTTP parser           aiohttp's, in C" in done.stdout
    assert "  warn  admin networks        0.0.0.0/0: superusers may log in from anywhere" in done.stdout
    assert "→ set admin.networks to the addresses administrators really come from" in done.stdout
    assert done.returncode == 0


def test_a_port_held_by_something_else_is_a_failure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        checks = diagnosis(tmp_path, "--set", f"metrics.port={port}")
    assert checks["metrics.port"]["status"] == "fail"
    assert f"127.0.0.1:{port} is in use by something that is not Hapta" in checks["metrics.port"]["found"]


def test_a_readable_hapta_env_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "hapta.env"
    file.touch()
    file.chmod(0o644)
    assert diagnosis(tmp_path)["hapta.env"]["status"] == "fail"


def test_a_remote_pocketbase_is_asked_as_hapta_would(pocketbase: PocketBase, tmp_path: Path) -> None:
    checks = diagnosis(tmp_path, env=remote(pocketbase.url))
    assert checks["PocketBase"]["status"] == "ok"
    assert checks["clocks"]["status"] == "ok"
    assert checks["way around"]["status"] == "ok"
    assert checks["batch"]["found"] == "on"
    assert checks["api/sql"]["found"].startswith("there: ")
    assert checks["settings"]["status"] == "warn"  # its application URL is another
    assert "application URL" in checks["settings"]["found"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param(
            {"AdminPassword": "not-the-password"}, "refuses the superuser credentials", id="password"
        ),
        pytest.param(
            {"AdminToken": "a.b.c", "AdminEmail": "", "AdminPassword": ""},
            "refuses the superuser credentials",
            id="token",
        ),
    ],
)
def test_refused_credentials_are_a_failure(
    pocketbase: PocketBase, tmp_path: Path, changes: dict[str, str], found: str
) -> None:
    check = diagnosis(tmp_path, env=remote(pocketbase.url, **changes))["PocketBase"]
    assert check["status"] == "fail"
    assert found in check["found"]


def test_an_unreachable_pocketbase_is_a_failure(tmp_path: Path) -> None:
    check = diagnosis(tmp_path, env=remote(f"http://127.0.0.1:{free_port()}"))["PocketBase"]
    assert (check["status"], check["advice"]) == ("fail", "start it, or correct DatabaseURL")


def test_secrets_that_will_not_do_are_told_and_pocketbase_is_not_asked(tmp_path: Path) -> None:
    checks = diagnosis(tmp_path, env={"DatabaseURL": "ftp://x", "Secret": "short"})
    assert checks["secrets"]["status"] == "fail"
    assert "PocketBase" not in checks


def test_a_running_gateway_is_found_and_its_pocketbase_seen_through_it(
    make_hapta: MakeHapta, tmp_path: Path
) -> None:
    metrics = free_port()
    hapta = make_hapta(upstream=None, metrics__enabled=True, metrics__port=metrics)
    arguments = ["--set", f"server.port={hapta.port}", "--set", f"metrics.port={metrics}"]
    httpx.get(f"{hapta.url}/api/health", headers={"X-Forwarded-For": "203.0.113.9"})
    checks = diagnosis(hapta.home, *arguments)
    assert f"Hapta is running at 127.0.0.1:{hapta.port}" in checks["server.port"]["found"]
    assert f"Hapta is running at 127.0.0.1:{metrics}" in checks["metrics.port"]["found"]
    assert checks["hapta.env"]["status"] == "ok"
    assert checks["forwarding headers"]["status"] == "warn"
    assert "1 requests" in checks["forwarding headers"]["found"]
    assert checks["PocketBase"]["status"] == "ok"
    assert checks["settings"]["status"] == "ok"
    assert f"at {hapta.url}, up for 0 min" in checks["control socket"]["found"]
    assert checks["change feed"]["found"].startswith("connected, ")
    assert checks["api/sql"]["found"].startswith("there: ")


def test_looking_through_a_running_gateway_leaves_no_session(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(upstream=None)
    checks = diagnosis(hapta.home, "--set", f"server.port={hapta.port}")
    assert checks["PocketBase"]["status"] == "ok"
    assert ControlClient(hapta.home).ask("GET", "/sessions")["totalItems"] == 0


def test_a_gateway_of_another_state_directory_is_told_from_this_one(hapta: Hapta, tmp_path: Path) -> None:
    check = diagnosis(tmp_path, "--set", f"server.port={hapta.port}")["control socket"]
    assert check["status"] == "warn"
    assert "no Hapta runs with this state directory" in check["found"]


def test_a_gateway_that_lost_pocketbase_s_changes_is_told(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta
) -> None:
    pocketbase = make_pocketbase()
    hapta = make_hapta(upstream=pocketbase.url)
    pocketbase.stop()
    client = ControlClient(hapta.home)
    wait_until(lambda: not client.ask("GET", "/status")["feed"]["connected"], "the feed is lost")
    check = diagnosis(hapta.home, "--set", f"server.port={hapta.port}", env=remote(pocketbase.url))
    assert check["change feed"]["status"] == "warn"
    assert "is PocketBase up" in check["change feed"]["advice"]


def test_ranked_feeds_of_a_running_gateway_are_told(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta, tmp_path: Path
) -> None:
    pocketbase = make_pocketbase()
    rule = {"listRule": '@request.auth.role = "editor"'}
    pocketbase.admin.patch("/api/collections/comments", json=rule).raise_for_status()
    config = tmp_path / "config.toml"
    config.write_text(
        '[feeds.home]\ncollection = "posts"\n[feeds.lost]\ncollection = "nowhere"\n'
        '[feeds.keyed]\ncollection = "keyed"\ncreated = "name"\n'
        '[feeds.told]\ncollection = "comments"\n'
    )
    hapta = make_hapta(upstream=pocketbase.url, arguments=("--config", str(config)))
    client = ControlClient(tmp_path)  # beside the configuration

    def is_loaded() -> bool:
        states = {item["name"]: item["state"] for item in client.ask("GET", "/feeds")["items"]}
        return states["home"] == states["told"] == "ready"

    wait_until(is_loaded, "the tables are loaded")
    arguments = ["--config", str(config), "--set", f"server.port={hapta.port}"]
    checks = diagnosis(tmp_path, *arguments, env=remote(pocketbase.url))
    assert checks["feed home"]["status"] == "ok"
    assert checks["feed home"]["found"].endswith("scored by for_you")
    assert checks["feed lost"]["status"] == "warn"
    assert "config.toml:4: feeds.lost.collection: there is no collection" in checks["feed lost"]["found"]
    assert "name of keyed is of type text: expected a date" in checks["feed keyed"]["found"]
    assert "PocketBase is asked which rows of comments" in checks["feed told"]["found"]


def test_metrics_missing_at_a_running_gateway_are_a_warning(hapta: Hapta, tmp_path: Path) -> None:
    checks = diagnosis(tmp_path, "--set", f"server.port={hapta.port}")
    assert checks["metrics.port"]["status"] == "warn"


async def test_a_clock_that_is_wrong_is_seen(pocketbase: PocketBase) -> None:
    finding = await clock_skew(pocketbase.url, ManualClock(now=SystemClock().now() - 600))
    assert finding is not None
    assert "600 s ahead" in finding.found or "599 s ahead" in finding.found


async def test_a_clock_nobody_tells_is_not_judged() -> None:
    assert await clock_skew(f"http://127.0.0.1:{free_port()}", SystemClock()) is None


@pytest.mark.skipif(not outward_addresses(), reason="this machine has no address but loopback")
async def test_a_pocketbase_on_every_address_can_be_reached_around_hapta() -> None:
    with ThreadingHTTPServer(("0.0.0.0", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            finding = await way_around(f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()
            thread.join()
    assert "also answers at" in finding.found


async def test_nothing_is_changed_by_looking(pocketbase: PocketBase, tmp_path: Path) -> None:
    def state() -> tuple[Any, list[str]]:
        return pocketbase.admin.get("/api/settings").json(), sorted(os.listdir(tmp_path))

    before = state()
    loaded = load(None, remote(pocketbase.url), [f"server.port={free_port()}"], tmp_path)
    findings = [finding async for finding in examine(loaded, os.environ, SystemClock())]
    assert len(findings) > 12
    assert state() == before
