"""What stands in front of the cache, by name.

The lane repeats an answer without asking these again. Whoever adds one says here why that is right, or has
the stage set ``Exchange.is_repeatable`` to false where it is not (:mod:`hapta.model.exchange`).
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from hapta.model.concerns import concerned_kinds
from hapta.model.exchange import Handler, Stage
from hapta.model.operation import OperationClass
from hapta.pipeline import fold as original
from hapta.stages.cache import ReadCache
from tests.fastlane.site import Site
from tests.reload.site import as_toml
from tests.support.pocketbase import PocketBase

WHY = {
    "accept": "adds the request's id, as the lane does; what it refuses has no answer to repeat",
    "identify": "the lane asks the standing of the token",
    "Limits.charge": "the lane charges",
    "admin_lock": "looks at operation, caller, and whether the client is an operator: "
    "all of it is the profile's, and superusers' answers are not stored",
    "RankedPages": "answers by itself, without a basis, or hands on by the request and the schema, which the "
    "lane confirms; of other feeds there is another lane",
    "hold_bodies": "a request with a body is not repeated",
    "AskOnlyReadable": "says where it is not repeatable",
    "EdgeReads": "answers by itself, without a basis, or hands on by the schema, which the lane confirms",
}


def name_of(stage: Stage) -> str:
    """Of the function or the class."""
    name: str = getattr(stage, "__qualname__", type(stage).__qualname__)
    return name.partition(".<locals>")[0]


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ({"feeds": True}, set()),
        ({}, {"RankedPages"}),
        ({"ratelimit__is_enabled": False}, {"RankedPages", "Limits.charge"}),
    ],
    ids=["with a feed", "default", "without limits"],
)
def test_what_stands_in_front_of_the_cache_is_known_to_be_repeatable(
    more: dict[str, bool],
    missing: set[str],
    pocketbase: PocketBase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folded: list[list[Stage]] = []

    def fold(stages: Sequence[Stage], last: Handler) -> Handler:
        folded.append(list(stages))
        return original(stages, last)

    monkeypatch.setattr("hapta.app.gateway.fold", fold)
    settings = dict(more)
    if settings.pop("feeds", False):
        (tmp_path / "config.toml").write_text(as_toml({"feeds.home.collection": "posts"}))
    with Site(tmp_path, pocketbase.url, **settings):
        inner, outer = folded[-2:]  # the first one is that of plugins' own requests
    stages = [*outer, *inner]
    cache = next(at for at, stage in enumerate(stages) if isinstance(stage, ReadCache))
    names = [
        name_of(stage) for stage in stages[:cache] if OperationClass.RECORD_READ in concerned_kinds(stage)
    ]
    expected = [name for name in WHY if name not in missing]
    assert names == expected
