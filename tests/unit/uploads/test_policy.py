"""What the owner's [uploads] says of the files of one write."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hapta.config import UploadsCollectionConfig, UploadsConfig
from hapta.model.schema import Collection
from hapta.uploads.policy import Accepted, Policy, Upload, Verdict
from tests.uploads.corpus import (
    EXE,
    HONEST,
    HTML,
    ODD,
    PDF,
    POLYGLOTS,
    SVG,
    animation,
    image,
    png_of,
)
from tests.uploads.support import PlainFile

POSTS = Collection("pbc_posts000001", "posts", "base", False, {}, (), "", {})
TYPE, NAME, IMAGE = "validation_invalid_mime_type", "validation_invalid_file_name", "validation_invalid_image"
SIZE, COUNT, POLYGLOT = "validation_file_size_limit", "validation_too_many_files", "validation_ambiguous_file"


def policy(own: UploadsCollectionConfig | None = None, **settings: Any) -> Policy:
    collections = {} if own is None else {"posts": own}
    found = Policy.of(UploadsConfig(is_enabled=True, collections=collections, **settings), POSTS)
    assert found is not None
    return found


async def judge(data: bytes, name: str = "file.bin", **settings: Any) -> Verdict:
    return await policy(**settings).judge([Upload("cover", PlainFile(name, data))])


async def code(data: bytes, name: str = "file.bin", **settings: Any) -> str | None:
    verdict = await judge(data, name, **settings)
    assert bool(verdict.refusals) != bool(verdict.accepted)
    return verdict.refusals[0].code if verdict.refusals else None


def test_by_default_no_file_is_looked_at() -> None:
    assert Policy.of(UploadsConfig(), POSTS) is None
    own = UploadsCollectionConfig(max_files=1)
    assert Policy.of(UploadsConfig(collections={"posts": own}), POSTS) is None


@pytest.mark.parametrize("name", ["posts", "POSTS", "pbc_posts000001"])
def test_a_collection_s_own_table_adds_to_that_of_all(name: str) -> None:
    own = UploadsCollectionConfig(
        max_files=2, types=("image/*",), deny=("image/gif",), reencode="yes", names="refuse"
    )
    others = UploadsCollectionConfig(is_enabled=False)
    config = UploadsConfig(
        is_enabled=True, deny=("text/html",), svg="refuse", collections={name: own, "other": others}
    )
    found = Policy.of(config, POSTS)
    assert found is not None
    assert (found.max_files, found.types, found.deny) == (2, ("image/*",), ("text/html", "image/gif"))
    assert (found.reencode, found.names, found.svg, found.polyglots) == (True, "refuse", "refuse", "refuse")


def test_a_collection_can_be_left_alone_and_need_not_be_made_anew() -> None:
    own = {"posts": UploadsCollectionConfig(is_enabled=False)}
    assert Policy.of(UploadsConfig(is_enabled=True, collections=own), POSTS) is None
    assert not policy(UploadsCollectionConfig(reencode="no"), reencode=True).reencode
    assert policy(UploadsCollectionConfig(), reencode=True).reencode


@pytest.mark.parametrize("name", [n for n in HONEST if n not in ("heic", "heif")])
async def test_switched_on_without_more_an_honest_file_is_accepted(name: str) -> None:
    data, type_ = HONEST[name]
    verdict = await judge(data)
    assert verdict.refusals == ()
    assert verdict.accepted[0].kind.type == type_
    assert verdict.accepted[0].findings.sha256 == hashlib.sha256(data).hexdigest()
    assert verdict.accepted[0].reencode is None


@pytest.mark.parametrize("name", POLYGLOTS)
async def test_a_polyglot_is_refused_unless_it_may_stay(name: str) -> None:
    assert await code(POLYGLOTS[name]) == POLYGLOT
    assert await code(POLYGLOTS[name], polyglots="keep") is None


async def test_types_are_those_of_the_content() -> None:
    images = {"types": ("image/*",)}
    assert await code(EXE, "photo.jpg", **images) == TYPE
    assert await code(HTML, "photo.jpg", **images) == TYPE
    assert await code(ODD["zeros"], "photo.jpg", **images) == TYPE
    assert await code(image("JPEG"), "photo.exe", **images) is None
    assert await code(animation("PNG"), types=("image/png",)) == TYPE
    assert await code(PDF, types=("image/*", "application/pdf")) is None
    assert await code(HONEST["mp3"][0], types=("audio/mp3",)) is None
    assert await code(ODD["csv"], types=("text/csv",)) is None
    assert await code(HTML, types=("text/csv",)) == TYPE
    assert await code(HONEST["ogg"][0], types=("audio/*",)) is None
    assert await code(ODD["subtitles"], types=("application/*", "image/*")) == TYPE
    verdict = await judge(EXE, "my Tool.exe", types=("image/png", "image/gif"))
    assert verdict.refusals[0].message.startswith('"my_tool_')
    assert verdict.refusals[0].message.endswith('.exe" mime type must be one of: image/png, image/gif.')


async def test_what_is_denied_is_refused_whatever_it_is_called() -> None:
    denied = {"deny": ("application/vnd.microsoft.portable-executable", "text/html")}
    assert await code(EXE, "photo.jpg", **denied) == TYPE
    assert await code(ODD["html behind many blanks"], "notes.txt", **denied) == TYPE
    assert await code(image("PNG"), **denied) is None
    assert await code(HONEST["mp3"][0], deny=("audio/*",)) == TYPE


async def test_svg_stays_unless_it_is_refused() -> None:
    assert await code(SVG) is None
    for name in ("svg without a namespace", "svg with a prefix", "svg in utf-16", "svg behind a doctype"):
        assert await code(ODD[name], svg="refuse") == TYPE


async def test_names_are_cleaned_refused_or_kept() -> None:
    name = "../shell.php.jpg"
    assert (await judge(image("JPEG"), name)).accepted[0].name == "shell_php.jpg"
    assert (await judge(image("JPEG"), name, names="keep")).accepted[0].name == name
    assert await code(image("JPEG"), name, names="refuse") == NAME
    assert await code(image("JPEG"), "Grüße (1).jpg", names="refuse") is None
    assert await code(EXE, "photo.jpg", names="refuse") == NAME


async def test_too_many_and_too_large_files_are_refused() -> None:
    files = [Upload("docs", PlainFile(f"{n}.txt", b"x")) for n in range(3)]
    verdict = await policy(max_files=2).judge(files)
    assert [(r.field, r.code, r.message) for r in verdict.refusals] == [
        ("docs", COUNT, "The maximum allowed files is 2.")
    ]
    verdict = await judge(bytes(11), "a.bin", max_file_bytes=10)
    assert (
        verdict.refusals[0].message == "Failed to upload a.bin - the maximum allowed file size is 10 bytes."
    )
    assert await code(bytes(10), max_file_bytes=10) is None
    assert (await policy(max_files=2).judge([])) == Verdict((), ())


async def test_nothing_of_a_file_that_is_too_large_is_read() -> None:
    class Unread(PlainFile):
        def chunks(self) -> AsyncIterator[bytes]:
            raise AssertionError("read")

        async def head(self, count: int, /) -> bytes:
            raise AssertionError("read")

    verdict = await policy(max_file_bytes=1).judge([Upload("cover", Unread("a", bytes(2)))])
    assert verdict.refusals[0].code == SIZE


@pytest.mark.parametrize(
    ("data", "settings", "problem"),
    [
        pytest.param(png_of(60_000, 60_000), {}, "it has too many pixels", id="a bomb"),
        pytest.param(animation("GIF", 9), {"image_max_frames": 8}, "it has too many frames", id="frames"),
        pytest.param(
            animation("WEBP", 9), {"image_max_pixels": 10_000}, "it has too many pixels", id="all frames"
        ),
        pytest.param(image("JPEG")[:30], {}, "it is cut short", id="cut short"),
        pytest.param(image("PNG")[:-20], {}, "it is cut short", id="cut short later"),
        pytest.param(image("TIFF"), {"reencode": True}, "images of this type cannot be made anew", id="tiff"),
    ],
)
async def test_an_image_that_is_too_large_or_broken_is_refused(
    data: bytes, settings: dict[str, Any], problem: str
) -> None:
    refusal = (await judge(data, "a.png", **settings)).refusals[0]
    assert refusal.code == IMAGE
    assert refusal.message == f"Failed to upload a.png - the image cannot be accepted: {problem}."


async def test_without_bounds_sizes_do_not_matter() -> None:
    assert await code(png_of(60_000, 60_000), image_max_pixels=0, image_max_frames=0) is None
    assert await code(image("JPEG")[:30], image_max_pixels=0, image_max_frames=0) is None


async def test_an_image_to_be_made_anew_says_how() -> None:
    verdict = await judge(POLYGLOTS["jpeg with php in its comment"], reencode=True, reencode_quality=70)
    options = verdict.accepted[0].reencode
    assert options is not None
    assert (options.type, options.max_pixels, options.quality) == ("image/jpeg", 50_000_000, 70)
    assert (await judge(PDF, reencode=True)).accepted[0].reencode is None
    assert (await judge(SVG, reencode=True)).accepted[0].reencode is None
    assert (
        await code(
            image("PNG", (900, 900), mode="RGBA") + bytes(2000), reencode=True, reencode_max_bytes=1024
        )
        == SIZE
    )


async def test_each_field_is_told_its_first_problem_and_the_others_are_judged_all_the_same() -> None:
    uploads = [
        Upload("docs", PlainFile("a.exe", EXE)),
        Upload("docs", PlainFile("b.exe", EXE)),
        Upload("cover", PlainFile("c.png", image("PNG")[:-20])),
        Upload("fine", PlainFile("d.pdf", PDF)),
    ]
    verdict = await policy(deny=("application/vnd.microsoft.portable-executable",)).judge(uploads)
    assert [(r.field, r.code) for r in verdict.refusals] == [("docs", TYPE), ("cover", IMAGE)]
    assert [accepted_name(one) for one in verdict.accepted] == ["d.pdf"]


def accepted_name(accepted: Accepted) -> str:
    return accepted.name


async def test_an_empty_file_is_plain_text() -> None:
    assert (await judge(b"", "empty.txt")).accepted[0].kind.type == "text/plain"
    assert await code(b"", "empty.png", types=("image/*",)) == TYPE
