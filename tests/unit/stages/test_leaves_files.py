"""An update that certainly leaves a record's files alone, and every one that might not."""

import pytest

from hapta.stages.json_members import json_members
from hapta.stages.leaves_files import leaves_files
from tests.support.exchanges import exchange

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b'{"likes+":"u1"}', JSON, True),
        (b"{}", JSON, True),
        (b'{"title":"cover"}', {"Content-Type": "application/json; charset=utf-8"}, True),
        (b'{"cover":null}', JSON, False),
        (b'{"cover-":["a.png"]}', JSON, False),
        (b'{"+cover":1}', JSON, False),
        (b'{"\\u0063over":null}', JSON, False),
        (b'{"COVER":null}', JSON, False),
        (b'{"title":"x","title":"y","cover":""}', JSON, False),
        (b"title=x", {"Content-Type": "application/x-www-form-urlencoded"}, False),
        (b'{"title":"x"}', {"Content-Type": "multipart/form-data; boundary=x"}, False),
        (b'{"title":"x"}', {}, False),
        (b'{"title":', JSON, False),
        (b"[]", JSON, False),
        (b"", JSON, False),
        (None, JSON, False),
    ],
)
async def test_only_plain_json_that_names_no_file_field_leaves_files(
    body: bytes | None, headers: dict[str, str], expected: bool
) -> None:
    request = exchange("PATCH", "/api/collections/pictures/records/r1", headers, body)
    assert leaves_files(await json_members(request), {"cover"}) is expected


def test_where_there_are_no_file_fields_every_update_leaves_them() -> None:
    assert leaves_files(None, ())
