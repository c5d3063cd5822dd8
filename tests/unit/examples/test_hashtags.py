"""Tags in texts become relations."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.plugins import Reject
from hapta.testing import (
    MemoryDatabase,
    TestedPlugin,
    load_plugin,
    make_caller,
    make_change,
    make_row_change,
)
from tests.unit.examples import EXAMPLES

ADA = make_caller()


def load(database: MemoryDatabase | None = None, **settings: Any) -> TestedPlugin:
    return load_plugin(EXAMPLES / "hashtags.py", settings, database=database)


hashtags = load().module


async def tags_of(plugin: TestedPlugin, text: str, **more: Any) -> list[str]:
    """The names of the tags a post with this text gets."""
    change = await plugin.write(make_change("posts", "create", {"body": text}, **{"caller": ADA, **more}))
    names = {row["id"]: row["name"] for row in plugin.database.all("tags")}
    return [names[id] for id in change.fields["tags"]]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("a #b, #c! (#d) #e", ["b", "c", "d", "e"]),
        ("#b #B #b", ["b"]),
        ("#Straße #STRASSE #ＳＴＲＡＳＳＥ ＃straße", ["strasse"]),
        ("#हिन्दी #日本語 #Ελλάδα #عربى", ["हिन्दी", "日本語", "ελλάδα", "عربى"]),
        ("#cafe\u0301 #caf\u00e9", ["caf\u00e9"]),
        ("#snake_case-not", ["snake_case"]),
        ("#1 #2024 #_ #__ # ## #", []),
        ("#2nd", ["2nd"]),
        ("page#part https://a.b/#part a&#39;b ##c &b#c", []),
        ('<p style="color:#fff">#a</p><p>#b</p>', ["a", "b"]),
        ("#" + "x" * 65 + " #" + "y" * 64, ["y" * 64]),
        ("R&amp;D #b&amp;b", ["b"]),
    ],
)
def test_what_is_a_tag(text: str, tags: list[str]) -> None:
    assert hashtags.tags_in(text) == tags


@given(st.text())
def test_a_tag_is_found_under_its_own_name_again(text: str) -> None:
    for name in hashtags.tags_in(text):
        assert hashtags.tags_in(f"#{name}") == [name]
        assert hashtags.id_of(name).isalnum()
        assert len(hashtags.id_of(name)) == 15


@pytest.mark.parametrize(
    "text",
    ["<" * 500_000, "#" * 500_000, "#a" * 250_000, "# " * 250_000, "#" + "a" * 500_000, "&" * 500_000],
    ids=["tags that never end", "marks", "words of marks", "lonely marks", "one long word", "ampersands"],
)
def test_hostile_texts_take_no_longer_than_they_are(text: str) -> None:
    assert len(hashtags.tags_in(text)) <= 1


def test_a_number_no_character_has_is_text() -> None:
    assert hashtags.tags_in("#a &#" + "9" * 5000 + "; #b") == ["a", "b"]


async def test_new_tags_are_made_in_one_batch_and_known_ones_are_not_asked_for_again() -> None:
    plugin = load()
    assert await tags_of(plugin, "#one #two #three") == ["one", "two", "three"]
    assert plugin.database.requests == ["list tags", "batch"]
    assert await tags_of(plugin, "#three #one") == ["three", "one"]
    assert plugin.database.requests == ["list tags", "batch"]


async def test_tags_that_are_there_keep_their_ids() -> None:
    plugin = load(MemoryDatabase({"tags": [{"id": "old", "name": "one"}]}))
    change = await plugin.write(make_change("posts", "create", {"body": "#one #two"}, caller=ADA))
    assert change.fields["tags"] == ["old", hashtags.id_of("two")]


async def test_two_writers_make_the_same_row() -> None:
    database = MemoryDatabase()
    first, second = load(database), load(database)
    assert await tags_of(first, "#one") == await tags_of(second, "#one")
    assert len(database.all("tags")) == 1


async def test_without_the_batch_api_they_are_made_one_by_one() -> None:
    plugin = load(MemoryDatabase(has_batch=False))
    assert await tags_of(plugin, "#one #two") == ["one", "two"]
    assert plugin.database.requests == ["list tags", "batch", "create tags", "create tags"]


async def test_a_tag_made_meanwhile_is_no_failure_without_the_batch_api() -> None:
    class Late(MemoryDatabase):
        async def list(self, *args: Any, **more: Any) -> Any:
            found = await super().list(*args, **more)
            if not self.all("tags"):
                await super().create("tags", {"id": hashtags.id_of("one"), "name": "one"})
            return found

    plugin = load(Late(has_batch=False))
    assert await tags_of(plugin, "#one #two") == ["one", "two"]


async def test_a_guest_makes_no_tags() -> None:
    plugin = load(MemoryDatabase({"tags": [{"id": "old", "name": "one"}]}))
    assert await tags_of(plugin, "#one #two", caller=None) == ["one"]
    assert plugin.database.requests == ["list tags"]


async def test_too_many_are_refused_before_any_is_made() -> None:
    plugin = load(max_tags=2)
    with pytest.raises(Reject) as caught:
        await plugin.write(make_change("posts", "create", {"body": "#a #b #c"}, caller=ADA))
    assert caught.value.errors["body"].code == "too_many_tags"
    assert plugin.database.requests == []


async def test_nobody_else_sets_the_relation_but_superusers() -> None:
    plugin, meddling = load(), {"tags": ["x"], "title": "y"}
    change = await plugin.write(make_change("posts", "update", meddling, caller=ADA))
    assert dict(change.fields) == {"title": "y"}
    root = make_caller("_superusers", is_superuser=True)
    assert (await plugin.write(make_change("posts", "update", meddling, caller=root))).fields == meddling
    both = await plugin.write(make_change("posts", "update", {"body": "", "tags": ["x"]}, caller=ADA))
    assert both.fields["tags"] == []


async def test_a_tag_that_was_removed_is_made_anew() -> None:
    plugin = load()
    await tags_of(plugin, "#one")
    await plugin.database.delete("tags", hashtags.id_of("one"))
    await plugin.changed(make_row_change("tags", "delete", id=hashtags.id_of("one")))
    assert await tags_of(plugin, "#one") == ["one"]


async def test_what_is_remembered_is_bounded() -> None:
    plugin = load(remembered=2)
    await tags_of(plugin, "#one #two #three")
    plugin.database.requests.clear()
    await tags_of(plugin, "#one #two #three")
    assert plugin.database.requests == ["list tags"]
