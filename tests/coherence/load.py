"""Many clients at once that read and write, and what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from tests.coherence.ledger import Findings
from tests.coherence.line import Answer, Line, Lost
from tests.coherence.reads import Read, Reader
from tests.coherence.world import World
from tests.coherence.writes import Writer

CLIENTS = 64
CALM, BUSY = 0.004, 0.15
"""Share of writes in the two kinds of phases: in one a cache has something to serve, in the other hardly any
answer lives until it is asked for again."""
_PHASE_READS = 1500

MakeLine = Callable[[int], Line]


@dataclass
class Report:
    """What a load did.

    Attributes:
        cache: answers by what ``Cache-Status`` says.
    """

    findings: Findings
    reads: int = 0
    writes: int = 0
    seconds: float = 0.0
    cache: Counter[str] = field(default_factory=Counter)

    @property
    def hit_share(self) -> float:
        return self.cache["hit"] / max(self.reads, 1)

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind or 'unsaid'} {n}" for kind, n in self.cache.most_common())
        return (
            f"{self.reads} reads, {self.writes} writes in {self.seconds:.1f} s; "
            f"{self.hit_share:.0%} hits ({kinds}); {'clean' if self.findings.is_clean else self.findings}"
        )


class Load:
    """``CLIENTS`` clients that go on until enough was read.

    Args:
        make_line: the connection of the client of this number.
        tokens: ``Authorization`` by caller.
        seed: the draws; the order in which clients take turns is not repeatable all the same.
    """

    def __init__(self, world: World, make_line: MakeLine, tokens: Mapping[str, str], seed: int) -> None:
        self._world, self._make_line, self._tokens = world, make_line, tokens
        random = Random(seed)
        self._random = random
        self._reader = Reader(world, random)
        self._writer = Writer(world, tokens, random)
        self.report = Report(world.ledger.findings)

    async def run(self, reads: int, clients: int = CLIENTS) -> Report:
        """Read ``reads`` times; writes come on top."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(self._client(self._make_line(number), reads))
        self.report.seconds = time.monotonic() - began
        return self.report

    async def _client(self, line: Line, reads: int) -> None:
        try:
            while self.report.reads < reads:
                share = BUSY if self.report.reads // _PHASE_READS % 2 else CALM
                if self._random.random() < share:
                    changed = await self._writer.write(line)
                    self.report.writes += 1
                    for row in changed[:2]:
                        await self._read(line, self._reader.after(row))
                else:
                    await self._read(line, self._reader.draw())
        except Lost as exc:
            self._world.ledger.findings.add("failed", str(exc))
        finally:
            await line.aclose()

    async def _read(self, line: Line, read: Read) -> None:
        self.report.reads += 1
        sent = self._world.ledger.moment()
        answer: Answer = await line.ask(read.method, read.target, self._tokens.get(read.caller, ""))
        self.report.cache[answer.cache + answer.cache_detail] += 1
        read.judge(read, sent, answer)
