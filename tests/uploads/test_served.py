"""How PocketBase serves what may hold a script: why SVG may stay by default."""

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
    print(served.headers)
    policy = served.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
