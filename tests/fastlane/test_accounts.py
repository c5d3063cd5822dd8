"""What the lane answers is logged, counted and charged as if the full way had answered it."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from tests.fastlane.site import LIST, POSTS, VIEW, Caller, Line, Site, field, get, status
from tests.support.pocketbase import PocketBase
from tests.support.process import wait_until

_OF_TIME = re.compile(
    r"seconds|created|_sum|_bucket|process_|python_|feed|sessions|store|connections|upstream"
)


def lines(site: Site, count: int, before: int = 0) -> list[dict[str, Any]]:
    """So many access lines, without what is another each time."""
    wait_until(lambda: site.log.getvalue().count(b"\n") >= before + count, f"{count} lines", 5)
    found = [json.loads(line) for line in site.log.getvalue().splitlines()[before:]]
    assert len(found) == count
    assert len({line.pop("id") for line in found}) == count
    for line in found:
        assert line.pop("ts")
        assert line.pop("ms") >= 0
    return found


def counts(site: Site) -> dict[str, float]:
    """Counters and the counts of histograms, by name and labels."""
    # on its loop: an answer is counted after it was written
    text = site.call(lambda: generate_latest(site.metrics._registry)).decode()
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {
        name: float(value)
        for name, value in pairs
        if not _OF_TIME.search(name.replace("request_seconds_count", "request_count"))
    }


def test_log_lines_and_counts_are_those_of_the_full_way(pocketbase: PocketBase, tmp_path: Path) -> None:
    logs, moved, told = [], [], 0
    for name in ("on", "off"):
        home = tmp_path / name
        home.mkdir()
        settings = {"server__fast_lane": name == "on", "log__format": "json", "log__access": "all"}
        with Site(home, pocketbase.url, **settings) as site, Line(site.url) as line:
            token = site.token("users", "ada@example.com")
            tag = field(line.ask(get(VIEW)), "ETag")
            callers = [
                Caller(site, line=line),
                Caller(site, f"Authorization: {token}", line=line),
                Caller(site, f"If-None-Match: {tag}", line=line),
                Caller(site, "Accept-Encoding: gzip", line=line),
            ]
            targets = [VIEW, LIST, f"{POSTS}/nothing00000001", "/api/collections/diaries/records"]
            asks = [(caller, target) for caller in callers for target in targets]
            for _ in range(4):
                for caller, target in asks:
                    caller.ask(target)
                site.settle()
            time.sleep(1.1 - time.time() % 1)  # what is confirmed for a second is so for all that follow
            for caller, target in asks:
                caller.ask(target)
            before, told = counts(site), site.told
            for _ in range(4):
                for caller, target in asks:
                    caller.told(target)
            told = site.told - told
            assert told > 40 if name == "on" else told == 0
            after = counts(site)
            moved.append(
                {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
            )
            logs.append(lines(site, 64, before=2 + 5 * len(asks)))
    assert logs[0] == logs[1]
    assert {text["status"] for text in logs[0]} == {200, 304, 404}
    assert moved[0] == moved[1]
    assert sum(moved[0].values()) >= 64 * 2


@pytest.mark.parametrize("mix", ["alone", "alternating", "two connections"])
def test_as_many_are_allowed_as_the_limit_says_whichever_way_they_go(
    pocketbase: PocketBase, tmp_path: Path, mix: str
) -> None:
    limits = {"ratelimit__max": 100, "ratelimit__burst": 100, "ratelimit__duration": 10_000}
    with Site(tmp_path, pocketbase.url, **limits) as site, Caller(site) as guest, Caller(site) as other:
        seen = []
        for number in range(130):
            if mix == "alternating" and number % 2:
                seen.append((guest.line.ask(get(VIEW, f"X-Request-Id: r{number}")), False))
            else:
                seen.append((other if mix == "two connections" and number % 3 else guest).told(VIEW))
        allowed = [status(answer) for answer, _ in seen]
        assert allowed == [200] * 100 + [429] * 30
        assert sum(told for _, told in seen) > 30
        left = [int(re.search(r";r=(\d+);", field(answer, "RateLimit") or "")[1]) for answer, _ in seen[:100]]  # type: ignore[index]
        assert left == list(range(99, -1, -1))


def test_behind_a_proxy_everybody_has_a_limit_of_his_own_and_is_logged_by_his_address(
    pocketbase: PocketBase, tmp_path: Path
) -> None:
    limits = {"ratelimit__max": 20, "ratelimit__burst": 20, "ratelimit__duration": 10_000}
    settings = {**limits, "server__trusted_proxies": "127.0.0.1", "log__format": "json", "log__access": "all"}
    with Site(tmp_path, pocketbase.url, **settings) as site, Line(site.url) as line:
        clients = [Caller(site, f"X-Forwarded-For: 203.0.113.{n}", line=line) for n in (1, 2, 3)]
        told = site.told
        for number in range(25):
            for client in clients:
                assert status(client.told(VIEW)[0]) == (200 if number < 20 else 429)
        assert site.told - told > 30
        found = [text["ip"] for text in lines(site, 75)]
        assert [found.count(f"203.0.113.{n}") for n in (1, 2, 3)] == [25, 25, 25]


def test_a_stranger_s_word_about_an_address_is_not_taken(pocketbase: PocketBase, tmp_path: Path) -> None:
    limits = {"ratelimit__max": 20, "ratelimit__burst": 20, "ratelimit__duration": 10_000}
    with Site(tmp_path, pocketbase.url, **limits) as site, Line(site.url) as line:
        seen = [
            status(Caller(site, f"X-Forwarded-For: 203.0.113.{number % 5}", line=line).ask(VIEW))
            for number in range(25)
        ]
    assert seen == [200] * 20 + [429] * 5
