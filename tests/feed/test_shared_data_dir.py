"""The data folder of a PocketBase beside Hapta tells at once what changes there, if it is really its own."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase, from_template
from tests.support.process import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it takes inotify")
RARELY = {"feed.schema_max_age_s": 3600}
"""Whoever asked PocketBase would not know for an hour."""


@pytest.fixture
def own(pocketbase_template: Path, tmp_path: Path) -> Iterator[PocketBase]:
    home = tmp_path / "pocketbase"
    home.mkdir()
    instance = from_template(pocketbase_template, home)
    yield instance
    instance.close()


def hapta_before(pocketbase: PocketBase, tmp_path: Path, data_dir: Path) -> Hapta:
    home = tmp_path / "hapta"
    home.mkdir()
    return Hapta(home, pocketbase.url, {"upstream.shared_data_dir": data_dir, **RARELY})


def close_list(pocketbase: PocketBase, name: str, rule: str | None) -> None:
    answer = pocketbase.admin.patch(f"/api/collections/{name}", json={"listRule": rule})
    assert answer.is_success, answer.text


def make(pocketbase: PocketBase) -> str:
    name = f"c{uuid4().hex[:10]}"
    body = {"name": name, "type": "base", "listRule": "", "fields": [{"name": "title", "type": "text"}]}
    answer = pocketbase.admin.post("/api/collections", json=body)
    assert answer.is_success, answer.text
    assert pocketbase.admin.post(f"/api/collections/{name}/records", json={"title": "a"}).is_success
    return name


def test_a_changed_rule_is_known_at_once_and_again_after_a_restart_elsewhere(
    own: PocketBase, tmp_path: Path
) -> None:
    hapta = hapta_before(own, tmp_path, own.data_dir)
    hapta.start()
    try:
        name = make(own)
        path = f"/api/collections/{name}/records"
        with httpx.Client(base_url=hapta.url, timeout=30) as client:
            wait_until(lambda: "hit" in client.get(path).headers["Cache-Status"], "stored", 15)
            close_list(own, name, None)
            wait_until(lambda: client.get(path).status_code == 403, "closed", 2)
            close_list(own, name, "")
            own.stop()
            own.start()
            wait_until(lambda: "hit" in client.get(path).headers.get("Cache-Status", ""), "stored again", 15)
            close_list(own, name, None)
            wait_until(lambda: client.get(path).status_code == 403, "closed again", 2)
    finally:
        hapta.stop()


@pytest.mark.parametrize("is_there", [True, False])
def test_the_folder_of_another_pocketbase_is_refused_with_what_to_do(
    own: PocketBase, tmp_path: Path, is_there: bool
) -> None:
    other = tmp_path / "other"
    if is_there:
        (other / ".notify").mkdir(parents=True)
    hapta = hapta_before(own, tmp_path, other)
    hapta.launch()
    assert hapta.process is not None
    assert hapta.process.wait(timeout=20) == 2, hapta.log
    assert "upstream.shared_data_dir" in hapta.log
    assert str(other) in hapta.log
    assert "Correct or remove it" in hapta.log
    assert "Traceback" not in hapta.log
