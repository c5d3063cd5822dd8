"""Images made anew."""

import io
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from hapta.uploads.hidden import HiddenScan
from hapta.uploads.reencode import FORMATS, BadImage, ReencodeOptions, reencode
from hapta.uploads.sniff import sniff
from tests.uploads.corpus import POLYGLOTS, animation, chunk, image, png_of, with_chunk

KINDS = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
}


def remade(data: bytes, *, max_pixels: int = 1_000_000, max_frames: int = 20) -> bytes:
    return reencode(data, ReencodeOptions(sniff(data).type, max_pixels, max_frames))


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_keeps_its_format_and_its_pixels(kind: str) -> None:
    before, after = image(kind), remade(image(kind))
    assert sniff(after).type == KINDS[kind]
    old, new = opened(before).convert("RGB"), opened(after).convert("RGB")
    assert new.size == old.size
    pairs = zip(old.tobytes(), new.tobytes(), strict=True)
    assert max(abs(one - other) for one, other in pairs) <= 12


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_where_a_photo_was_taken_is_gone(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera of Ada"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    data = image(kind, exif=exif)
    assert 0x8825 in opened(data).getexif()
    after = remade(data)
    assert not opened(after).getexif()
    assert b"Ada" not in after
    assert b"Exif" not in after


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_orientation_is_carried_out(kind: str) -> None:
    picture = Image.new("RGB", (40, 20), "white")
    picture.paste("black", (0, 0, 20, 20))  # the left half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    out = io.BytesIO()
    picture.save(out, kind, exif=exif)
    after = opened(remade(out.getvalue())).convert("L")
    assert after.size == (20, 40)
    top, bottom = after.getpixel((10, 5)), after.getpixel((10, 35))
    assert (top, bottom) == (pytest.approx(0, abs=9), pytest.approx(255, abs=9))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "AVIF"])
def test_an_animation_keeps_its_frames_and_their_times(kind: str) -> None:
    after = opened(remade(animation(kind, 5)))
    assert getattr(after, "n_frames", 1) == 5
    assert after.info.get("loop", 0) == 0
    shades = []
    for n in range(5):
        after.seek(n)
        after.load()
        assert after.info["duration"] == 50
        pixel = after.convert("RGB").getpixel((3, 3))
        assert isinstance(pixel, tuple)
        shades.append(pixel[0])
    assert shades == [pytest.approx(20 * n, abs=8) for n in range(5)]


def test_a_transparent_animation_stays_transparent() -> None:
    frames = [Image.new("RGBA", (20, 20)) for _ in range(3)]
    for n, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (5 * n, 0, 5 * n + 5, 20))
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=50, disposal=2)
    after = opened(remade(out.getvalue()))
    for n in range(3):
        after.seek(n)
        shown = after.convert("RGBA")
        assert shown.getpixel((5 * n + 2, 9)) == (255, 0, 0, 255)
        outside = shown.getpixel(((5 * n + 10) % 20, 9))
        assert isinstance(outside, tuple)
        assert outside[3] == 0


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "1"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "I;16"), ("JPEG", "L"),
     ("JPEG", "CMYK"), ("WEBP", "RGBA"), ("BMP", "P"), ("GIF", "L")],
)  # fmt: skip
def test_every_mode_of_pixels_can_be_made_anew(kind: str, mode: str) -> None:
    assert opened(remade(image(kind, mode=mode))).size == (40, 30)


def test_a_palette_keeps_its_transparency() -> None:
    picture = Image.new("P", (10, 10), 3)
    picture.putpalette(list(range(48)))
    out = io.BytesIO()
    picture.save(out, "PNG", transparency=3)
    before = opened(out.getvalue()).convert("RGBA").getpixel((5, 5))
    assert isinstance(before, tuple)
    assert before[3] == 0
    pixel = opened(remade(out.getvalue())).convert("RGBA").getpixel((5, 5))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 0


def test_colours_of_another_profile_are_brought_to_srgb_and_the_profile_is_gone() -> None:
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (linear, srgb, b"no profile at all"):
        after = opened(remade(image("PNG", icc_profile=profile)))
        assert "icc_profile" not in after.info
        assert after.size == (40, 30)


