"""How long a kept file is told: as long as PocketBase has it, and it is known that it does."""

import os
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import MakeHapta
from tests.files.conftest import Gallery, MakeGallery, png
from tests.support.process import wait_until

HIT = "hapta; hit"


def kept_files(gallery: Gallery) -> list[Path]:
    return sorted((gallery.hapta.home / "hapta-files").iterdir())


def keep(gallery: Gallery, path: str) -> None:
    """Fetch a file, and see that it was kept."""
    assert gallery.status(path).startswith("hapta; fwd=uri-miss")
    wait_until(lambda: gallery.status(path) == HIT, f"{path} kept")


def test_a_deleted_record_takes_its_files_along_at_once(gallery: Gallery) -> None:
    for _ in range(20):
        record, (path,) = gallery.upload(("a.png", png(20, 20)))
        keep(gallery, path)
        gallery.write("DELETE", record)
        assert gallery.get(path).status_code == 404


def test_a_file_that_an_update_takes_away_is_gone_at_once(gallery: Gallery) -> None:
    record, (path, other) = gallery.upload(("a.png", png(20, 20)), ("b.png", png(30, 30)))
    keep(gallery, path)
    keep(gallery, other)
    gallery.write("PATCH", record, **{"cover-": path.rpartition("/")[2]})
    assert gallery.get(path).status_code == 404
    before = len(gallery.asked())
    assert gallery.status(other) == HIT
    assert gallery.asked()[before:] == [f"HEAD {other.replace('pictures', _id(gallery))}"]
    gallery.write("PATCH", record, cover=None)
    assert gallery.get(other).status_code == 404


def _id(gallery: Gallery) -> str:
    return str(gallery.pocketbase.admin.get("/api/collections/pictures").json()["id"])


def test_an_update_that_touches_no_file_costs_nothing_even_behind_hapta(gallery: Gallery) -> None:
    keep(gallery, gallery.picture)
    time.sleep(4)  # events of the collection carry the record, and the stream without it is closed
    gallery.get(gallery.picture)
    before = len(gallery.asked())
    row = f"/api/collections/pictures/records/{gallery.record}"
    for number in range(10):
        if number % 2:
            gallery.write("PATCH", gallery.record, title=f"t{number}")
        else:
            gallery.pocketbase.admin.patch(row, json={"title": f"t{number}"}).raise_for_status()
        assert gallery.status(gallery.picture) == HIT
        time.sleep(0.05)
        assert gallery.status(gallery.picture) == HIT
    assert len(gallery.asked()) == before


def test_a_file_deleted_behind_hapta_is_gone_within_a_moment(gallery: Gallery) -> None:
    record, (path,) = gallery.upload(("a.png", png(20, 20)))
    keep(gallery, path)
    gallery.pocketbase.admin.delete(f"/api/collections/pictures/records/{record}").raise_for_status()
    wait_until(lambda: gallery.get(path).status_code == 404, "the event of the delete", 2)


def test_a_field_that_becomes_protected_takes_the_files_off(gallery: Gallery) -> None:
    keep(gallery, gallery.picture)
    fields = gallery.pocketbase.admin.get("/api/collections/pictures").json()["fields"]
    for field in fields:
        if field["name"] == "cover":
            field["protected"] = True
    gallery.pocketbase.admin.patch("/api/collections/pictures", json={"fields": fields}).raise_for_status()
    time.sleep(1.1)  # feed.schema_max_age_s
    answer = gallery.get(gallery.picture)
    assert answer.status_code == 404
    assert answer.headers["cache-status"] == "hapta; fwd=bypass; detail=protected"


def test_after_a_start_each_file_is_asked_for_once_more(gallery: Gallery) -> None:
    keep(gallery, gallery.picture)
    keep(gallery, gallery.text)
    body = gallery.get(gallery.picture).content
    gallery.hapta.stop()
    gallery.hapta.start()
    before = len(gallery.asked())
    for _ in range(3):
        assert gallery.status(gallery.picture) == HIT
    assert gallery.get(gallery.picture).content == body
    assert [line[:5] for line in gallery.asked()[before:]] == ["HEAD "]


def test_a_file_that_went_while_hapta_was_down_is_not_told(gallery: Gallery) -> None:
    record, (path,) = gallery.upload(("a.png", png(20, 20)))
    keep(gallery, path)
    gallery.hapta.stop()
    gallery.pocketbase.admin.delete(f"/api/collections/pictures/records/{record}").raise_for_status()
    gallery.hapta.start()
    assert gallery.get(path).status_code == 404
    wait_until(lambda: not kept_files(gallery), "thrown away", 5)


