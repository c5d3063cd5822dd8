"""Rows of a small schema shaped by a few hooks, without a PocketBase."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hapta.cache.plan import HooksMode
from hapta.hooks.api import PluginApi
from hapta.hooks.change import Viewer
from hapta.hooks.registry import Registry
from hapta.hooks.run import HookRunner
from hapta.identity.auth_records import AuthRecords
from hapta.model.clock import ManualClock
from hapta.model.exchange import Answer, Exchange
from hapta.model.schema import Schema
from hapta.stages.reach import Reach
from hapta.stages.readable import Readable
from hapta.stages.shape import ShapeAnswers
from hapta.stages.shape_events import EventShaper
from hapta.stages.shaper import PresentShapes, Shaper
from hapta.stages.viewers import Viewers
from tests.feed.support import Recorded
from tests.unit.cache.plan_world import schema


class Superuser:
    """Tells the fields of one auth record."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {"role": "editor"}

    async def request(self, method: str, path: str, *rest: Any, **more: Any) -> tuple[int, Any]:
        _, _, _, collection, _, row = path.split("/")
        return 200, {"id": row, "collectionId": collection, **self.fields}


class Live:
    """Changes are heard of."""

    is_live = True

    async def confirm(self) -> None:
        """It is."""

    def touch(self) -> None:
        """It is awake."""


class NoMeter:
    def hook_done(self, plugin: str, kind: str, outcome: str, seconds: float) -> None:
        """Nobody counts."""


class NoServices:
    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


class ShapingWorld:
    """Attributes:
    log: what was told.
    stage: shapes answers.
    events: shapes events.
    """

    def __init__(self, setup: Callable[[PluginApi], None]) -> None:
        api = PluginApi("shaped", {}, {}, NoServices())
        setup(api)
        self.registry = Registry(api.hooks)
        self.log, self.superuser, self.schema = Recorded(), Superuser(), schema()
        runner = HookRunner(
            guard_deadline_s=1.0,
            watcher_deadline_s=1.0,
            meter=NoMeter(),
            log=self.log,
            clock=ManualClock(),
        )
        self.mode = HooksMode.NONE
        self.viewers = Viewers(AuthRecords(self.superuser), Live(), self._schema)
        self.shaper = Shaper(
            lambda: self.registry,
            PresentShapes(lambda: self.registry),
            runner,
            self._schema,
            self.viewers,
            self.log,
        )
        reach = Reach(self.shaper)
        self.readable = Readable(self.shaper, reach)
        self.events = EventShaper(self.shaper, reach, self.readable)
        self.stage = ShapeAnswers(
            self.shaper,
            reach,
            self.events,
            Live(),
            may_expand=lambda _: self.mode is not HooksMode.NONE,
        )

    def _schema(self) -> Schema:
        return self.schema

    async def answer(self, exchange: Exchange, answer: Answer) -> Answer:
        """What becomes of an answer."""

        async def forward(_: Exchange) -> Answer:
            return answer

        return await self.stage(exchange, forward)


def hide_text(api: PluginApi) -> None:
    """Posts: only editors see the text, only its author the number."""

    @api.can_read("posts", "text", depends_on="auth.role")
    async def editors(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return bool(viewer["auth.role"] == "editor")

    @api.can_read("posts", "n", depends_on="auth.id")
    async def author(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return row is not None and row["author"] == viewer["auth.id"]


def hook_of(function: Callable[..., Awaitable[Any]]) -> Callable[[PluginApi], None]:
    """A plugin that shapes posts with one function."""

    def setup(api: PluginApi) -> None:
        api.on_answer("posts")(function)

    return setup