@pytest.mark.parametrize("name", [n for n in POLYGLOTS if "pdf" not in n])
def test_what_hid_in_an_image_is_gone(name: str) -> None:
    after = remade(POLYGLOTS[name])
    scan = HiddenScan()
    scan.feed(after)
    assert scan.found is None
    assert b"php" not in after
    assert b"script" not in after.lower()


def test_of_a_photo_of_several_pictures_the_first_stays() -> None:
    pictures = [Image.new("RGB", (40, 30), shade) for shade in ("red", "blue")]
    out = io.BytesIO()
    pictures[0].save(out, "MPO", save_all=True, append_images=pictures[1:])
    after = opened(remade(out.getvalue()))
    assert (after.format, getattr(after, "n_frames", 1)) == ("JPEG", 1)
    assert after.convert("RGB").getpixel((9, 9)) == pytest.approx((254, 0, 0), abs=3)


def test_a_palette_that_spells_a_program_is_refused() -> None:
    picture = Image.new("P", (16, 16))
    picture.putdata(list(range(256)))
    picture.putpalette((b"<?php system(1); ?>" * 60)[:768])
    out = io.BytesIO()
    picture.save(out, "PNG")
    with pytest.raises(BadImage, match="hold a program"):
        remade(out.getvalue())


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_cut_short_is_refused(kind: str) -> None:
    data = image(kind, (200, 200))
    with pytest.raises(BadImage):
        remade(data[: len(data) // 2] if kind != "AVIF" else data[: len(data) - 20])


def test_bombs_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(BadImage, match="too many pixels"):
        remade(png_of(60_000, 60_000))
    with pytest.raises(BadImage, match="too many pixels"):
        remade(animation("GIF", 10), max_pixels=40 * 30 * 9)
    with pytest.raises(BadImage, match="too many frames"):
        remade(animation("WEBP", 10), max_frames=9)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
def test_a_chunk_that_would_unpack_to_a_gigabyte_does_no_harm(kind: bytes) -> None:
    import zlib

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    head = b"name\0\0" if kind != b"iTXt" else b"name\0\1\0\0\0"
    data = with_chunk(image("PNG"), kind, head + packed)
    try:
        after = remade(data)
    except BadImage:
        return
    assert len(after) < 1000
    assert kind not in after


def test_a_type_that_is_not_the_file_s_is_refused() -> None:
    with pytest.raises(BadImage):
        reencode(image("PNG"), ReencodeOptions("image/jpeg", 10_000, 1))
    with pytest.raises(BadImage, match="cannot be made anew"):
        reencode(image("TIFF"), ReencodeOptions("image/tiff", 10_000, 1))


@given(
    kind=st.sampled_from(sorted(KINDS)),
    at=st.integers(0, 2000),
    noise=st.binary(min_size=1, max_size=20),
)
@settings(max_examples=150)
def test_a_damaged_image_is_made_anew_or_refused_and_always_likewise(
    kind: str, at: int, noise: bytes
) -> None:
    data = image(kind)
    at %= len(data)
    data = data[:at] + noise + data[at + len(noise) :]
    options = ReencodeOptions(KINDS[kind], 100_000, 3)

    def outcome() -> bytes | str:
        try:
            return reencode(data, options)
        except BadImage as error:
            return str(error)

    assert outcome() == outcome()


def test_the_reason_crosses_the_border_between_processes() -> None:
    error = pickle.loads(pickle.dumps(BadImage("it is cut short")))
    assert isinstance(error, BadImage)
    assert str(error) == "it is cut short"
    assert pickle.loads(pickle.dumps(ReencodeOptions("image/png", 1, 1))) == ReencodeOptions(
        "image/png", 1, 1
    )


def test_pillow_is_loaded_by_whoever_makes_an_image_anew_and_nobody_else() -> None:
    code = "import sys, hapta.uploads.policy, hapta.uploads.reencode; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_format_is_one_pillow_can_write_here() -> None:
    Image.init()
    assert set(FORMATS.values()) <= set(Image.SAVE)
    assert chunk(b"IEND", b"") in remade(image("PNG"))
