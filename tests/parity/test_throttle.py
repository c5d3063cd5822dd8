"""Row of ``docs/differences.md`` proved here: ``list-throttle``."""

import time

import httpx

from tests.support.hapta import Hapta

EMPTY = "/api/collections/guarded/records"
"""Guests get no row of it by its rule: PocketBase pauses before the fourth such answer in three seconds."""


def test_the_pause_before_empty_lists_is_made_once_for_each_stored_answer(hapta: Hapta) -> None:
    with httpx.Client(base_url=hapta.url) as client:
        first = [client.get(EMPTY) for _ in range(3)][-1]  # it wakes the feed, and is stored
        began = time.monotonic()
        further = [client.get(EMPTY) for _ in range(20)]
    assert (first.status_code, first.json()["items"]) == (200, [])
    assert all(answer.content == first.content for answer in further)
    assert not any("fwd=" in answer.headers["Cache-Status"] for answer in further), "PocketBase was asked"
    assert time.monotonic() - began < 17 * 0.25, "as long as PocketBase's pauses take on average"