@pytest.mark.parametrize("harm", ["cut", "empty", "body", "description", "footer", "another's name"])
def test_a_file_that_was_harmed_on_the_disk_is_never_told(gallery: Gallery, harm: str) -> None:
    keep(gallery, gallery.picture)
    body = gallery.get(gallery.picture).content
    gallery.hapta.stop()
    (path,) = kept_files(gallery)
    content = bytearray(path.read_bytes())
    if harm == "cut":
        content = content[:-100]
    elif harm == "empty":
        content = bytearray()
    elif harm == "another's name":
        path.unlink()
        path = path.with_name("0" * 64 + path.name[64:])
    else:
        at = {"body": 10, "description": len(body) + 10, "footer": len(content) - 20}[harm]
        content[at] ^= 1
    path.write_bytes(content)
    gallery.hapta.start()
    answer = gallery.get(gallery.picture)
    assert answer.content == body
    assert answer.headers["cache-status"].startswith("hapta; fwd="), "a harmed file was told"
    wait_until(lambda: path not in kept_files(gallery), "thrown away", 5)


def test_what_is_not_ours_in_the_folder_is_left_alone_and_unfinished_files_go(gallery: Gallery) -> None:
    keep(gallery, gallery.picture)
    gallery.hapta.stop()
    folder = gallery.hapta.home / "hapta-files"
    (folder / "notes.txt").write_text("mine")
    (folder / ("hapta-fetch-" + "0" * 16)).write_text("torn")
    secret = gallery.hapta.home / "secret"
    secret.write_text("not to be told")
    (folder / ("0" * 64 + "-" + "0" * 16)).symlink_to(secret)
    gallery.hapta.start()
    assert gallery.status(gallery.picture) == HIT
    names = [path.name for path in kept_files(gallery)]
    assert "notes.txt" in names
    assert len(names) == 2
    assert secret.read_text() == "not to be told"


def test_a_file_taken_away_under_a_running_hapta_is_fetched_again(gallery: Gallery) -> None:
    keep(gallery, gallery.picture)
    for path in kept_files(gallery):
        path.unlink()
    assert gallery.status(gallery.picture).startswith("hapta; fwd=uri-miss")


def test_while_the_feed_is_known_to_be_down_no_kept_file_is_told(gallery: Gallery) -> None:
    keep(gallery, gallery.picture)
    gallery.pocketbase.kill()
    wait_until(lambda: gallery.get(gallery.picture).status_code in (502, 503, 504), "the feed is cut", 10)
    for _ in range(10):
        assert gallery.get(gallery.picture).status_code in (502, 503, 504)
    gallery.pocketbase.start()
    wait_until(lambda: gallery.get(gallery.picture).status_code == 200, "back again", 20)
    wait_until(lambda: gallery.status(gallery.picture) == HIT, "confirmed again", 20)


def test_hooks_keep_files_off_the_disk_unless_the_operator_says_they_do_not(
    make_gallery: MakeGallery,
) -> None:
    gallery = make_gallery(cache__pb_hooks="auth")
    for _ in range(2):
        assert gallery.status(gallery.picture) == "hapta; fwd=bypass; detail=hooks"
    assert not kept_files(gallery)


def test_the_oldest_make_room(make_gallery: MakeGallery) -> None:
    gallery = make_gallery(cache__files__max_bytes=2**20)
    paths = []
    for _ in range(12):
        paths += gallery.upload(("x.bin", os.urandom(120_000)))[1]
    for path in paths:
        gallery.get(path)
    wait_until(lambda: sum(path.stat().st_size for path in kept_files(gallery)) <= 2**20, "evicted", 5)
    wait_until(lambda: gallery.status(paths[-1]) == HIT, "the newest is kept")
    assert not gallery.status(paths[0]).startswith(HIT)
    gallery.get(gallery.upload(("big.bin", os.urandom(150_000)))[1][0])
    assert sum(path.stat().st_size for path in kept_files(gallery)) <= 2**20


def test_switched_off_nothing_is_kept(make_gallery: MakeGallery) -> None:
    gallery = make_gallery(cache__files__is_enabled=False)
    for _ in range(2):
        assert gallery.status(gallery.picture) == "hapta; fwd=bypass"
    assert not (gallery.hapta.home / "hapta-files").exists()


def test_a_folder_that_cannot_be_made_stops_the_start_with_one_clear_line(
    make_gallery: MakeGallery, make_hapta: MakeHapta, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    hapta = make_hapta(started=False, cache__files__dir=str(tmp_path / "taken"))
    hapta.launch()
    assert hapta.process is not None
    assert hapta.process.wait(20) == 2
    hapta.process = None
    assert "cache.files.dir" in hapta.log
    assert "Traceback" not in hapta.log


def test_metrics_tell_hits_misses_and_why_not(make_gallery: MakeGallery) -> None:
    from tests.support.process import free_port

    port = free_port()
    gallery = make_gallery(metrics__enabled=True, metrics__port=port)
    keep(gallery, gallery.picture)
    gallery.ask(gallery.text, method="HEAD")
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    for line in (
        'hapta_file_cache_hits_total{collection="pictures"} 1.0',
        'hapta_file_cache_misses_total{collection="pictures",reason="uri-miss"} 1.0',
        'hapta_file_cache_bypasses_total{collection="pictures",reason="head"} 1.0',
        "hapta_file_cache_files 1.0",
    ):
        assert line in text, text
