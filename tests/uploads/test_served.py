"""How PocketBase serves what may hold a script: why SVG stays by default, and why extensions must not lie."""

import httpx
import pytest

from tests.support.pocketbase import PocketBase
from tests.uploads.corpus import HTML, ODD, SVG


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.svg", SVG),
        ("b.svg", ODD["svg without a namespace"]),
        ("c.html", HTML),
        ("d.svg", HTML),
        ("e.xml", ODD["rss"]),
    ],
)
def test_no_script_of_a_served_file_runs(name: str, data: bytes, pocketbase: PocketBase) -> None:
    url = "/api/collections/documents/records"
    row = pocketbase.admin.post(url, files=[("attachments", (name, data))]).json()
    served = httpx.get(f"{pocketbase.url}/api/files/documents/{row['id']}/{row['attachments'][0]}")
    assert served.status_code == 200
    policy = served.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert served.headers["Content-Disposition"].startswith("attachment")
    assert served.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_is_served_as_its_extension_says(pocketbase: PocketBase) -> None:
    url = "/api/collections/documents/records"
    row = pocketbase.admin.post(url, files=[("attachments", ("lie.svg", HTML))]).json()
    served = httpx.get(f"{pocketbase.url}/api/files/documents/{row['id']}/{row['attachments'][0]}")
    assert served.headers["Content-Type"] == "image/svg+xml"
