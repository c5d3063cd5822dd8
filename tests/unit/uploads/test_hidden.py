"""What hides in images."""

import os

import pytest
from PIL import Image

from hapta.uploads.hidden import HiddenScan, begins_as_image
from tests.uploads.corpus import HTML, POLYGLOTS, animation, image, with_chunk, zipped


def found(data: bytes, piece_bytes: int = 1 << 20) -> str | None:
    scan = HiddenScan()
    for start in range(0, len(data), piece_bytes):
        scan.feed(data[start : start + piece_bytes])
    return scan.found


@pytest.mark.parametrize("name", POLYGLOTS)
@pytest.mark.parametrize("piece_bytes", [1, 7, 4096])
def test_a_second_meaning_is_found_wherever_pieces_are_cut(name: str, piece_bytes: int) -> None:
    assert begins_as_image(POLYGLOTS[name])
    assert found(POLYGLOTS[name], piece_bytes) is not None


def test_it_is_found_however_far_in() -> None:
    assert found(image("JPEG") + os.urandom(3_000_000) + HTML) is not None
    assert found(image("JPEG") + os.urandom(3_000_000) + zipped("a") + os.urandom(100_000)) == "an archive"


def test_a_pdf_mark_counts_only_where_readers_look_for_it() -> None:
    assert found(image("PNG") + bytes(2000) + b"%PDF-1.7") is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_nothing_is_found_in_honest_images(kind: str) -> None:
    """Noise is what compressed pixels look most like; here also with profiles, EXIF, XMP and comments."""
    exif = Image.Exif()
    exif[0x010E], exif[0x0131] = "A <photo> of a cat & a dog", "Camera 1.0"
    xmp = b'<?xpacket begin="" id="W5M0"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>'
    for n in range(60):
        picture = Image.frombytes("RGB", (80 + n, 60), os.urandom((80 + n) * 60 * 3))
        options = {} if kind == "GIF" else {"exif": exif, "icc_profile": os.urandom(500)}
        if kind in ("JPEG", "WEBP"):
            options["xmp"] = xmp
        data = image_of(picture, kind, options)
        assert found(data) is None
    assert found(os.urandom(8_000_000)) is None


def image_of(picture: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    import io

    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def test_a_photo_with_a_film_behind_it_is_honest() -> None:
    film = b"\0\0\0\x18ftypmp42" + bytes(4) + b"isommp42" + os.urandom(200_000)
    assert found(image("JPEG") + film) is None


def test_animations_and_texts_are_honest() -> None:
    for kind in ("GIF", "WEBP", "PNG"):
        assert found(animation(kind, 20)) is None
    assert found(with_chunk(image("PNG"), b"tEXt", b"mxfile\0%3Cmxfile%3E%3Cscript%3E")) is None
