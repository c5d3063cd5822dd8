"""``[uploads]`` and ``[uploads.collections.<name>]``."""

from pathlib import Path

import pytest

from hapta.config import UploadsCollectionConfig, UploadsConfig, load
from tests.unit.config.conftest import Problems


def test_a_collection_has_its_own_table(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[uploads]\nis_enabled = true\ntypes = ["image/*", "application/vnd.ms-excel"]\n'
        '[uploads.collections.Posts]\nreencode = "yes"\n'
    )
    environ = {"HAPTA_UPLOADS__COLLECTIONS__LOGS__DENY": "text/html, image/svg+xml"}
    loaded = load(Path("config.toml"), environ, [], tmp_path)
    assert loaded.config.uploads == UploadsConfig(
        is_enabled=True,
        types=("image/*", "application/vnd.ms-excel"),
        collections={
            "Posts": UploadsCollectionConfig(reencode="yes"),
            "logs": UploadsCollectionConfig(deny=("text/html", "image/svg+xml")),
        },
    )


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        (
            '[uploads]\ntypes = ["png"]',
            'config.toml:2: uploads.types: expected types such as "image/png" or "image/*", got "png"',
        ),
        (
            '[uploads]\ndeny = ["*/*"]',
            'config.toml:2: uploads.deny: expected types such as "image/png" or "image/*", got "*/*"',
        ),
        (
            '[uploads.collections.posts]\ntypes = ["Image/PNG"]',
            "config.toml:2: uploads.collections.posts.types: "
            'expected types such as "image/png" or "image/*", got "Image/PNG"',
        ),
        (
            "[uploads]\nreencode = true\nimage_max_pixels = 0",
            "config.toml:3: uploads.image_max_pixels: 0 is any number; making images anew needs a bound",
        ),
        (
            '[uploads]\nimage_max_frames = 0\n[uploads.collections.posts]\nreencode = "yes"',
            "config.toml:2: uploads.image_max_frames: 0 is any number; making images anew needs a bound",
        ),
        (
            "[uploads.collections.posts]\n[uploads.collections.POSTS]\nmax_files = 1",
            "uploads.collections.POSTS: is the same as uploads.collections.posts",
        ),
        (
            '[uploads]\nnames = "clear"',
            'config.toml:2: uploads.names: expected one of "clean", "refuse", "keep", got "clear"',
        ),
        (
            '[uploads.collections."a-b"]',
            "config.toml:1: uploads.collections.a-b: expected a name of letters, digits and _, "
            "as collections have",
        ),
    ],
)
def test_a_problem_is_shown_with_its_line(toml: str, line: str, problems: Problems) -> None:
    assert problems(toml) == [line]
