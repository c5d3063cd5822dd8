"""Whatever one caller tries, the others go on getting PocketBase's own answers.

Each attempt is made several times against a URL nobody has asked for yet, then against the same one stored;
after each, innocent callers ask for the plain URL, and must get what PocketBase says to them: status and body
byte for byte, and the headers that mean something.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.coherence.line import Answer, Line, Lost
from tests.coherence.site import Site, open_site
from tests.coherence.world import GUEST, NOTES, PEOPLE, SUPERUSER
from tests.faults.gauges import memory_bytes

LIST = "/api/collections/notes/records"
VIEW = f"{LIST}/{NOTES[0]}"
PERSON = f"/api/collections/people/records/{PEOPLE[1]}"
DIARY = "/api/collections/diary/records"
INNOCENT = (GUEST, PEOPLE[0], PEOPLE[1])
MEANT = ("content-type", "access-control-allow-origin", "location", "set-cookie", "content-encoding")
FRESH = count(1)
SHAPES = ("{}", "Bearer {}", "bearer {}", "BEARER {}", "{} ", " {}", "Bearer  {}", "Basic {}", "x{}", "{}x")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Attempt:
    """One request of an attacker; ``{plain}`` in the target is the victims' URL.

    Attributes:
        caller: whose token is sent; empty for none.
        body: sent with ``Content-Length``, as JSON if it looks like it.
    """

    target: str = "{plain}"
    fields: tuple[str, ...] = ()
    method: str = "GET"
    caller: str = GUEST
    body: bytes | None = None


HEADERS: dict[str, tuple[str, ...]] = {
    "host": ("X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"),
    "scheme": ("X-Forwarded-Proto: gopher", "X-Forwarded-Scheme: http", "X-Forwarded-Port: 1"),
    "rewritten path": ("X-Original-URL: /api/health", "X-Rewrite-URL: /api/health"),
    "rewritten path of an admin": ("X-Original-URL: /api/settings", "X-Forwarded-Prefix: /evil"),
    "method override": ("X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: PUT"),
    "language": ("Accept-Language: xx-evil",),
    "cookie": ("Cookie: pb_auth=evil; flavour=chocolate",),
    "cookie with a token": ("Cookie: Authorization=evil", "X-Authorization: evil"),
    "range": ("Range: bytes=0-3",),
    "several ranges": ("Range: bytes=0-1,5-6", 'If-Range: "x"'),
    "any match": ("If-None-Match: *",),
    "some match": ('If-None-Match: "x", W/"y"',),
    "broken match": ('If-None-Match: no-quotes,"unclosed',),
    "since": ("If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT",),
    "must match": ('If-Match: "x"',),
    "unmodified since": ("If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT",),
    "no store": ("Cache-Control: no-store", "Pragma: no-cache"),
    "max-age": ("Cache-Control: max-age=0, only-if-cached",),
    "accept": ("Accept: text/evil", "Accept-Charset: utf-7"),
    "encoding": ("Accept-Encoding: gzip, br, zstd, evil",),
    "identity forbidden": ("Accept-Encoding: identity;q=0, *;q=0",),
    "content type": ("Content-Type: application/evil",),
    "origin": ("Origin: https://evil.example",),
    "null origin": ("Origin: null",),
    "two origins": ("Origin: https://evil.example", "Origin: https://good.example"),
    "hapta's own": ("X-Hapta-Client-IP: 6.6.6.6", "X-Hapta-Cache: evil", "Cache-Status: evil; hit"),
    "request id": ("X-Request-Id: evil", "Traceparent: evil"),
    "hop by hop": ("Connection: Authorization, Host", "TE: trailers"),
    "expectation": ("Expect: 100-continue",),
    "user agent": ("User-Agent: <script>alert(1)</script>", "Referer: https://evil.example"),
    "rule headers": ("X-Club: blue", "X_Club: blue"),
    "big header": (f"X-Padding: {'x' * 20_000}",),
}

TARGETS: dict[str, str] = {
    "double slash": "/" + "{plain}",
    "inner double slash": "/api//collections/notes/records",
    "dot segment": "/api/./collections/notes/records",
    "parent segment": "/api/collections/x/../notes/records",
    "encoded dot segment": "/api/collections/x/%2e%2e/notes/records",
    "encoded slash": "/api/collections/notes%2Frecords",
    "encoded slash in front": "/api/collections%2Fnotes/records",
    "encoded backslash": "/api/collections/notes%5Crecords",
    "trailing slash": "/api/collections/notes/records/",
    "upper case path": "/API/collections/notes/records",
    "upper case collection": "/api/collections/NOTES/records",
    "encoded letter": "/api/collections/notes/%72ecords",
    "double encoded": "/api/collections/notes/%2572ecords",
    "encoded nul": "/api/collections/notes/records%00",
    "encoded line end": "/api/collections/notes/records%0d%0aX-Evil:1",
    "semicolon in the path": "/api/collections/notes/records;evil=1",
    "question mark in the path": "/api/collections/notes/records%3Fpage=2",
    "twice the same": "{plain}&perPage=1&perPage=2",
    "twice, in upper case": "{plain}&PERPAGE=1",
    "unknown parameter": "{plain}&evil=1",
    "unknown parameter first": LIST + "?evil=1&{query}",
    "fields": "{plain}&fields=id",
    "fields, empty": "{plain}&fields=",
    "expand": "{plain}&expand=owner",
    "semicolon": "{plain};perPage=1",
    "semicolon between": "{plain}&perPage=1;page=2",
    "bad escape": "{plain}&perPage=%zz",
    "half an escape": "{plain}&filter=%",
    "escaped ampersand": "{plain}%26perPage=1",
    "plus": "{plain}&filter=id+!=+''",
    "fragment": "{plain}%23evil",
    "null byte": "{plain}&filter=%00",
    "not utf-8": "{plain}&filter=%ff%fe",
    "brackets": "{plain}&perPage[]=1&filter[]=id=''",
    "empty name": "{plain}&=1&&",
    "long parameter": "{plain}&evil=" + "x" * 12_000,
    "many parameters": "{plain}&" + "&".join(f"e{n}=1" for n in range(1000)),
    "deep filter": "{plain}&filter=" + "(" * 1500 + "id=''" + ")" * 1500,
    "token in the query": "{plain}&token=evil",
    "absolute form": "http://evil.example{plain}",
}

OTHERS: dict[str, Attempt] = {
    "body on a GET": Attempt(body=b'{"perPage":1,"filter":"id=\'\'"}'),
    "form on a GET": Attempt(body=b"perPage=1"),
    "HEAD before GET": Attempt(method="HEAD"),
    "HEAD with a range": Attempt(method="HEAD", fields=("Range: bytes=0-1",)),
    "OPTIONS": Attempt(method="OPTIONS", fields=("Origin: https://evil.example",)),
    "PUT": Attempt(method="PUT", body=b"{}"),
    "made-up method": Attempt(method="EVIL"),
    "lower-case method": Attempt(method="get"),
    "overridden POST": Attempt(method="POST", fields=("X-HTTP-Method-Override: GET",), body=b"{}"),
    "method in the query": Attempt(target="{plain}&_method=DELETE"),
    "a superuser's answer": Attempt(caller=SUPERUSER),
    "somebody else's answer": Attempt(caller=PEOPLE[1]),
    "a broken token": Attempt(fields=("Authorization: evil",)),
    "Basic": Attempt(fields=("Authorization: Basic ZXZpbDpldmls",)),
    "empty token": Attempt(fields=("Authorization: ",)),
    "two tokens": Attempt(fields=("Authorization: evil", "Authorization: evil2")),
}

ALL: dict[str, Attempt] = {
    **{f"header: {name}": Attempt(fields=fields) for name, fields in HEADERS.items()},
    **{f"target: {name}": Attempt(target=target) for name, target in TARGETS.items()},
    **OTHERS,
}


@pytest.fixture(scope="module")
def victim(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings: dict[str, Any] = {"cache__max_bytes": 8 * MIB}
    with open_site(pocketbase_template, tmp_path_factory.mktemp, **settings) as opened:
        yield opened


class Truth:
    """PocketBase's own answers, to PocketBase's own tokens."""

    def __init__(self, site: Site) -> None:
        self._line = Line(site.pocketbase.url)
        self._site = site
        self._tokens = {
            person: site.pocketbase.token("people", f"{person}@example.com") for person in PEOPLE[:2]
        }

    async def ask(self, target: str, caller: str, *fields: str) -> Answer:
        return await self._line.get(target, self._tokens.get(caller, ""), *fields)


@pytest.fixture
def truth(victim: Site) -> Truth:
    return Truth(victim)


async def assert_innocent_fine(site: Site, truth: Truth, target: str, *fields: str) -> None:
    """Twice, so that the second answers may come from the store."""
    line = site.line(9)
    for _ in range(2):
        for caller in INNOCENT:
            answer = await line.get(target, site.tokens.get(caller, ""), *fields)
            direct = await truth.ask(target, caller, *fields)
            where = f"{target} as {caller or 'guest'} ({answer.headers.get('cache-status')})"
            assert answer.status == direct.status, where
            assert answer.body == direct.body, where
            for name in MEANT:
                assert answer.headers.get(name) == direct.headers.get(name), f"{name}: {where}"
            assert "origin" in answer.headers.get("vary", "").lower(), where


async def attack(site: Site, attempt: Attempt, plain: str) -> None:
    """Make the attempt; whatever is answered, if anything."""
    query = plain.partition("?")[2]
    target = attempt.target.replace("{plain}", plain).replace("{query}", query)
    fields = attempt.fields
    if attempt.body is not None:
        kind = "application/json" if attempt.body[:1] == b"{" else "application/x-www-form-urlencoded"
        fields = (*fields, f"Content-Type: {kind}")
    line = site.line(6)
    with suppress(Lost):
        await line.ask(
            attempt.method, target, site.tokens.get(attempt.caller, ""), fields=fields, body=attempt.body
        )
    line.close()


def fresh_list() -> str:
    """A list nobody has asked for."""
    return f"{LIST}?perPage={100 + next(FRESH)}"


@pytest.mark.parametrize("name", ALL)
async def test_an_attempt_leaves_everybody_else_alone(victim: Site, truth: Truth, name: str) -> None:
    attempt = ALL[name]
    for plain in (fresh_list(), f"{VIEW}?fresh={next(FRESH)}", f"{PERSON}?fresh={next(FRESH)}"):
        for _ in range(2):
            await attack(victim, attempt, plain)
        await assert_innocent_fine(victim, truth, plain)
        await attack(victim, attempt, plain)
        await assert_innocent_fine(victim, truth, plain)
    await assert_innocent_fine(victim, truth, VIEW)
    if name in OTHERS:
        await assert_innocent_fine(victim, truth, f"{DIARY}?filter=rev>0 || id!=''".replace(" ", "%20"))


async def test_variants_of_somebody_s_token_are_that_somebody_or_nobody(victim: Site, truth: Truth) -> None:
    """As PocketBase takes them."""
    line, direct = victim.line(7), Line(victim.pocketbase.url)
    ours, theirs = victim.tokens[PEOPLE[1]], victim.pocketbase.token("people", f"{PEOPLE[1]}@example.com")
    for shape in SHAPES:
        for target in (PERSON, f"{PERSON}?fresh={next(FRESH)}"):
            for _ in range(2):
                got = await line.get(target, "", f"Authorization: {shape.format(ours)}")
                wanted = await direct.get(target, "", f"Authorization: {shape.format(theirs)}")
                assert got.body == wanted.body, (shape, got.headers.get("cache-status"))
            await assert_innocent_fine(victim, truth, target)


async def test_two_authorization_lines_give_nobody_another_one_s_answer(victim: Site, truth: Truth) -> None:
    line, direct = victim.line(7), Line(victim.pocketbase.url)
    names = (PEOPLE[0], PEOPLE[1])
    theirs = {name: victim.pocketbase.token("people", f"{name}@example.com") for name in names}
    for first, second in (names, names[::-1]):
        for _ in range(2):
            tokens = victim.tokens
            try:
                got = await line.get(
                    PERSON, "", f"Authorization: {tokens[first]}", f"Authorization: {tokens[second]}"
                )
            except Lost:
                continue
            wanted = await direct.get(
                PERSON, "", f"Authorization: {theirs[first]}", f"Authorization: {theirs[second]}"
            )
            assert got.status == 400 or got.body == wanted.body
        await assert_innocent_fine(victim, truth, PERSON)


async def test_what_one_origin_is_told_no_other_origin_hears(victim: Site, truth: Truth) -> None:
    for origin in ("", "https://one.example", "https://two.example", "null", "https://ONE.example"):
        fields = (f"Origin: {origin}",) if origin else ()
        for target in (VIEW, f"{LIST}?perPage=77"):
            await assert_innocent_fine(victim, truth, target, *fields)


async def test_validators_of_one_answer_confirm_no_other(victim: Site, truth: Truth) -> None:
    line = victim.line(8)
    tags: dict[tuple[str, str], str] = {}
    for caller in (*INNOCENT, GUEST):
        for target in (VIEW, PERSON, DIARY + "?perPage=9"):
            answer = await line.get(target, victim.tokens.get(caller, ""))
            tags[caller, target] = answer.headers.get("etag", '"none"')
    for caller in INNOCENT:
        for target in (VIEW, PERSON, DIARY + "?perPage=9"):
            direct = await truth.ask(target, caller)
            for (owner, where), tag in tags.items():
                answer = await line.get(target, victim.tokens.get(caller, ""), f"If-None-Match: {tag}")
                if answer.status == 304:
                    of_that = await truth.ask(where, owner)
                    assert of_that.body == direct.body, f"{target} as {caller}: {where} as {owner}"
                else:
                    assert answer.body == direct.body
    assert await truth.ask(VIEW, GUEST)


@pytest.mark.timeout(120)
async def test_oversized_and_endless_keys_do_not_fill_memory(victim: Site, truth: Truth) -> None:
    before = memory_bytes(victim.hapta.pid, "VmRSS")
    line = victim.line(5)
    for n in range(400):
        padding = f"{n:06}" + os.urandom(3500).hex()
        for target in (f"{VIEW}?evil={padding}", f"{LIST}/{padding}", f"{LIST}?filter=id='{padding[:3000]}'"):
            await line.get(target)
        await line.get(VIEW, "", f"Origin: https://{padding[:2000]}.example")
        await line.get(VIEW, f"{padding[:2000]}")
        if n % 100 == 0:
            await asyncio.sleep(0)
    grown = memory_bytes(victim.hapta.pid, "VmRSS") - before
    print(f"grown by {grown / MIB:.1f} MiB after 2,000 requests with keys of 3 to 8 KB")
    assert grown < 48 * MIB
    await assert_innocent_fine(victim, truth, VIEW)
