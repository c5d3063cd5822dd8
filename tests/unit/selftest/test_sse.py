"""hapta.selftest.sse"""

from collections.abc import AsyncIterator

import pytest

from hapta.selftest.sse import Event, events


async def read(text: str) -> list[Event]:
    async def lines() -> AsyncIterator[str]:
        for line in text.splitlines():
            yield line

    return [event async for event in events(lines())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            'id:abc\nevent:PB_CONNECT\ndata:{"clientId":"abc"}\n\n',
            [Event("PB_CONNECT", "abc", {"clientId": "abc"})],
            id="as PocketBase writes it",
        ),
        pytest.param("event: a\ndata: 1\n\nevent: b\ndata: 2\n\n", [("a", "", 1), ("b", "", 2)], id="spaces"),
        pytest.param("data:no json\n\n", [("message", "", "no json")], id="text, and the default name"),
        pytest.param("data:[1,\ndata:2]\n\n", [("message", "", [1, 2])], id="data in two lines"),
        pytest.param(": comment\n\ndata:1\n\n", [("message", "", 1)], id="a comment is no event"),
        pytest.param("event:a\n\ndata:1\n\n", [("message", "", 1)], id="a name without data is no event"),
        pytest.param("data:1\n", [], id="unfinished"),
        pytest.param('data:{"a":"b: c"}\n\n', [("message", "", {"a": "b: c"})], id="colons in the data"),
    ],
)
async def test_events_are_read_from_lines(text: str, expected: list[Event]) -> None:
    assert await read(text) == expected
