"""A file is told through Hapta as PocketBase tells it, when it is fetched and when it comes from the disk."""

from tests.files.conftest import Gallery, MakeGallery
from tests.support.process import wait_until
from tests.support.wire import Reply

_HAPTAS = {
    "age",
    "cache-status",
    "connection",
    "date",
    "keep-alive",
    "ratelimit",
    "ratelimit-policy",
    "x-request-id",
    "access-control-expose-headers",
}
OLD, FAR = "Mon, 02 Jan 2006 15:04:05 GMT", "Mon, 02 Jan 2035 15:04:05 GMT"
RANGES = [
    "bytes=0-9",
    "bytes=5-",
    "bytes=-7",
    "bytes=-0",
    "bytes=-500",
    "bytes=99-",
    "bytes=100-",
    "bytes=200-300",
    "bytes=9-5",
    "bytes=0-0",
    "bytes=0-999",
    "bytes=1-2,",
    "bytes= 1-2",
    "bytes=1 - 2",
    "bytes=+1-2",
    "bytes=00001-2",
    "bytes=0-18446744073709551616",
    "bytes=18446744073709551616-",
    "bytes=--5",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "bytes=0-99,0-99",
    "Bytes=0-1",
    "items=0-1",
]
CONDITIONS = [
    ("If-Modified-Since: $date$",),
    ("If-Modified-Since: $date$", "Range: bytes=0-1"),
    (f"If-Modified-Since: {OLD}",),
    (f"If-Modified-Since: {FAR}",),
    ("If-Modified-Since: Monday, 02-Jan-35 15:04:05 GMT",),
    ("If-Modified-Since: Mon Jan  2 15:04:05 2035",),
    ("If-Modified-Since: Mon, 31 Feb 2035 15:04:05 GMT",),
    ("If-Modified-Since: 2035",),
    ("If-Modified-Since:",),
    ("If-Range: $date$", "Range: bytes=0-1"),
    (f"If-Range: {OLD}", "Range: bytes=0-1"),
    (f"If-Range: {FAR}", "Range: bytes=0-1"),
    ('If-Range: "x"', "Range: bytes=0-1"),
    ("If-Range: nonsense", "Range: bytes=0-1"),
    ('If-None-Match: "x"', "If-Modified-Since: $date$"),
    ("If-None-Match: *",),
    ('If-Match: "x"',),
    ("If-Match: *",),
    (f"If-Unmodified-Since: {OLD}",),
    ("If-Unmodified-Since: $date$",),
    ("Range: bytes=0-1", "Range: bytes=3-4"),
    ("Accept-Encoding: gzip, br",),
    ("Origin: https://pages.example",),
    ("Origin: https://pages.example", "Range: bytes=0-1"),
    ("Authorization: nonsense",),
    ("X-Anything: else", "Cache-Control: no-cache"),
]
QUERIES = [
    "?thumb=50x50",
    "?thumb=0x40",
    "?thumb=100x100",
    "?thumb=33x33",
    "?thumb=huge",
    "?thumb=",
    "?download=1",
    "?download=true",
    "?download=T",
    "?download=yes",
    "?download",
    "?thumb=50x50&download=1",
    "?token=x",
    "?thumb=50x50&thumb=0x40",
    "?a=b;c",
    "?%zz",
]


def same(one: Reply, other: Reply) -> None:
    """Rows ``kept-files``, and those of every answer."""
    assert other.status == one.status
    assert other.body == one.body
    left, right = ([line for line in reply.headers if line[0] not in _HAPTAS] for reply in (one, other))
    assert sorted(right) == sorted(left)


def is_hit(reply: Reply) -> bool:
    return (reply.get("cache-status") or "") == "hapta; hit"


def test_each_request_is_answered_alike_directly_and_on_a_miss_and_on_a_hit(gallery: Gallery) -> None:
    date = gallery.ask_directly(gallery.text).get("last-modified") or ""
    cases: list[tuple[str, tuple[str, ...]]] = [(gallery.text, (f"Range: {one}",)) for one in RANGES]
    cases += [(gallery.text, tuple(line.replace("$date$", date) for line in lines)) for lines in CONDITIONS]
    cases += [(path + query, ()) for path in (gallery.picture, gallery.text) for query in QUERIES]
    cases += [(path + "x", ()) for path in (gallery.picture, gallery.text)]
    cases += [(gallery.picture.replace("pictures", name), ()) for name in ("PICTURES", "nothing")]
    cases += [(gallery.picture.replace(gallery.record, f"x/..{sep}{gallery.record}"), ()) for sep in "/\\"]
    cases += [
        (gallery.picture.rpartition("/")[0] + f"/{odd}", ()) for odd in ("", ".", "%2e%2e", "a%2Fb", "%00")
    ]
    for path, lines in cases:
        for method in ("GET", "HEAD", "GET", "HEAD"):
            direct = gallery.ask_directly(path, *lines, method=method)
            through = gallery.ask(path, *lines, method=method)
            try:
                same(direct, through)
            except AssertionError as exc:
                raise AssertionError(f"{method} {path} {lines}: {through}") from exc


def test_what_is_common_comes_from_the_disk_the_second_time(gallery: Gallery) -> None:
    """Row ``shared-files``: PocketBase sees one request."""
    date = gallery.ask_directly(gallery.text).get("last-modified") or ""
    gallery.ask(gallery.text)
    gallery.ask(gallery.text, "Origin: https://pages.example")
    wait_until(
        lambda: is_hit(gallery.ask(gallery.text)), "it is kept", 10
    )  # the schema may just have settled
    before = len(gallery.asked())
    for lines in [
        (),
        ("Range: bytes=0-9",),
        ("Range: bytes=-7",),
        ("Range: bytes=100-",),
        (f"If-Modified-Since: {date}",),
        (f"If-Range: {date}", "Range: bytes=50-"),
        ("Origin: https://pages.example",),
        ("Authorization: nonsense",),
    ]:
        for method in ("GET", "HEAD"):
            assert is_hit(gallery.ask(gallery.text, *lines, method=method)), lines
    for query in ("?token=x", "?download=0", "?thumb=33x33", "?anything"):
        assert is_hit(gallery.ask(gallery.text + query)), query
    assert len(gallery.asked()) == before


def test_what_is_rare_is_left_to_pocketbase(gallery: Gallery) -> None:
    gallery.ask(gallery.text)
    for lines in (
        ("Range: bytes=1-2,4-5",),
        ("If-None-Match: *",),
        ('If-Match: "x"',),
        ("Range: bytes=9-5",),
    ):
        assert gallery.ask(gallery.text, *lines).get("cache-status") == "hapta; fwd=bypass; detail=condition"


def test_protected_files_and_collections_with_one_are_left_to_pocketbase(make_gallery: MakeGallery) -> None:
    gallery = make_gallery()
    row = next(row for row in gallery.pocketbase.rows("documents") if row["cover"])
    path = f"/api/files/documents/{row['id']}/{row['cover']}"
    for _ in range(2):
        assert gallery.status(path) == "hapta; fwd=bypass; detail=protected"


def test_a_missing_file_is_asked_for_each_time(gallery: Gallery) -> None:
    path = gallery.picture.rpartition("/")[0] + "/none.png"
    for _ in range(2):
        assert gallery.ask(path).get("cache-status") == "hapta; fwd=uri-miss"
    assert len(gallery.asked()) == 2
