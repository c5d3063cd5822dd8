"""Event streams, directly and through Hapta: the same head, the same events, the same refusals."""

import json
from contextlib import ExitStack

import pytest

from tests.parity.case import HEADER_ROWS, Side, js, request
from tests.parity.paths import POSTS
from tests.support.wire import Reply, Wire

HELLO = request("GET", "/api/realtime", "Accept: text/event-stream", "Origin: https://front.example")


class Stream:
    """One open event stream."""

    def __init__(self, side: Side, closing: ExitStack) -> None:
        self.side = side
        self._wire = closing.enter_context(Wire(side.url))
        self._wire.send(HELLO)
        self.head = self._wire.until(b"\r\n\r\n").decode()
        self.client = ""

    def event(self) -> dict[str, str]:
        """The next event, its fields by name; every event comes in one chunk, at once."""
        size = int(self._wire.until(b"\r\n"), 16)
        text = self._wire.until(b"\r\n")[:-2]
        assert len(text) == size
        assert text.endswith(b"\n\n")
        event = dict(line.split(":", 1) for line in text.decode().strip().split("\n"))
        self.client = event["id"]
        return {name: self.side.normaliser.text(value) for name, value in event.items()}

    def subscribe(self, *topics: str, headers: tuple[str, ...] = ()) -> Reply:
        return self.side.ask(
            js("POST", "/api/realtime", {"clientId": self.client, "subscriptions": topics}, *headers)
        )


def _fields(head: str) -> set[str]:
    status, *lines = head.strip().split("\r\n")
    return {status} | {line for line in lines if line.partition(":")[0].lower() not in HEADER_ROWS}


def test_a_stream_opens_with_the_same_head_and_the_same_hello(sides: tuple[Side, Side]) -> None:
    with ExitStack() as closing:
        one, other = (Stream(side, closing) for side in sides)
        assert _fields(one.head) == _fields(other.head)
        assert one.event().keys() == other.event().keys() == {"id", "event", "data"}
        assert len(one.client) == len(other.client)


@pytest.mark.parametrize(
    "topic",
    [
        "posts/*",
        "posts/stream000000001",
        "posts",
        'posts/*?options={"query":{"fields":"id,title"}}',
        'posts/*?options={"query":{"filter":"title!=\'\'"}}',
    ],
)
def test_a_subscriber_sees_the_same_events(topic: str, sides: tuple[Side, Side]) -> None:
    row = {"id": "stream000000001", "title": "é“"}
    seen = []
    with ExitStack() as closing:
        for stream in [Stream(side, closing) for side in sides]:
            stream.event()
            assert stream.subscribe(topic).status == 204
            assert stream.side.ask(js("POST", POSTS, row)).status == 200
            events = [stream.event()]
            assert stream.side.ask(js("PATCH", f"{POSTS}/{row['id']}", {"views": 1})).status == 200
            events.append(stream.event())
            assert stream.side.ask(request("DELETE", f"{POSTS}/{row['id']}")).status == 204
            events.append(stream.event())
            for event in events:
                event["data"] = json.loads(event["data"])
                del event["id"]
            seen.append(events)
    assert seen[0] == seen[1]


def test_a_stream_takes_an_identity_once_and_no_other(sides: tuple[Side, Side]) -> None:
    seen = []
    with ExitStack() as closing:
        for stream in [Stream(side, closing) for side in sides]:
            stream.event()
            answers = [
                stream.subscribe("diaries/*"),
                stream.subscribe("diaries/*", headers=("Authorization: $user$",)),
                stream.subscribe("diaries/*", headers=("Authorization: $other$",)),
                stream.subscribe("diaries/*"),
            ]
            seen.append([(answer.status, answer.body) for answer in answers])
    assert [status for status, _ in seen[0]] == [204, 204, 403, 403]
    assert seen[0] == seen[1]


def test_head_of_a_stream_is_answered_alike(sides: tuple[Side, Side]) -> None:
    heads = []
    for side in sides:
        with Wire(side.url, 1.0) as wire:
            wire.send(request("HEAD", "/api/realtime"))
            heads.append(_fields(wire.until(b"\r\n\r\n").decode()))
    assert heads[0] == heads[1]
