"""Which file a request means: one form for all that mean the same, and nothing a client could build with."""

from typing import Any

import pytest

from hapta.filecache.wanted import Left, WantedFile, thumbs_of, wanted_file
from hapta.model.schema import Collection
from hapta.model.target import parse_target

COVER = {"name": "cover", "type": "file", "protected": False, "thumbs": ["50x50"]}
TITLE = {"name": "title", "type": "text"}


def collection(*fields: dict[str, Any], kind: str = "base") -> Collection:
    return Collection("pbc_1", "pictures", kind, False, {}, fields, "", {})


def wanted(target: str) -> WantedFile | Left:
    return wanted_file(parse_target(target, ""), collection(COVER), {"100x100", "50x50"})


PLAIN = WantedFile("pbc_1", "r1", "a_x1.png")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", PLAIN),
        ("?token=abc", PLAIN),
        ("?thumb=", PLAIN),
        ("?thumb=33x33", PLAIN),
        ("?thumb=" + "9" * 5000, PLAIN),
        ("?download=0&x=1", PLAIN),
        ("?download", PLAIN),
        ("?thumb=50x50", WantedFile("pbc_1", "r1", "a_x1.png", "50x50")),
        ("?thumb=%350x50&token=1", WantedFile("pbc_1", "r1", "a_x1.png", "50x50")),
        ("?download=T", WantedFile("pbc_1", "r1", "a_x1.png", "", True)),
        ("?thumb=50x50&thumb=100x100", Left.TARGET),
        ("?thumb=50x50;x", Left.TARGET),
        ("?%zz", Left.TARGET),
    ],
)
def test_only_a_declared_thumb_and_download_tell_files_apart(query: str, expected: WantedFile | Left) -> None:
    assert wanted("/api/files/pictures/r1/a_x1.png" + query) == expected


@pytest.mark.parametrize(
    "path", ["r1/..", "../a.png", "r1/%2e%2e", "r1/a%2Fb", "r1/a%5Cb", "r1/a%00b", "r1/", "r1/%ff", "r1/a b"]
)
def test_a_name_that_could_lead_elsewhere_is_left_to_pocketbase(path: str) -> None:
    assert wanted(f"/api/files/pictures/{path.replace(' ', '%20')}") is Left.TARGET


def test_the_name_on_disk_is_a_hash_and_no_two_files_share_one() -> None:
    files = [
        WantedFile("c", "r", "n"),
        WantedFile("c", "r", "n", "50x50"),
        WantedFile("c", "r", "n", "", True),
        WantedFile("c", "r", "n?thumb=50x50"),
        WantedFile("c", "r/n", ""),
    ]
    assert len({file.slot for file in files}) == len(files)
    assert all(len(file.slot) == 64 and file.slot.isalnum() for file in files)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (collection(TITLE, COVER), {"50x50", "100x100"}),
        (collection(TITLE), Left.COLLECTION),
        (collection(COVER, kind="view"), Left.COLLECTION),
        (collection(COVER, {"name": "contract", "type": "file", "protected": True}), Left.PROTECTED),
        (collection({"name": "cover", "type": "file"}), Left.PROTECTED),
        (collection({"name": "cover", "type": "file", "protected": None}), Left.PROTECTED),
    ],
)
def test_only_where_no_file_field_is_protected_files_are_kept(of: Collection, expected: object) -> None:
    assert thumbs_of(of) == expected
