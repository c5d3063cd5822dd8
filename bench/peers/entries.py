"""What is made ready before a workload's rounds: who is asked, with which headers, for what.

What is to be in a cache is put there, and every contender has to prove its answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers import scripts
from bench.peers.callers import browser, with_token
from bench.peers.contenders import POCKETBASE, Contender, Server
from bench.peers.proof import prime, proven
from bench.peers.workloads import LIST, N_CALLERS, Ask, Sender, Way, Workload

_STRIDE = 101


@dataclass(frozen=True, slots=True)
class Ready:
    """A contender that runs.

    Attributes:
        home: where its log is.
        tokens: of all users, good there.
    """

    contender: Contender
    home: Path
    server: Server
    tokens: list[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a round.

    Attributes:
        headers: of each caller.
        wire_bytes: of each answer; 0 where answers differ.
    """

    name: str
    ready: Ready
    headers: list[dict[str, str]]
    wire_bytes: int


def entries(workload: Workload, ready: Ready, asked: Sequence[str], upstream_port: int) -> Iterator[Entry]:
    """One, or two of a contender that knows validators: with one, and without.

    Args:
        asked: the targets.

    Raises:
        BenchError: the contender does not answer as it should.
    """
    contender, port = ready.contender, ready.server.port
    headers = _headers(workload, ready.tokens)
    first = headers
    if workload.way is Way.FIRST:
        # those who are measured must not have asked before, nor be strangers
        first = [with_token(ready.tokens[0], browser())]
        prime(port, [LIST.format(page=1)], headers)
    if contender.kind != POCKETBASE and workload.way not in (Way.MISS, Way.COLD):
        prime(port, [*asked, LIST.format(page=1)] if workload.way is Way.MIXED else asked, first)
    target = f"{asked[-1]}{scripts.FRESH.format('proof')}" if workload.way is Way.COLD else asked[-1]
    mark = None if workload.way in (Way.MISS, Way.MIXED) else contender.mark
    full = proven(port, upstream_port, target, first[0], mark=mark)
    if workload.way is not Way.UNCHANGED:
        length = 0 if workload.way is Way.MIXED else full.wire_bytes
        yield Entry(contender.name, ready, headers, length)
        return
    etag = full.headers.get("etag", '"made-up"')
    conditional = [{**one, "If-None-Match": etag} for one in headers]
    if "etag" not in full.headers:
        yield Entry(contender.name, ready, conditional, full.wire_bytes)
        return
    unchanged = proven(port, upstream_port, target, first[0], mark=mark, is_conditional=True)
    yield Entry(f"{contender.name}, 200", ready, headers, full.wire_bytes)
    yield Entry(contender.name, ready, conditional, unchanged.wire_bytes)


def script(workload: Workload, entry: Entry, listed: Path, asked: int) -> tuple[str, int]:
    """Lua for wrk, and on how many threads.

    Args:
        listed: a file with the targets, one a line.
        asked: requests this entry has had so far.
    """
    if workload.way is Way.FIRST:
        return scripts.pairs(entry.headers, listed, asked, _STRIDE), 1
    if workload.sender is Sender.CALLERS:
        return scripts.callers(entry.headers), len(entry.headers)
    said = scripts.headers(entry.headers[0])
    if workload.way is Way.COLD:
        said += scripts.fresh(listed, asked)
    elif workload.way is Way.MIXED:
        said += scripts.mixed(listed, LIST.format(page=1), workload.every)
    elif workload.way is Way.MISS or workload.ask is Ask.VIEWS:
        said += scripts.random_walk(listed)
    return said, 1


def _headers(workload: Workload, tokens: Sequence[str]) -> list[dict[str, str]]:
    """Of each caller."""
    if workload.way is Way.FIRST:
        return [with_token(token, browser(number)) for number, token in enumerate(tokens) if number]
    match workload.sender:
        case Sender.GUEST:
            return [{}]
        case Sender.TOKEN:
            return [with_token(tokens[0], {})]
        case Sender.BROWSER:
            return [with_token(tokens[0], browser())]
        case Sender.CALLERS:
            return [with_token(token, browser(number)) for number, token in enumerate(tokens[:N_CALLERS])]
