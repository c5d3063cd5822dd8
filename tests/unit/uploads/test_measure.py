"""Sizes of images, found without decoding."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.uploads.measure import MEASURED, Measure, measure
from tests.uploads.corpus import animation, image, png_of, with_chunk

FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/bmp": "BMP",
    "image/avif": "AVIF",
}
MOVING = {"image/vnd.mozilla.apng": "PNG", "image/gif": "GIF", "image/webp": "WEBP", "image/avif": "AVIF"}
WHOLE = {f"{type_} {frames}": (type_, data) for type_, data, frames in [
    *((type_, image(kind), 1) for type_, kind in FORMATS.items()),
    *((type_, animation(kind), 3) for type_, kind in MOVING.items()),
]}  # fmt: skip


@pytest.mark.parametrize("type_", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (37, 250), (300, 11)])
def test_an_image_has_the_size_it_was_made_with(type_: str, size: tuple[int, int]) -> None:
    found = measure(image(FORMATS[type_], size), type_)
    assert (found.width, found.height, found.frames, found.problem) == (*size, 1, None)


@pytest.mark.parametrize("type_", MOVING)
def test_the_frames_of_an_animation_are_counted(type_: str) -> None:
    found = measure(animation(MOVING[type_], 7), type_)
    assert (found.width, found.height, found.frames, found.problem) == (40, 30, 7, None)
    assert found.pixels == 40 * 30 * 7


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0" + bytes(50), "icc_profile": bytes(500)}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"icc_profile": bytes(200_000)}),
        ("PNG", {"icc_profile": bytes(200_000)}),
    ],
)
def test_what_stands_before_the_size_is_skipped(kind: str, options: dict[str, object]) -> None:
    type_ = f"image/{kind.lower()}"
    found = measure(image(kind, (64, 48), **options), type_)
    assert (found.width, found.height, found.problem) == (64, 48, None)


@given(name=st.sampled_from(sorted(WHOLE)), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_pieces_tell_the_same_as_the_whole(name: str, cuts: list[int]) -> None:
    type_, data = WHOLE[name]
    walk, at = Measure(type_), 0
    for cut in cuts:
        walk.feed(data[at : at + cut])
        at += cut
    walk.feed(b"")
    walk.feed(data[at:])
    assert walk.finish() == measure(data, type_)


@given(
    data=st.binary(max_size=2000),
    type_=st.sampled_from(sorted(MEASURED)),
    name=st.sampled_from(sorted(WHOLE)),
)
def test_any_content_can_be_measured_and_either_has_a_size_or_a_problem(
    data: bytes, type_: str, name: str
) -> None:
    for content in (data, WHOLE[name][1][:20] + data):
        found = measure(content, type_)
        assert found.problem is not None or found.pixels > 0


@pytest.mark.parametrize("type_", FORMATS)
def test_a_header_cut_short_is_a_problem(type_: str) -> None:
    assert measure(image(FORMATS[type_])[:14], type_).problem == "it is cut short"


@pytest.mark.parametrize("name", [n for n in WHOLE if "jpeg" not in n and "bmp" not in n and "avif" not in n])
def test_an_image_cut_short_is_a_problem(name: str) -> None:
    type_, data = WHOLE[name]
    assert measure(data[:-9], type_).problem == "it is cut short"


def test_a_bomb_is_found_by_its_header() -> None:
    assert measure(png_of(100_000, 100_000), "image/png").pixels == 10_000_000_000


def test_a_frame_outside_of_a_gif_s_screen_makes_it_larger() -> None:
    data = bytearray(image("GIF", (10, 10)))
    at = data.index(b",", 13)
    data[at + 5 : at + 9] = struct.pack("<HH", 60_000, 50_000)
    found = measure(bytes(data), "image/gif")
    assert (found.width, found.height) == (60_000, 50_000)


def test_a_png_that_claims_fewer_frames_than_it_has_is_counted_by_what_it_has() -> None:
    data = animation("PNG", 5).replace(b"acTL\0\0\0\5", b"acTL\0\0\0\1")
    assert measure(data, "image/vnd.mozilla.apng").frames == 5


@pytest.mark.parametrize(
    ("head", "part", "type_"),
    [
        pytest.param(
            image("GIF", (4, 4))[:-1] + b"!\xfe", b"\1x", "image/gif", id="a comment of single letters"
        ),
        pytest.param(b"\xff\xd8\xff\xe0\0\2", b"x", "image/jpeg", id="nothing between segments"),
        pytest.param(image("PNG")[:33], bytes(4) + b"teXt" + bytes(4), "image/png", id="empty chunks"),
    ],
)
def test_a_file_of_countless_parts_is_given_up(head: bytes, part: bytes, type_: str) -> None:
    assert measure(head + part * 600_000, type_).problem == "it is made of too many parts"


def test_a_png_without_its_header_in_front_is_broken() -> None:
    data = image("PNG")
    assert measure(data[:8] + with_chunk(data, b"tEXt", b"x\0y")[33:], "image/png").problem is not None
