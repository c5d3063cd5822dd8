"""kill -9, of PocketBase or of Hapta, under load: soon back, and nothing that was acknowledged is lost."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeHapta
from tests.embedded.support import is_running, seconds_until_gone
from tests.faults.processes import pocketbase_pid
from tests.support.hapta import Hapta
from tests.support.process import wait_until

NOTES = "/api/collections/notes/records"


@pytest.fixture
def hapta(make_hapta: MakeHapta) -> Iterator[Hapta]:
    """One with an embedded PocketBase and an open collection ``notes``."""
    server: Hapta = make_hapta(upstream=None)
    rules = dict.fromkeys(("listRule", "viewRule", "createRule"), "")
    notes = {"name": "notes", "type": "base", "fields": [{"name": "text", "type": "text"}], **rules}
    with ExitStack() as closing:
        client = closing.enter_context(httpx.Client(base_url=server.url, timeout=30))
        made = client.post("/api/collections", json=notes, headers={"Authorization": log_in(server, client)})
        made.raise_for_status()
        yield server


def log_in(hapta: Hapta, client: httpx.Client) -> str:
    """A token of the operator's account, whose password Hapta made up."""
    lines = (hapta.home / "hapta.env").read_text().splitlines()
    secrets = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    values = {name: value.strip("'\"") for name, value in secrets.items()}
    body = {"identity": values["AdminEmail"], "password": values["AdminPassword"]}
    answer = client.post("/api/collections/_superusers/auth-with-password", json=body)
    answer.raise_for_status()
    return str(answer.json()["token"])


