"""Answers in gzip before a real PocketBase: whoever asks gets its bytes, and nobody's secrets are coded.

Each caller's plain answer is taken from PocketBase itself.
"""

import asyncio
import gzip
from itertools import count

import pytest

from tests.coherence.conftest import OpenSite
from tests.coherence.line import Answer, Line
from tests.coherence.own import Own, records
from tests.coherence.site import Site, log_in
from tests.coherence.world import GUEST, PEOPLE

TAKES = "Accept-Encoding: gzip, deflate, br"
NOTES = "/api/collections/notes/records?perPage=30&sort=id"
OWNED = f"{NOTES}&expand=owner"
DIARY = "/api/collections/diary/records?perPage=30&sort=id"
FRESH = count(1)


async def coded(line: Line, target: str, token: str = "") -> Answer:
    """Ask until it comes in gzip."""
    for _ in range(50):
        answer = await line.get(target, token, TAKES)
        if "content-encoding" in answer.headers:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"{target} never came in gzip")


def plain(answer: Answer) -> bytes:
    return gzip.decompress(answer.body) if "content-encoding" in answer.headers else answer.body


def fresh(target: str) -> str:
    """The same under a URL nobody has asked for yet."""
    return f"{target}&page=1&filter=rev%3E-{next(FRESH)}"


@pytest.mark.parametrize("target", [NOTES, OWNED, DIARY], ids=["open", "with owners", "one's own"])
async def test_everybody_gets_the_bytes_of_pocketbase(shared_site: Site, target: str) -> None:
    target, own_url = fresh(target), shared_site.pocketbase.url
    line, direct = shared_site.line(), Line(own_url)
    seen: dict[str, set[str]] = {}
    for _ in range(6):
        for who in (GUEST, *PEOPLE):
            token = shared_site.tokens.get(who, "")
            answer = await line.get(target, token, TAKES)
            theirs = log_in(own_url, "people", f"{who}@example.com") if who and who not in seen else ""
            if who not in seen:
                seen[who] = set()
                expected = await direct.get(target, theirs)
                assert plain(answer) == expected.body
                seen[who].add(expected.body.decode())
            assert {plain(answer).decode()} == seen[who]
            if {plain(answer).decode()} != seen[GUEST]:  # something that is this caller's alone
                assert "content-encoding" not in answer.headers
                assert "Accept-Encoding" not in answer.headers["vary"]
        await asyncio.sleep(0.05)
    if target.startswith(DIARY):
        assert "content-encoding" not in answer.headers
    else:
        answer = await coded(line, target)
        assert {plain(answer).decode()} == seen[GUEST]


async def test_after_each_write_the_next_read_shows_it_in_either_form(shared_site: Site) -> None:
    own = Own(shared_site)
    note, line = records("notes", own.note), shared_site.line()
    target = fresh(NOTES)
    for rev in range(2, 12):
        before = await coded(line, target)
        answer = await line.ask("PATCH", note, "", {"rev": rev})
        assert answer.status == 200
        for fields in ((TAKES,), (), (TAKES, f"If-None-Match: {before.headers['etag']}")):
            shown = await line.ask("GET", target, fields=fields)
            assert shown.status == 200
            assert shown.headers["etag"] != before.headers["etag"]
            assert plain(shown) != plain(before)


async def test_conditions_ranges_and_head(shared_site: Site) -> None:
    target, line = fresh(NOTES), shared_site.line()
    answer = await coded(line, target)
    identity = await line.get(target)
    tags = answer.headers["etag"], identity.headers["etag"]
    assert tags[0] != tags[1]
    for tag in tags:
        held = await line.get(target, "", TAKES, f"If-None-Match: {tag}")
        assert (held.status, held.body, held.headers["etag"]) == (304, b"", tag)
    other = await line.get(target, "", f"If-None-Match: {tags[0]}")
    assert (other.status, other.body) == (200, identity.body)
    head = await line.ask("HEAD", target, fields=(TAKES,))
    assert (head.body, head.headers["content-length"]) == (b"", str(len(answer.body)))
    assert head.headers["etag"] == tags[0]
    part = await line.get(target, "", TAKES, "Range: bytes=0-3")
    assert (part.status, part.body) == (200, answer.body)
    for odd in ("identity;q=0", "gzip;q=0", "*;q=0, identity;q=0", "gzip;q=oops", "br"):
        shown = await line.get(target, "", f"Accept-Encoding: {odd}")
        assert (shown.status, shown.body) == (200, identity.body), odd


async def test_switched_off_there_is_none(new_site: OpenSite) -> None:
    with new_site(cache__gzip=False) as site:
        line = site.line()
        for _ in range(6):
            answer = await line.get(NOTES, "", TAKES)
            assert "content-encoding" not in answer.headers
            assert "Accept-Encoding" not in answer.headers["vary"]
            await asyncio.sleep(0.02)
        assert answer.is_hit
