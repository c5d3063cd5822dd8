"""Names of files."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.uploads.extensions import KNOWN, fits
from hapta.uploads.names import MAX_BYTES, MAX_CHARACTERS, clean_name
from tests.uploads.corpus import HONEST

JPEG, PNG, PDF, TEXT = "image/jpeg", "image/png", "application/pdf", "text/plain"
EXE = "application/vnd.microsoft.portable-executable"
TYPES = sorted({type_ for _, type_ in HONEST.values()} | {"application/octet-stream"})
ODD_PARTS = [
    *(
        "..",
        "/",
        "\\",
        ".",
        " ",
        "exe",
        "jpg",
        "php",
        "con",
        "NUL",
        "\0",
        "\n",
        "\u202e",
        "\u2066",
        "é",
        "😀",
        "a",
    ),
    *("tar", "gz", "x" * 90, "html", "svg", "_", "\ud800", "%2e", ":", "docx"),
]


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("photo.jpg", JPEG),
        ("IMG_0001.JPG", JPEG),
        ("IMG_0001.HEIC.jpg", JPEG),
        ("Grüße und so (1).jpeg", JPEG),
        ("photo", PNG),
        ("Screenshot 2024-01-01 at 10.00.00\u202fAM.png", PNG),
        ("👨\u200d👩\u200d👧.png", PNG),
        ("cafe\u0301.png", PNG),
        ("v1.2.pdf", PDF),
        ("drawing.ai", PDF),
        ("archive.tar.gz", "application/gzip"),
        ("data.csv", TEXT),
        ("README.md", TEXT),
        ("app.min.js", TEXT),
        ("sheet.docx", "application/zip"),
        ("book.cbz", "application/zip"),
        ("raw.NEF", "image/tiff"),
        ("setup.exe", EXE),
        ("any.thing", "application/octet-stream"),
        ("page.html", "text/html"),
        ("feed.rss", "text/xml"),
        ("movie.mov", "video/quicktime"),
    ],
)
def test_an_honest_name_stays_as_it_is(name: str, type_: str) -> None:
    assert clean_name(name, type_) == name


@pytest.mark.parametrize(
    ("name", "type_", "clean"),
    [
        ("../../etc/passwd", TEXT, "passwd"),
        ("C:\\Users\\me\\photo.png", PNG, "photo.png"),
        ("a/b\\..\\c.png", PNG, "c.png"),
        ("photo.jpg.exe", JPEG, "photo.jpg"),
        ("photo.jpg", EXE, "photo.exe"),
        ("report.pdf.exe", EXE, "report_pdf.exe"),
        ("shell.php.jpg", JPEG, "shell_php.jpg"),
        ("a.php.b.jpg", JPEG, "a_php.b.jpg"),
        ("photo.png", JPEG, "photo.jpg"),
        ("my.photo", PNG, "my.photo.png"),
        ("x.jpg", "text/html", "x.html"),
        ("x.html", TEXT, "x.txt"),
        ("x.svg", TEXT, "x.txt"),
        ("photo\u202egpj.exe", EXE, "photogpj.exe"),
        ("a\0b\nc.png", PNG, "ab c.png"),
        (".htaccess", TEXT, "htaccess"),
        ("...", TEXT, "file"),
        ("", TEXT, "file"),
        ("photo.png. . ", PNG, "photo.png"),
        ("CON", "application/octet-stream", "_CON"),
        ("lpt1.tar.gz", "application/gzip", "_lpt1.tar.gz"),
        ("x" * 5000 + ".png", PNG, "x" * (MAX_CHARACTERS - 4) + ".png"),
    ],
)
def test_what_may_harm_is_gone(name: str, type_: str, clean: str) -> None:
    assert clean_name(name, type_) == clean


@given(
    name=st.one_of(st.text(), st.lists(st.sampled_from(ODD_PARTS), max_size=12).map("".join),
                   st.lists(st.sampled_from(ODD_PARTS), max_size=12).map(".".join)),
    type_=st.sampled_from(TYPES),
)  # fmt: skip
def test_a_clean_name_is_safe_and_cleaning_it_again_changes_nothing(name: str, type_: str) -> None:
    clean = clean_name(name, type_)
    assert clean_name(clean, type_) == clean
    assert clean
    assert not set(clean) & set("/\\\0")
    assert not clean.startswith(".")
    assert clean == clean.strip(" .")
    assert len(clean) <= MAX_CHARACTERS
    assert len(clean.encode()) <= MAX_BYTES
    assert not any(unicodedata.category(c) in ("Cc", "Cs") or c in "\u202e\u2066\u200f" for c in clean)
    assert clean.partition(".")[0].strip().lower() not in {"con", "nul"}
    stem, _, extension = clean.rpartition(".")
    if stem and extension.lower() in KNOWN:
        assert fits(extension.lower(), type_)
    assert not any(part.lower() in {"php", "exe"} for part in clean.split(".")[1:-1])
