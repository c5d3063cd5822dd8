"""Watchers run behind the answers: each has a queue of its own and gets one thing after the other.

Order is kept per hook, a slow one delays nobody but itself, and its queue is bounded: what comes in when it
is full is dropped, counted and logged.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Protocol

from hapta.hooks.registry import Hook
from hapta.hooks.run import HookRunner
from hapta.model.tasks import TaskSet

MOST_WAITING: Final = 10_000


class DropMeter(Protocol):
    """Told of what is dropped."""

    def watcher_dropped(self, plugin: str, kind: str) -> None: ...


class DropLog(Protocol):
    def warning(self, event: str, **fields: object) -> None: ...


class Watchers:
    """The queues.

    Args:
        runner: runs one hook.
        most_waiting: bound of each queue.
    """

    def __init__(
        self, runner: HookRunner, meter: DropMeter, log: DropLog, *, most_waiting: int = MOST_WAITING
    ) -> None:
        self._runner = runner
        self._meter = meter
        self._log = log
        self._most_waiting = most_waiting
        self._tasks = TaskSet()
        self._queues: dict[Hook, _Queue] = {}
        self._workers: dict[Hook, asyncio.Task[None]] = {}
        self._is_dropping: set[Hook] = set()
        self._may_run = asyncio.Event()
        self._may_run.set()

    def hold(self) -> None:
        """Let what comes wait until :meth:`release`."""
        self._may_run.clear()

    def release(self) -> None:
        """Work on what waits."""
        self._may_run.set()

    def tell(self, hooks: Iterable[Hook], *args: Any, request_id: str = "") -> None:
        """Give the same to each of these hooks; returns at once."""
        for hook in hooks:
            queue = self._queues.get(hook)
            if queue is None:
                queue = self._queues[hook] = _Queue(self._most_waiting)
                work = self._work(hook, queue)
                self._workers[hook] = self._tasks.spawn(work, name=f"watcher {hook.name}")
            try:
                queue.put_nowait((args, request_id))
            except asyncio.QueueFull:
                self._drop(hook)

    def _drop(self, hook: Hook) -> None:
        self._meter.watcher_dropped(hook.plugin, hook.kind.name)
        if hook not in self._is_dropping:  # once, until it has caught up
            self._is_dropping.add(hook)
            message = (
                f"{hook.name} is too slow: {self._most_waiting} calls wait for it, further ones are lost"
            )
            self._log.warning("watcher_behind", message=message, plugin=hook.plugin, hook=hook.name)

    async def _work(self, hook: Hook, queue: "_Queue") -> None:
        while True:
            args, request_id = await queue.get()
            await self._may_run.wait()
            try:
                await self._runner.watch(hook, *args, request_id=request_id)
            finally:
                queue.task_done()
            if queue.empty():
                self._is_dropping.discard(hook)

    async def retire(self, hooks: Iterable[Hook], seconds: float) -> int:
        """Let these hooks, which nobody tells anything any more, finish what waits for them, and forget them.

        Returns:
            How many calls were still waiting, or under way, when the time was over.
        """
        gone = [hook for hook in hooks if hook in self._queues]
        left = await self._finish([self._queues[hook] for hook in gone], seconds)
        for hook in gone:
            self._workers.pop(hook).cancel()
            del self._queues[hook]
            self._is_dropping.discard(hook)
        return left

    async def drain(self, seconds: float) -> int:
        """Let all finish what waits; how many calls were not done when the time was over."""
        return await self._finish(list(self._queues.values()), seconds)

    async def _finish(self, queues: list["_Queue"], seconds: float) -> int:
        if not self._may_run.is_set():
            seconds = 0.0
        try:
            async with asyncio.timeout(seconds):
                for queue in queues:
                    await queue.join()
        except TimeoutError:
            pass
        return sum(queue.unfinished for queue in queues)

    async def stop(self) -> None:
        """Run nothing more."""
        await self._tasks.cancel()
        self._queues.clear()
        self._workers.clear()


class _Queue(asyncio.Queue[tuple[tuple[Any, ...], str]]):
    """One that knows how many of its calls are not done, the one under way included."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.unfinished = 0

    def put_nowait(self, item: tuple[tuple[Any, ...], str]) -> None:
        super().put_nowait(item)
        self.unfinished += 1

    def task_done(self) -> None:
        super().task_done()
        self.unfinished -= 1
