"""The checks: which values pass, with what others are refused, and that all of them come in one answer."""

import json
from typing import Any

import pytest

from hapta.builtin.checks import CHECKS
from hapta.plugins import DatabaseError, Reject
from hapta.testing import MemoryDatabase, make_change, make_upload
from tests.unit.builtin.conftest import Load


def refused(error: Reject) -> dict[str, str]:
    return {field: found.code for field, found in error.errors.items()}


async def code_of(builtin: Load, checks: str, value: Any) -> str | None:
    plugin = builtin("validate", f"[validate.posts]\nfield = {checks}")
    try:
        await plugin.write(make_change("posts", "update", {"field": value}, old={"id": "x"}))
    except Reject as error:
        return refused(error)["field"]
    return None


@pytest.mark.parametrize(
    ("checks", "value", "code"),
    [
        ("{ min = 3 }", "ab", "validation_min_text_constraint"),
        ("{ min = 3 }", "abc", None),
        ("{ min = 3 }", "", None),
        ("{ min = 2 }", "\U0001f600", "validation_min_text_constraint"),
        ("{ max = 3 }", "abcd", "validation_max_text_constraint"),
        ("{ max = 3 }", "abc", None),
        ("{ min = 3 }", 2, "validation_min_number_constraint"),
        ("{ min = 1 }", 0, "validation_min_number_constraint"),
        ("{ min = 0.5 }", 0.5, None),
        ("{ max = 3 }", 3.5, "validation_max_number_constraint"),
        ("{ max = 3 }", -9, None),
        ("{ min = 2 }", ["a"], "validation_not_enough_values"),
        ("{ max = 1 }", ["a", "b"], "validation_too_many_values"),
        ("{ max = 1 }", [], None),
        ("{ min = 1 }", {"a": 1}, "validation_invalid_value"),
        ("{ max = 9 }", True, "validation_invalid_value"),
        ("{ required = true }", "", "validation_required"),
        ("{ required = true }", " \n", "validation_required"),
        ("{ required = true }", [], "validation_required"),
        ("{ required = true }", None, "validation_required"),
        ("{ required = true }", 0, "validation_required"),
        ("{ required = true }", False, "validation_required"),
        ("{ required = true }", "a", None),
        ("{ required = false, min = 2 }", "", None),
        ("{ pattern = '[0-9]{3}' }", "a123b", None),
        ("{ pattern = '^[0-9]{3}$' }", "a123b", "validation_invalid_format"),
        ("{ pattern = '[0-9]{3}' }", "12", "validation_invalid_format"),
        ("{ pattern = '[0-9]' }", ["1", "a"], "validation_invalid_format"),
        ("{ pattern = '[0-9]' }", 1, "validation_invalid_value"),
        ("{ not_pattern = '(?i)casino' }", "CASINO", "validation_not_pattern"),
        ("{ not_pattern = '(?i)casino' }", "church", None),
        ("{ one_of = ['a', 'b', 3] }", "b", None),
        ("{ one_of = ['a', 'b', 3] }", 3.0, None),
        ("{ one_of = ['a', 'b', 3] }", "3", "validation_invalid_value"),
        ("{ one_of = [1] }", True, "validation_invalid_value"),
        ("{ one_of = ['a', 'b'] }", ["a", "c"], "validation_invalid_value"),
        ("{ not_one_of = ['admin', 'root'] }", " Ａdmin", "validation_not_one_of"),
        ("{ not_one_of = ['admin', 'root'] }", "administrator", None),
        ("{ forbid_links = 0 }", "see evil.com", "validation_forbid_links"),
        ("{ forbid_links = 1 }", "see evil.com", None),
        ("{ forbid_links = 1 }", {"blocks": [{"a.com/x": ["b.com"]}]}, "validation_forbid_links"),
        ("{ forbid_links = 0 }", 5, None),
        ("{ max_lines = 2 }", "a\r\nb", None),
        ("{ max_lines = 2 }", "a\nb\rc", "validation_max_lines"),
        ("{ no_html = true }", "1 < 2 <3", None),
        ("{ no_html = true }", "a<b>c", "validation_no_html"),
        ("{ no_html = true }", {"a": ["</x>"]}, "validation_no_html"),
        ("{ no_html = false }", "a<b>c", None),
        ("{ lowercase = true }", "aÄ", "validation_lowercase"),
        ("{ lowercase = true }", "aä1", None),
        ("{ unique_items = true }", ["a", "b"], None),
        ("{ unique_items = true }", [1, 1.0], "validation_unique_items"),
        ("{ unique_items = true }", [{"a": 1, "b": 2}, {"b": 2, "a": 1}], "validation_unique_items"),
        ("{ unique_items = true }", [True, 1], None),
        ("{ unique_items = true }", "aa", "validation_invalid_value"),
    ],
)
async def test_a_value_passes_or_is_refused_with_a_code(
    builtin: Load, checks: str, value: Any, code: str | None
) -> None:
    assert await code_of(builtin, checks, value) == code


