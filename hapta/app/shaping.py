"""What plugins make of rows, put together: answers, events, filters and files, by the hooks of now."""

from collections.abc import Callable, Sequence
from typing import Protocol

from hapta.cache.generations import Generations
from hapta.cache.plan import HooksMode
from hapta.cache.shapes import Shapes
from hapta.hooks.registry import Registry
from hapta.hooks.run import HookLog, HookRunner
from hapta.identity.auth_records import AuthRecords
from hapta.model.clock import Clock
from hapta.model.exchange import Stage
from hapta.model.schema import Collection, Schema
from hapta.stages.file_guard import FileGuard, Superuser
from hapta.stages.reach import Reach
from hapta.stages.readable import AskOnlyReadable, Readable
from hapta.stages.shape import ShapeAnswers
from hapta.stages.shape_events import EventShaper
from hapta.stages.shaper import Shaper
from hapta.stages.viewers import Freshness, Viewers


class ShapingGround(Freshness, Protocol):
    """What the cache knows; :class:`hapta.app.caching.Caching` is one."""

    auth_records: AuthRecords
    generations: Generations

    def hooks_of(self, name_or_id: str | None) -> HooksMode:
        """What PocketBase's own hooks may do with rows of a collection."""
        ...


class Shaping:
    """Everything about shaped rows in one running gateway.

    Args:
        registry: the hooks of now; the same object while they are the same.
        shapes: what plans know of these.
        runner: runs them.
        schema: of now.
        ground: values of auth records, and whether changes are heard of.
        superuser: asks PocketBase which field holds a file.
    """

    def __init__(
        self,
        registry: Callable[[], Registry],
        shapes: Callable[[], Shapes],
        runner: HookRunner,
        *,
        schema: Callable[[], Schema],
        ground: ShapingGround,
        superuser: Superuser,
        clock: Clock,
        log: HookLog,
    ) -> None:
        viewers = Viewers(ground.auth_records, ground, schema)
        shaper = Shaper(registry, shapes, runner, schema, viewers, log)
        reach = Reach(shaper)
        readable = Readable(shaper, reach)

        def may_expand(collection: Collection) -> bool:
            return ground.hooks_of(collection.id) is not HooksMode.NONE

        self._outer = (
            FileGuard(shaper, viewers, superuser, ground.generations, ground, clock),
            AskOnlyReadable(shaper, reach, readable, ground),
        )
        self._inner = ShapeAnswers(
            shaper,
            reach,
            EventShaper(shaper, reach, readable),
            ground,
            may_expand=may_expand,
        )

    def outer_stages(self) -> Sequence[Stage]:
        """What stands in front of whatever answers by itself, or from what is stored."""
        return self._outer

    def inner_stages(self) -> Sequence[Stage]:
        """What stands between what is stored and what follows writes."""
        return [self._inner]
