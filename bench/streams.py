"""What an idle event stream costs: resident memory of Hapta and of the PocketBase behind it.

Every round has fresh processes, because neither gives memory back. A stream counts only when it receives an
event in the end.
"""

import http.client
import json
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

from bench import proc
from bench.errors import BenchError
from bench.hapta import hapta
from bench.plan import Plan, Section
from bench.pocketbase import PocketBase, pocketbase
from bench.process import allow_files
from bench.statistics import Spread, table

_TOPIC = "posts/*"
_OPEN = b"GET /api/realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
_SPARE_FILES = 500
_SETTLE_S = 2.0
_EVENT_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Run:
    """One round.

    Attributes:
        reached: streams that got the event.
        event_s: from the write to the last stream that has its event.
    """

    round: int
    streams: int
    reached: int
    event_s: float
    open_s: float
    hapta_bytes: float
    pocketbase_bytes: float


def measure(plan: Plan) -> Section:
    """Run everything, and make the table."""
    allow_files(plan.streams * 2 + _SPARE_FILES)
    runs = []
    for number in range(plan.runs):
        run = _round(plan, number)
        plan.say(
            f"streams, round {number + 1}: Hapta {run.hapta_bytes / 1024:.1f} KiB per client, "
            f"{run.reached} of {run.streams} got the event"
        )
        runs.append(run)
    return Section("streams", render(runs), [asdict(run) for run in runs])


def _round(plan: Plan, number: int) -> Run:
    with ExitStack() as stack:
        home = plan.folder(f"streams-{number}")
        upstream = stack.enter_context(pocketbase(home))
        # all clients of this measurement come from one address
        settings = {"server.max_connections_per_address": plan.streams + 100}
        ours = stack.enter_context(hapta(home, upstream, settings))
        with _streams(ours.port, 1):  # what the first stream makes once is no cost of a stream
            time.sleep(_SETTLE_S)
        before = _memory(ours.pid), _memory(upstream.pid)
        began = time.monotonic()
        clients = stack.enter_context(_streams(ours.port, plan.streams))
        open_s = time.monotonic() - began
        time.sleep(_SETTLE_S)
        after = _memory(ours.pid), _memory(upstream.pid)
        began = time.monotonic()
        _write(ours.port, upstream)
        reached = _count_events(clients, _EVENT_WITHIN_S)
        event_s = time.monotonic() - began
    hapta_bytes, pocketbase_bytes = ((b - a) / plan.streams for a, b in zip(before, after, strict=True))
    return Run(number, plan.streams, reached, event_s, open_s, hapta_bytes, pocketbase_bytes)


def _memory(pid: int) -> int:
    return proc.rss_bytes(proc.tree(pid))


@contextmanager
def _streams(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Open event streams, each subscribed to all posts."""
    with ExitStack() as stack:
        posts = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        stack.callback(posts.close)
        opened = []
        for _ in range(count):
            stream = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            stream.sendall(_OPEN)
            _subscribe(posts, client_id(_first_event(stream)))
            opened.append(stream)
        yield opened


def _first_event(stream: socket.socket) -> bytes:
    received = b""
    while b"\n\n" not in received.partition(b"PB_CONNECT")[2]:
        piece = stream.recv(4096)
        if not piece:
            raise BenchError(f"an event stream ended before it began: {received[:200]!r}")
        received += piece
    return received


def client_id(event: bytes) -> str:
    """The id PocketBase gives a stream in its first event.

    Raises:
        BenchError: it stands nowhere.
    """
    for line in event.splitlines():
        if line.startswith(b"data:"):
            return str(json.loads(line.removeprefix(b"data:"))["clientId"])
    raise BenchError(f"no clientId in the first event: {event[:200]!r}")


def _subscribe(connection: http.client.HTTPConnection, client: str) -> None:
    body = json.dumps({"clientId": client, "subscriptions": [_TOPIC]})
    connection.request("POST", "/api/realtime", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 204:
        raise BenchError(f"a subscription was answered with {answer.status}: {answer.read()[:200]!r}")
    answer.read()


def _write(port: int, upstream: PocketBase) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json", "Authorization": upstream.token}
    path = f"/api/collections/posts/records/{upstream.ids[0]}"
    connection.request("PATCH", path, json.dumps({"likes": 101}), headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise BenchError(f"the write was answered with {answer.status}: {answer.read()[:200]!r}")
    connection.close()


def _count_events(clients: Sequence[socket.socket], within_s: float) -> int:
    """How many clients receive an event of the topic, waiting for all of them up to ``within_s`` seconds."""
    waiting = {client.fileno(): (client, bytearray()) for client in clients}
    ends_at = time.monotonic() + within_s
    with select.epoll() as poll:
        for number in waiting:
            poll.register(number, select.EPOLLIN)
        while waiting and time.monotonic() < ends_at:
            for number, _ in poll.poll(0.5):
                client, received = waiting[number]
                piece = client.recv(65536)
                received += piece
                is_there = f"event:{_TOPIC}".encode() in received
                if is_there or not piece:
                    poll.unregister(number)
                if is_there:
                    del waiting[number]
    return len(clients) - len(waiting)


def render(runs: Sequence[Run]) -> str:
    """The table."""
    count = runs[0].streams
    rows = [
        ["Hapta, KiB per client", Spread.of(run.hapta_bytes / 1024 for run in runs).shown(1)],
        ["PocketBase, KiB per client", Spread.of(run.pocketbase_bytes / 1024 for run in runs).shown(1)],
        ["streams that got an event", Spread.of(run.reached for run in runs).shown()],
        ["seconds until the last one had it", Spread.of(run.event_s for run in runs).shown(2)],
        ["seconds to open and subscribe all", Spread.of(run.open_s for run in runs).shown(1)],
    ]
    return table([f"{count:,} idle event streams through Hapta", "median (least–greatest)"], rows)