ALL = """
[validate.posts]
title = { required = true, min = 3, max = 200 }
body = { forbid_links = 0 }
slug = { pattern = "^[a-z]+$", message = "Only small letters." }
"""


async def test_all_failing_fields_are_told_at_once_with_their_words(builtin: Load) -> None:
    plugin = builtin("validate", ALL)
    with pytest.raises(Reject) as caught:
        await plugin.write(make_change("posts", "create", {"body": "a.com", "slug": "A"}))
    shown = {field: error.data() for field, error in caught.value.errors.items()}
    assert json.loads(json.dumps(shown)) == {
        "title": {"code": "validation_required", "message": "Cannot be blank."},
        "body": {
            "code": "validation_forbid_links",
            "message": "Must contain no links.",
            "params": {"max": 0},
        },
        "slug": {"code": "validation_invalid_format", "message": "Only small letters."},
    }


async def test_an_update_is_asked_only_for_the_fields_it_touches(builtin: Load) -> None:
    plugin = builtin("validate", ALL)
    await plugin.write(make_change("posts", "update", {"body": "fine"}, old={"id": "x", "slug": "A"}))
    with pytest.raises(Reject) as caught:
        await plugin.write(make_change("posts", "update", {"title": ""}, old={"id": "x"}))
    assert refused(caught.value) == {"title": "validation_required"}


async def test_other_collections_and_deletes_are_not_asked(builtin: Load) -> None:
    plugin = builtin("validate", ALL)
    await plugin.write(make_change("others", "create", {"slug": "A"}))
    await plugin.write(make_change("posts", "delete", old={"id": "x"}))


async def test_names_of_files_are_checked_like_texts(builtin: Load) -> None:
    plugin = builtin("validate", "[validate.posts]\nphoto = { required = true, pattern = '[.]png$' }")
    await plugin.write(make_change("posts", files=[make_upload(b"x", "a.png", field="photo")]))
    with pytest.raises(Reject):
        await plugin.write(make_change("posts", files=[make_upload(b"x", "a.exe", field="photo")]))


async def test_links_of_a_long_text_are_counted_in_the_pool(builtin: Load) -> None:
    assert await code_of(builtin, "{ forbid_links = 2 }", "word " * 20_000 + "a.com b.com") is None
    text = "word " * 20_000 + "a.com b.com c.com"
    assert await code_of(builtin, "{ forbid_links = 2 }", text) == "validation_forbid_links"


async def test_a_field_that_is_not_there_is_told_at_the_start(builtin: Load) -> None:
    database = MemoryDatabase({"posts": [{"id": "post00000000001", "title": "a", "body": "b", "slug": "c"}]})
    toml = ALL + "tilte = { min = 3 }\nupdate_fields = { pinned = 'author = @request.auth.id' }\n"
    async with builtin("validate", toml, database) as plugin:
        assert [line.message for line in plugin.log] == [
            "[validate.posts] author: there is no such field",
            "[validate.posts] pinned: there is no such field",
            "[validate.posts] tilte: there is no such field",
        ]
        assert {line.level for line in plugin.log} == {"warning"}


async def test_fields_that_cannot_be_seen_are_told_and_do_not_stop_the_start(builtin: Load) -> None:
    class Refusing(MemoryDatabase):
        def __init__(self, status: int) -> None:
            super().__init__()
            self.status = status

        async def list(self, collection: str, **_: Any) -> Any:
            raise DatabaseError(self.status, "No.")

    async with builtin("validate", ALL, Refusing(500)) as plugin:
        assert "its fields cannot be seen" in plugin.log[0].message
    async with builtin("validate", ALL, Refusing(404)) as plugin:
        assert plugin.log == []


def test_there_is_about_a_dozen_of_them() -> None:
    assert len(CHECKS) == 13
