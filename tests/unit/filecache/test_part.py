"""What of a file is asked for: as Go's ServeContent was seen to answer for a text of 100 bytes."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from hapta.filecache.part import Part, http_date, part_headers, part_of, part_text

DATE, LATER, EARLIER = (
    "Thu, 26 Nov 2026 22:46:00 GMT",
    "Thu, 26 Nov 2026 22:46:01 GMT",
    "Thu, 26 Nov 2026 22:45:59 GMT",
)
WHOLE, PASSED_ON = Part(200, 0, 100), None


def part(*lines: tuple[str, str]) -> Part | None:
    modified = http_date(DATE)
    assert modified is not None
    return part_of(CIMultiDictProxy(CIMultiDict(lines)), 100, modified)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=0-9", Part(206, 0, 10)),
        ("bytes=5-", Part(206, 5, 95)),
        ("bytes=-7", Part(206, 93, 7)),
        ("bytes=-500", Part(206, 0, 100)),
        ("bytes=99-", Part(206, 99, 1)),
        ("bytes=0-0", Part(206, 0, 1)),
        ("bytes=0-999", Part(206, 0, 100)),
        ("bytes=00001-2", Part(206, 1, 2)),
        ("bytes=100-", Part(416)),
        ("bytes=200-300", Part(416)),
        ("bytes=-0", PASSED_ON),
        ("bytes=9-5", PASSED_ON),
        ("bytes=200-100", PASSED_ON),
        ("bytes=1-2,4-5", PASSED_ON),
        ("bytes=1-2,", PASSED_ON),
        ("bytes= 1-2", PASSED_ON),
        ("bytes=", PASSED_ON),
        ("bytes=-", PASSED_ON),
        ("Bytes=0-1", PASSED_ON),
        ("bytes=0-99999999999999999999", PASSED_ON),
        ("bytes=\u0661-2", PASSED_ON),
        ("", WHOLE),
    ],
)
def test_one_range_is_answered_and_what_is_odd_is_left_to_pocketbase(
    wanted: str, expected: Part | None
) -> None:
    assert part(("Range", wanted)) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("If-Modified-Since", DATE)], Part(304)),
        ([("If-Modified-Since", LATER)], Part(304)),
        ([("If-Modified-Since", EARLIER)], WHOLE),
        ([("If-Modified-Since", DATE), ("Range", "bytes=0-1")], Part(304)),
        ([("If-Modified-Since", "")], WHOLE),
        ([("If-Modified-Since", "Thu, 31 Feb 2026 22:46:00 GMT")], PASSED_ON),
        ([("If-Modified-Since", "Thursday, 26-Nov-26 22:46:00 GMT")], PASSED_ON),
        ([("If-Range", DATE), ("Range", "bytes=0-1")], Part(206, 0, 2)),
        ([("If-Range", EARLIER), ("Range", "bytes=0-1")], WHOLE),
        ([("If-Range", LATER), ("Range", "bytes=0-1")], WHOLE),
        ([("If-Range", '"tag"'), ("Range", "bytes=0-1")], PASSED_ON),
        ([("If-Range", DATE)], WHOLE),
        ([("If-None-Match", '"tag"')], PASSED_ON),
        ([("If-Match", "*")], PASSED_ON),
        ([("If-Unmodified-Since", DATE)], PASSED_ON),
        ([("Range", "bytes=0-1"), ("Range", "bytes=2-3")], PASSED_ON),
    ],
)
def test_conditions_with_a_date_are_answered_and_the_rest_left(
    lines: list[tuple[str, str]], expected: Part | None
) -> None:
    assert part(*lines) == expected


def test_headers_follow_the_status_as_pocketbase_sends_them() -> None:
    kept = (
        (b"Accept-Ranges", b"bytes"),
        (b"Cache-Control", b"max-age=1"),
        (b"Content-Type", b"image/png"),
        (b"Last-Modified", DATE.encode()),
        (b"Vary", b"Origin"),
    )
    assert part_headers(kept, Part(200, 0, 100), 100) == list(kept)
    assert dict(part_headers(kept, Part(206, 3, 4), 100))[b"Content-Range"] == b"bytes 3-6/100"
    assert [name for name, _ in part_headers(kept, Part(304), 100)] == [
        b"Cache-Control",
        b"Last-Modified",
        b"Vary",
    ]
    assert part_headers(kept, Part(416), 100) == [
        (b"Vary", b"Origin"),
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Range", b"bytes */100"),
    ]
    assert part_text(Part(416)) == b"invalid range: failed to overlap\n"
    assert part_text(Part(304)) == b""
