"""What was worked out of a collection is remembered for that very collection."""

from dataclasses import replace

import pytest

from hapta.model import by_collection
from hapta.model.by_collection import ByCollection
from hapta.model.schema import Collection

POSTS = Collection("pbc_posts", "posts", "base", False, {}, (), "", {})


class _Names:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, collection: Collection) -> str:
        self.asked.append(collection.name)
        return collection.name.upper()


def test_the_same_collection_is_asked_about_once() -> None:
    names = _Names()
    remembered = ByCollection(names)
    assert [remembered(POSTS), remembered(POSTS)] == ["POSTS", "POSTS"]
    assert names.asked == ["posts"]


def test_one_that_was_saved_is_asked_about_anew() -> None:
    remembered = ByCollection(lambda collection: collection.updated)
    assert remembered(POSTS) == ""
    assert remembered(replace(POSTS, updated="now")) == "now"


def test_it_remembers_only_so_many_and_never_mistakes_one_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(by_collection, "_MOST_REMEMBERED", 3)
    remembered = ByCollection(lambda collection: collection.name)
    for number in range(50):  # each is gone when the next one comes, and its place in memory free
        assert remembered(replace(POSTS, name=f"c{number}")) == f"c{number}"
        assert len(remembered._known) <= 3