class Load:
    """Four threads, each writing and reading as fast as it is answered.

    Attributes:
        acknowledged: texts whose create was answered 200.
        answers: (seconds since the beginning, status, seconds it took); status 0 for no answer at all.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(4)]
        self.acknowledged: list[str] = []
        self.answers: list[tuple[float, int, float]] = []

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        count = 0
        with httpx.Client(base_url=self._url, timeout=10) as client:
            while not self._ends.is_set():
                count += 1
                began = time.monotonic()
                text = f"{number}-{count}"
                try:
                    answer = client.post(NOTES, json={"text": text}) if count % 2 else client.get(NOTES)
                    status = answer.status_code
                except httpx.TransportError:
                    status = 0
                ended = time.monotonic()
                self.answers.append((ended, status, ended - began))
                if status == 200 and count % 2:
                    self.acknowledged.append(text)
                time.sleep(0.002)


def stored_texts(url: str) -> set[str]:
    texts: set[str] = set()
    page = 1
    while items := httpx.get(f"{url}{NOTES}", params={"perPage": 1000, "page": page}).json()["items"]:
        texts.update(item["text"] for item in items)
        page += 1
    return texts


def test_pocketbase_killed_under_load_is_back_within_two_seconds_and_errors_come_in_milliseconds(
    hapta: Hapta,
) -> None:
    with Load(hapta.url) as load:
        time.sleep(0.5)
        killed_at = time.monotonic()
        os.kill(pocketbase_pid(str(hapta.home)), signal.SIGKILL)
        time.sleep(2.5)
    after = [(at - killed_at, status, took) for at, status, took in load.answers if at >= killed_at]
    errors = [each for each in after if each[1] != 200]
    assert errors, "nobody noticed that it was killed"
    assert {status for _, status, _ in errors} <= {502, 503, 504}
    assert max(took for _, _, took in errors) < 0.25
    assert max(at for at, _, _ in errors) < 2.0, "still failing two seconds after the kill"
    assert sum(status == 200 for at, status, _ in after if at > 2.0) > 20
    assert set(load.acknowledged) <= stored_texts(hapta.url)


def test_hapta_killed_under_load_takes_pocketbase_along_and_starts_again_with_all_that_was_acknowledged(
    hapta: Hapta,
) -> None:
    child = pocketbase_pid(str(hapta.home))
    with Load(hapta.url) as load:
        time.sleep(0.5)
        hapta.kill()
        assert seconds_until_gone(child, 1.0) < 1.0
    assert len(load.acknowledged) > 10
    hapta.start()
    assert set(load.acknowledged) <= stored_texts(hapta.url)
    assert not is_running(child)


def test_both_killed_at_once_start_again_with_all_that_was_acknowledged(hapta: Hapta) -> None:
    child = pocketbase_pid(str(hapta.home))
    with Load(hapta.url) as load:
        time.sleep(0.3)
        os.kill(child, signal.SIGKILL)
        hapta.kill()
    hapta.start()
    assert set(load.acknowledged) <= stored_texts(hapta.url)


def test_a_backup_older_than_haptas_settings_restored_under_load_leaves_them_in_line(hapta: Hapta) -> None:
    """The crowd that meets the restart opens the circuit breaker; the settings must be looked at all the
    same."""
    with ExitStack() as closing:
        client = closing.enter_context(httpx.Client(base_url=hapta.url, timeout=30))
        operator = {"Authorization": log_in(hapta, client)}
        command = Path(f"/proc/{pocketbase_pid(str(hapta.home))}/cmdline").read_text().split("\0")
        behind = next(part.removeprefix("--http=") for part in command if part.startswith("--http="))
        none = {"trustedProxy": {"headers": [], "useLeftmostIP": False}}
        with httpx.Client(base_url=f"http://{behind}", timeout=30) as direct:
            by_itself = {"Authorization": log_in(hapta, direct)}
            direct.patch("/api/settings", json=none, headers=by_itself).raise_for_status()
        client.post("/api/backups", json={"name": "old.zip"}, headers=operator).raise_for_status()
        with Load(hapta.url):
            time.sleep(0.3)
            client.post("/api/backups/old.zip/restore", headers=operator).raise_for_status()
            wait_until(lambda: "pocketbase_reloaded" in hapta.log, "restored", 10)

            def is_in_line() -> bool:
                settings = client.get("/api/settings", headers=operator).json()
                return bool(settings.get("trustedProxy", {}).get("headers") == ["X-Hapta-Client-IP"])

            wait_until(is_in_line, "the settings in line", 5)


TWO_FACTORS = {
    "mfa": {"enabled": True, "duration": 600},
    "otp": {"enabled": True, "duration": 180, "length": 8},
}
NO_PASSWORD = {**TWO_FACTORS, "mfa": {"enabled": False}, "passwordAuth": {"enabled": False}}
ELSEWHERE = {"superuserIPs": ["10.1.2.3"]}


@pytest.mark.parametrize(
    ("path", "change"),
    [
        pytest.param("/api/collections/_superusers", TWO_FACTORS, id="two factors"),
        pytest.param("/api/collections/_superusers", NO_PASSWORD, id="no password"),
        pytest.param("/api/settings", ELSEWHERE, id="other addresses"),
    ],
)
def test_settings_that_make_it_harder_for_superusers_do_not_keep_hapta_from_starting(
    hapta: Hapta, path: str, change: dict[str, Any]
) -> None:
    with httpx.Client(base_url=hapta.url, timeout=30) as client:
        operator = {"Authorization": log_in(hapta, client)}
        client.patch(path, json=change, headers=operator).raise_for_status()
        hapta.stop()
        hapta.start()
        proxy = {"trustedProxy": {"headers": [], "useLeftmostIP": False}}
        client.patch("/api/settings", json=proxy, headers=operator).raise_for_status()
        settings = client.get("/api/settings", headers=operator).json()
        assert settings["trustedProxy"]["headers"] == ["X-Hapta-Client-IP"]


@pytest.mark.all_modes
def test_readiness_tells_while_it_is_down(hapta: Hapta) -> None:
    binary = pocketbase_pid(str(hapta.home))
    os.kill(binary, signal.SIGSTOP)
    try:
        wait_until(lambda: not hapta.is_ready(), "not ready", 4)
    finally:
        os.kill(binary, signal.SIGCONT)
    wait_until(hapta.is_ready, "ready again", 2)
    assert Path(f"/proc/{binary}").exists()
