"""What a connection costs that has asked once and waits: resident memory."""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from bench import proc
from bench.errors import BenchError
from bench.peers.callers import browser, with_token
from bench.peers.contenders import Contender
from bench.peers.proof import prime
from bench.peers.rounds import Course
from bench.peers.workloads import Way
from bench.plan import Plan

CONNECTIONS: Final = 1000
_SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Held:
    """Resident memory of a contender for each connection more, in one round."""

    round: int
    contender: str
    kind: str
    bytes_each: float


def held(plan: Plan, course: Course, rivals: Sequence[Contender], target: str) -> Iterator[Held]:
    """Every round has fresh processes, because none of them gives memory back.

    Args:
        target: what each connection asks for.
    """
    for number in range(plan.runs):
        for rival in rivals:
            # PocketBase runs all the time, and what it has taken it may hold for something else
            if Way.HIT not in rival.ways or (rival.program is None and not rival.has_sessions):
                continue
            with ExitStack() as stack:
                ready = course.start(stack, rival)
                headers = with_token(ready.tokens[0], browser())
                prime(ready.server.port, [target] * 3, [headers])
                # what the first connections make once is no cost of a connection
                with _open(ready.server.port, CONNECTIONS // 10, target, headers):
                    pass
                time.sleep(_SETTLE_S)
                before = proc.rss_bytes(proc.tree(ready.server.pid))
                stack.enter_context(_open(ready.server.port, CONNECTIONS, target, headers))
                time.sleep(_SETTLE_S)
                grown = proc.rss_bytes(proc.tree(ready.server.pid)) - before
            found = Held(number, rival.name, rival.kind, grown / CONNECTIONS)
            plan.say(
                f"idle, round {number + 1}: {rival.name}: {found.bytes_each / 1024:.1f} KiB a connection"
            )
            yield found


@contextmanager
def _open(port: int, count: int, target: str, headers: Mapping[str, str]) -> Iterator[None]:
    """That many connections, each of which has had an answer."""
    lines = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = "\r\n".join([*lines, "", ""]).encode("ascii")
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            connection.sendall(request)
            if not connection.recv(262_144).startswith(b"HTTP/1.1 200 "):
                raise BenchError(f"{target} at port {port} is not answered with 200")
        yield
