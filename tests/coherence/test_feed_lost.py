"""The feed dies silently, PocketBase dies loudly: nothing stored passes for fresh, and no write is missed."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.coherence.conftest import OpenSite
from tests.coherence.lag import warm
from tests.coherence.line import Answer, Line, Lost
from tests.coherence.relay import Relay
from tests.coherence.site import Site
from tests.coherence.world import NOTES

SILENCE_S = 1.0
NOTE = f"/api/collections/notes/records/{NOTES[0]}"
LIST = f"/api/collections/notes/records?filter=id='{NOTES[0]}'"


class Cut:
    """A site whose event stream passes through a relay."""

    def __init__(self, site: Site, relay: Relay) -> None:
        self.site, self.relay = site, relay
        self.rev = 1

    def write(self) -> int:
        """The note's next revision, behind Hapta's back."""
        self.rev += 1
        self.site.admin.patch(NOTE, json={"rev": self.rev}).raise_for_status()
        return self.rev

    async def warm(self, line: Line) -> None:
        for target in (NOTE, LIST):
            await warm(line, target, "", lambda answer: _rev(answer) != self.rev)


@pytest.fixture
def cut(new_site: OpenSite) -> Iterator[Cut]:
    relays: list[Relay] = []

    def between(stack: ExitStack, url: str) -> str:
        relays.append(stack.enter_context(Relay(url)))
        return relays[0].url

    with new_site(between=between, feed__max_silence_s=SILENCE_S) as site:
        yield Cut(site, relays[0])


def _rev(answer: Answer) -> int:
    assert answer.status == 200, answer.body
    record = answer.json["items"][0] if "items" in answer.json else answer.json
    return int(record["rev"])


async def test_a_stream_that_dies_silently_hides_writes_for_no_longer_than_its_bound(cut: Cut) -> None:
    line = cut.site.line()
    await cut.warm(line)
    cut.relay.silence_streams(new_ones_too=False)
    rev, written_at = cut.write(), time.monotonic()
    while _rev(await line.get(NOTE)) != rev:
        assert time.monotonic() - written_at < SILENCE_S + 0.5
        await asyncio.sleep(0.005)
    print(f"a silent stream hid a write for {time.monotonic() - written_at:.2f} s")
    assert _rev(await line.get(LIST)) == rev


async def test_while_the_feed_is_down_every_read_is_answered_by_pocketbase(cut: Cut) -> None:
    line = cut.site.line()
    await cut.warm(line)
    cut.relay.silence_streams(new_ones_too=True)
    await asyncio.sleep(SILENCE_S + 0.3)
    for _ in range(30):
        rev = cut.write()
        for target in (NOTE, LIST):
            answer = await line.get(target)
            assert _rev(answer) == rev
            assert not answer.is_hit
    cut.relay.hear()
    await _until_hits(line, NOTE)
    rev = cut.write()
    await asyncio.sleep(0.5)
    assert _rev(await line.get(NOTE)) == rev, "it hears again"


async def test_a_read_begun_before_the_feed_was_lost_is_not_stored_after_it_is_back(cut: Cut) -> None:
    line = cut.site.line()
    await cut.warm(line)
    for _ in range(5):
        cut.relay.silence_streams(new_ones_too=False)
        hidden = cut.write()
        await _until_hits(line, NOTE, at_least=SILENCE_S)
        answer = await line.get(NOTE)
        assert _rev(answer) == hidden, answer.cache


async def test_pocketbase_killed_and_changed_meanwhile_shows_the_change_on_the_very_next_read(
    site: Site,
) -> None:
    line = site.line()
    for rev in range(2, 5):
        previous = rev - 1
        await warm(line, NOTE, "", lambda answer, old=previous: _rev(answer) != old)  # type: ignore[misc]
        await warm(line, LIST, "", lambda answer, old=previous: _rev(answer) != old)  # type: ignore[misc]
        site.pocketbase.kill()
        await asyncio.sleep(0.1)
        for _ in range(5):
            answer = await _ask(line, NOTE)
            assert answer.status in (502, 503), (answer.status, answer.cache)
            assert not answer.is_hit
        with closing(sqlite3.connect(site.pocketbase.data_dir / "data.db")) as database, database:
            database.execute("UPDATE notes SET rev = ? WHERE id = ?", (rev, NOTES[0]))
        await asyncio.to_thread(site.pocketbase.start)
        await _answered_right(line, NOTE, rev)
        await _answered_right(line, LIST, rev)
        await _until_hits(line, NOTE)
        assert _rev(await line.get(NOTE)) == rev


async def _answered_right(line: Line, target: str, rev: int) -> None:
    """From the first answer that is none of Hapta's own refusals on, the new state."""
    ends_at = time.monotonic() + 10
    while (answer := await _ask(line, target)).status in (502, 503):
        assert time.monotonic() < ends_at, answer.body
        await asyncio.sleep(0.01)
    assert _rev(answer) == rev, answer.cache


async def _ask(line: Line, target: str) -> Answer:
    try:
        return await line.get(target)
    except Lost as exc:
        raise AssertionError(f"no answer at all: {exc}") from exc


async def _until_hits(line: Line, target: str, at_least: float = 0.0) -> None:
    """Until the store answers again; without one, until a while has passed."""
    began = time.monotonic()
    while time.monotonic() - began < 20:  # a stream that opens into silence is given up after ten
        answer = await line.get(target)
        waited = time.monotonic() - began
        if waited > at_least and answer.is_hit:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{target} is never stored again")
