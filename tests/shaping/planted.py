"""Bugs planted into the shaping of rows, one at a time: the test must find each."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from hapta.app.caching import Caching
from hapta.cache import callers, key, named, planner
from hapta.stages import file_guard, shape, shape_events, shaper, shown_rows, viewers
from hapta.stages.file_guard import FileGuard
from hapta.stages.readable import Readable
from tests.isolation.patching import replace_everywhere


def _forget_viewers() -> None:
    replace_everywhere(callers.read_viewer, lambda *arguments: None)


def _share_what_hooks_read() -> None:
    original = planner._Draft._shaped

    def shaped(self: Any, collection: Any) -> None:
        shape_of, found = self._shapes.of(collection), self._shapes
        if shape_of is not None:
            bare = type(shape_of)(shape_of.depends_on, frozenset())
            self._shapes = type(found)(found.version, lambda _: bare)
        original(self, collection)
        self._shapes = found

    planner._Draft._shaped = shaped  # type: ignore[method-assign]


def _work_things_out() -> None:
    original = planner._Draft._shaped

    def shaped(self: Any, collection: Any) -> None:
        original(self, collection)
        self._findings.is_shaped = False

    planner._Draft._shaped = shaped  # type: ignore[method-assign]


def _forget_expands() -> None:
    replace_everywhere(shown_rows.everything, lambda rows: iter(rows))


def _show_back_relations() -> None:
    shown_rows.Expanded._shown = lambda self: self.rows  # type: ignore[method-assign]


def _show_relations() -> None:
    shown_rows.Expanded.is_shown = lambda self, parent: not self.rows or bool(self._shown())  # type: ignore[method-assign]


def _filter_by_anything() -> None:
    async def may_ask(self: Any, *arguments: Any) -> bool:
        return True

    Readable.may_ask = may_ask  # type: ignore[method-assign, assignment]


def _forget_hops() -> None:
    original: Any = named._on_the_way

    def last(*arguments: Any) -> Any:
        return list(original(*arguments))[-1:]

    replace_everywhere(original, last)


def _forget_sorts() -> None:
    replace_everywhere(named.named_in_sort, lambda *arguments: frozenset())


def _open_files() -> None:
    async def may_read(self: Any, *arguments: Any) -> bool:
        return True

    FileGuard._may_read = may_read  # type: ignore[method-assign, assignment]


def _remember_rows() -> None:
    file_guard.FileGuard._row = _remembered(file_guard.FileGuard._row)  # type: ignore[method-assign]


def _remembered(original: Any) -> Any:
    kept: dict[Any, Any] = {}

    async def row(self: Any, collection: Any, record_id: str, name: str) -> Any:
        if (record_id, name) not in kept:
            kept[record_id, name] = await original(self, collection, record_id, name)
        return kept[record_id, name]

    return row


def _raw_events() -> None:
    async def shaped(self: Any, block: bytes, who: Any) -> bytes:
        return block

    shape_events.EventShaper.shaped = shaped  # type: ignore[method-assign]


def _events_for_guests() -> None:
    original = shape_events.EventShaper.shaped

    async def shaped(self: Any, block: bytes, who: Any) -> bytes:
        return await original(self, block, viewers.GUEST)

    shape_events.EventShaper.shaped = shaped  # type: ignore[method-assign]


def _raw_batches() -> None:
    async def batch(self: Any, exchange: Any, body: bytes) -> bytes:
        return body

    shape.ShapeAnswers._batch = batch  # type: ignore[method-assign]


def _logins_for_who_came() -> None:
    original = shape.ShapeAnswers._auth_answer

    async def auth_answer(self: Any, exchange: Any, body: bytes) -> bytes:
        shape_all, self._shaper = self._shaper, SimpleNamespace(**_doors_of(self._shaper))

        async def for_guests(rows: Any, who: Any, request_id: str) -> None:
            await shape_all.shape(rows, viewers.Who.of(exchange.identity), request_id)

        self._shaper.shape = for_guests
        try:
            return await original(self, exchange, body)
        finally:
            self._shaper = shape_all

    shape.ShapeAnswers._auth_answer = auth_answer  # type: ignore[method-assign]


def _doors_of(whole: Any) -> dict[str, Any]:
    return {"lookup": whole.lookup, "rows": whole.rows}


def _lengths() -> None:
    original = shape.ShapeAnswers._shape

    async def shaped(self: Any, exchange: Any, answer: Any) -> None:
        if exchange.method != "HEAD":
            await original(self, exchange, answer)

    shape.ShapeAnswers._shape = shaped  # type: ignore[method-assign]


def _remember_viewers() -> None:
    original = viewers.Viewers._values
    kept: dict[Any, Any] = {}

    async def values(self: Any, who: Any, wanted: Any) -> Any:
        place = (who.collection, who.record, wanted)
        if place not in kept:
            kept[place] = await original(self, who, wanted)
        return kept[place]

    viewers.Viewers._values = values  # type: ignore[method-assign]


def _take_left_out_for_empty() -> None:
    shaper.ShownRow.__getitem__ = lambda self, name: self._values.get(name)  # type: ignore[method-assign]


def _keys_without_hooks() -> None:
    original = key.cache_key

    def cache_key(plan: Any, **more: Any) -> Any:
        return original(replace(plan, shaped_by=0), **more)

    replace_everywhere(original, cache_key)
    Caching.plugins_changed = lambda self: None  # type: ignore[method-assign]


PLANTED: dict[str, Callable[[], None]] = {
    "viewers do not stand in keys": _forget_viewers,
    "what hooks read is no tag": _share_what_hooks_read,
    "answers are worked out from shaped rows": _work_things_out,
    "expanded rows are not shaped": _forget_expands,
    "back-relations tell a hidden relation": _show_back_relations,
    "expands tell a hidden relation": _show_relations,
    "filters may name anything": _filter_by_anything,
    "relations on the way are not named": _forget_hops,
    "sorts may name anything": _forget_sorts,
    "files are not guarded": _open_files,
    "files are guarded by rows of before": _remember_rows,
    "events are not shaped": _raw_events,
    "events are a guest's": _events_for_guests,
    "batches are not shaped": _raw_batches,
    "logins are shaped for who came": _logins_for_who_came,
    "HEAD tells the length": _lengths,
    "viewers are remembered": _remember_viewers,
    "what is left out counts as empty": _take_left_out_for_empty,
    "keys outlive hooks": _keys_without_hooks,
}
