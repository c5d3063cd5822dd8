"""What tests of interactions do again and again."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.sessions.support import Door, Ground

FEED = {"feeds.home.collection": "posts"}
ROUTE = "/api/hapta/interactions"


def told(door: Door, token: str | None, *items: tuple[Any, ...], **more: Any) -> httpx.Response:
    """Tell of interactions: (record, kind) or (record, "dwell", ms)."""
    interactions = [dict(zip(("record", "kind", "ms"), item, strict=False)) for item in items]
    return door.ask("POST", ROUTE, token, json={"collection": "posts", "interactions": interactions, **more})


def tell(door: Door, token: str, *items: tuple[Any, ...]) -> tuple[int, int]:
    """How many of them were accepted, and how many were known."""
    answer = told(door, token, *items)
    assert answer.status_code == 200, answer.text
    return answer.json()["accepted"], answer.json()["duplicates"]


def kept(ground: Ground, user: str) -> dict[str, dict[str, Any]]:
    """What stands in PocketBase of a user, by the row's id."""
    rows = ground.rows("hapta_interactions", filter=f"user='{user}'")
    return {row["record"]: row for row in rows}


def tell_at_once(door: Door, tokens: list[str], each: int, kind: str) -> None:
    """Each of some users tells of ``each`` rows, one request for every row, all of them at once."""
    with ThreadPoolExecutor(len(tokens) * each) as threads:
        asked = [
            threads.submit(tell, door, token, (f"row{number}", kind))
            for token in tokens
            for number in range(each)
        ]
        for future in asked:
            assert future.result() == (1, 0)
