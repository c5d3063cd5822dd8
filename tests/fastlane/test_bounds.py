"""However many requests come, of however many kinds: what the lane keeps is bounded, nothing else grows."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hapta.fastlane import lane as lane_module
from hapta.fastlane.lane import FastLane
from tests.conftest import MakeHapta
from tests.fastlane.site import POSTS, VIEW, Caller, Line, Site, get, status
from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase

KEPT = 300_000
BLOCKS = 500


@pytest.fixture
def narrow(pocketbase: PocketBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A lane that keeps little."""
    monkeypatch.setattr(lane_module, "MAX_BYTES", KEPT)
    monkeypatch.setattr(lane_module, "MAX_UNKNOWN", BLOCKS)
    with Site(tmp_path, pocketbase.url) as site:
        yield site


def inside(site: Site) -> FastLane:
    assert site.lane is not None
    found = site.lane._lane
    assert isinstance(found, FastLane)
    return found


def test_header_blocks_and_targets_without_end_fill_a_bounded_table(narrow: Site) -> None:
    lane, told = inside(narrow), narrow.told
    with Line(narrow.url) as line:
        for number in range(1_500):
            caller = Caller(narrow, f"X-Number: {number}", f"X-Filler: {'x' * 300}", line=line)
            caller.ask(VIEW)
            if number % 2:
                caller.ask(VIEW)
                caller.ask(f"{POSTS}?perPage=1&page={number % 700}")
        weights = narrow.call(lambda: (lane.weight, len(lane._ledger), len(lane._unknown)))
        assert weights[0] <= KEPT
        assert weights[1] < 600
        assert weights[2] <= BLOCKS
        blocks = narrow.call(lambda: sum(len(peer.blocks) for peer in lane._peers.values()))
        assert 0 < blocks < 500
        assert lane.weight > KEPT / 2
        guest = Caller(narrow, line=line)
        assert status(guest.warm(VIEW)) == 200
    assert narrow.told > told


def test_what_is_kept_of_an_address_goes_with_its_last_connection(narrow: Site) -> None:
    lane = inside(narrow)
    for _ in range(20):
        with Caller(narrow) as guest:
            guest.warm(VIEW)
            assert narrow.call(lambda: len(lane._peers)) == 1
    assert narrow.call(lambda: lane.weight) <= KEPT
    deadline = time.monotonic() + 5
    while narrow.call(lambda: len(lane._peers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert narrow.call(lambda: len(lane._peers)) == 0


def requests(hapta: Hapta, count: int, lines: list[Line]) -> None:
    """So many, spread over the connections, mostly known ones and each fiftieth with a head of its own."""
    answered = 0
    while answered < count:
        for number, line in enumerate(lines):
            at = answered + number
            extra = [f"X-Number: {at // 100}"] if at % 50 < 2 else []
            target = VIEW if at % 3 else f"{POSTS}?perPage=2&page={at % 97 % 15 + 1}"
            line.send(get(target, *extra))
        for line in lines:
            assert line.raw()[9:12] == b"200"
        answered += len(lines)


def held(hapta: Hapta) -> tuple[int, int]:
    """Resident bytes and open descriptors."""
    pages = int(Path(f"/proc/{hapta.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize(), len(os.listdir(f"/proc/{hapta.pid}/fd"))


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(30_000, id="30000"),
        pytest.param(1_000_000, id="a million", marks=[pytest.mark.all_modes, pytest.mark.timeout(1800)]),
    ],
)
def test_requests_without_end_take_neither_memory_nor_descriptors(make_hapta: MakeHapta, count: int) -> None:
    hapta = make_hapta(log__access="all")
    with ExitStack() as closing:
        lines = [closing.enter_context(Line(hapta.url)) for _ in range(24)]
        requests(hapta, count // 3, lines)
        before = held(hapta)
        requests(hapta, count, lines)
        after = held(hapta)
    grown = after[0] - before[0]
    # by what the lane may keep, and what an allocator holds on to
    assert grown < lane_module.MAX_BYTES + 8 * 2**20
    assert abs(after[1] - before[1]) <= 4
