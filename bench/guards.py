"""What the stage that runs hooks costs a write, in this process: PocketBase is a handler that answers at
once.

The hooks do nothing, metrics are counted as in a gateway. What the loop around costs is taken off.
"""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy
from prometheus_client import CollectorRegistry

from bench import notes
from hapta.config import UploadsConfig
from hapta.hooks.change import Change, Written
from hapta.hooks.registry import Hook, HookFunction, Registry
from hapta.hooks.run import HookRunner
from hapta.hooks.spec import KINDS
from hapta.hooks.watchers import Watchers
from hapta.hooks.writes import WriteGuards
from hapta.model.clock import SystemClock
from hapta.model.exchange import Answer, Exchange
from hapta.model.operation import classify
from hapta.model.schema import Collection, Schema
from hapta.model.target import parse_target
from hapta.observe.hook_metrics import HookMetrics
from hapta.records.content import BytesContent
from hapta.records.encode import JSON, Encoded
from hapta.stages.guard_writes import GuardWrites
from hapta.stages.upload_check import UploadPolicies
from hapta.stages.write_site import WriteSite

_CALLS, _REPEAT = 500, 5


async def validate(change: Change) -> None:
    """Objects to nothing."""


async def transform(change: Change) -> Change:
    """Sets a field."""
    return change.with_fields(kind="b")


async def watch(written: Written) -> None:
    """Is told, and forgets."""


def hooks(kind: str, function: HookFunction, count: int, collection: str = "notes") -> list[Hook]:
    """So many of one plugin's."""
    return [
        Hook(KINDS[kind], "bench", function, frozenset({collection}), number=number)
        for number in range(count)
    ]


async def in_process() -> dict[str, float]:
    """A write in µs, by what the hooks are."""
    others = [
        *hooks("validate", validate, 10, "others"),
        *hooks("transform", transform, 10, "others"),
        *hooks("after_write", watch, 10, "others"),
    ]
    return {
        "no hook anywhere": await _Write([]).microseconds(),
        "thirty hooks, all on other collections": await _Write(others).microseconds(),
        "one validate hook": await _Write(hooks("validate", validate, 1)).microseconds(),
        "ten validate hooks": await _Write(hooks("validate", validate, 10)).microseconds(),
        "one transform, which sets a field": await _Write(hooks("transform", transform, 1)).microseconds(),
        "ten after_write hooks: what the write waits for": await _Write(
            hooks("after_write", watch, 10)
        ).microseconds(),
        "ten after_write hooks, their own runs included": await _Write(
            hooks("after_write", watch, 10)
        ).microseconds(with_watchers=True),
    }


class _Write:
    """A create, guarded by some hooks."""

    def __init__(self, registered: Sequence[Hook]) -> None:
        registry, nobody, clock = Registry(registered), _Nobody(), SystemClock()
        metrics = HookMetrics(CollectorRegistry())
        runner = HookRunner(
            guard_deadline_s=5.0, watcher_deadline_s=30.0, meter=metrics, log=nobody, clock=clock
        )
        self._watchers = Watchers(runner, metrics, nobody)
        guards = WriteGuards(runner, UploadPolicies(UploadsConfig(), nobody))
        collections = [
            Collection.parse(
                {"id": f"pbc_{name}", "system": False, "updated": "", **notes.COLLECTION, "name": name}
            )
            for name in ("notes", "others")
        ]
        schema = _Known(Schema.of(1, collections))
        self._guard = GuardWrites(WriteSite(lambda: registry, guards, self._watchers, schema, nobody))
        self._body = Encoded(JSON, (BytesContent(json.dumps(notes.IN_ORDER).encode()),))
        self._headers = CIMultiDictProxy(CIMultiDict({"Host": "localhost", "Content-Type": JSON}))
        self._answer = Answer(200, body=json.dumps({"id": "note00000000000", **notes.IN_ORDER}).encode())
        self._exchange = self._create()

    async def microseconds(self, *, with_watchers: bool = False) -> float:
        """Of one write; at best, as all else that happens makes it only longer."""
        try:
            guarded = [await self._seconds(self._guarded, with_watchers) for _ in range(_REPEAT)]
            bare = [await self._seconds(self._bare, with_watchers) for _ in range(_REPEAT)]
        finally:
            await self._watchers.stop()
        return max(0.0, min(guarded) - min(bare)) / _CALLS * 1e6

    async def _seconds(self, once: Callable[[], Awaitable[Answer]], with_watchers: bool) -> float:
        began = time.perf_counter()
        for _ in range(_CALLS):
            await once()
        took = time.perf_counter() - began
        await self._watchers.drain(30)
        return time.perf_counter() - began if with_watchers else took

    async def _guarded(self) -> Answer:
        # as they came: a guard puts what it read in their place
        self._exchange.body, self._exchange.headers = self._body, self._headers
        return await self._guard(self._exchange, self._forward)

    async def _bare(self) -> Answer:
        self._exchange.body, self._exchange.headers = self._body, self._headers
        return await self._forward(self._exchange)

    async def _forward(self, exchange: Exchange) -> Answer:
        return self._answer

    def _create(self) -> Exchange:
        target, here = parse_target(notes.PATH, "localhost"), ip_address("127.0.0.1")
        return Exchange(
            method="POST",
            target=target,
            operation=classify("POST", target.segments),
            headers=self._headers,
            body=self._body,
            scheme="http",
            peer=here,
            client=here,
            is_peer_trusted=False,
            is_admin_client=True,
            request_id="bench",
            on_client_gone=lambda callback: lambda: None,
        )


class _Known:
    """A schema that is confirmed."""

    def __init__(self, schema: Schema) -> None:
        self.snapshot = schema

    async def confirmed(self, max_age_s: float | None = None) -> Schema:
        return self.snapshot


class _Nobody:
    """Is told, asked for rows and given jobs; there are none."""

    def error(self, event: str, **fields: object) -> None: ...

    warning = error

    async def request(self, method: str, path: str) -> tuple[int, Any]:
        return 404, None

    async def run(self, function: Callable[..., Any], *args: object, deadline_s: float | None = None) -> Any:
        return None
