"""Who may set, change and read which field."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from hapta.builtin.tables import builtin_plugins
from hapta.hooks.registry import Registry
from hapta.model.schema import Collection
from hapta.plugins import Caller, Change, PluginApi, Reject
from hapta.testing import make_caller, make_change, make_upload
from tests.unit.builtin.conftest import Load

STAFF = make_caller(id="staff0000000000", role="staff")
ADA = make_caller(id="ada000000000000", role="", level=3)
ROOT = make_caller("_superusers", is_superuser=True)
OLD = {
    "id": "post00000000001",
    "title": "old",
    "role": "user",
    "pinned": False,
    "author": ADA.id,
    "meta": {"a": 1},
}
TABLE = """
[validate.posts.update_fields]
title = "author = @request.auth.id"
role = "@request.auth.role = 'staff'"
pinned = "nobody"
"""


async def refused(
    builtin: Load, toml: str, fields: Mapping[str, Any], caller: Caller | None, **how: Any
) -> set[str]:
    """The fields that are blamed."""
    plugin = builtin("permissions", toml)
    change = make_change("posts", "update" if "old" in how else "create", fields, caller=caller, **how)
    try:
        passed = await plugin.write(change)
        assert replace(passed, fields=change.fields, drops=frozenset()) == change
        assert {**passed.fields} == {n: v for n, v in change.fields.items() if n not in passed.drops}
        assert all(change.fields[name] == how["old"][name] for name in passed.drops)
    except Reject as error:
        return {field for field, found in error.errors.items() if found.code == "validation_not_allowed"}
    return set()


@pytest.mark.parametrize(
    ("fields", "caller", "blamed"),
    [
        pytest.param({"title": "new", "body": "new"}, ADA, set(), id="author"),
        pytest.param({"title": "new", "body": "new"}, STAFF, {"title"}, id="another"),
        pytest.param({"title": "new", "body": "new"}, None, {"title"}, id="guest"),
        pytest.param({"role": "staff", "pinned": True}, ADA, {"role", "pinned"}, id="all-are-told"),
        pytest.param({"role": "staff", "pinned": True}, STAFF, {"pinned"}, id="role"),
        pytest.param({"role": "staff", "pinned": True}, ROOT, set(), id="superuser"),
        pytest.param({"role": "user", "pinned": False, "title": "old"}, None, set(), id="sent-back"),
        pytest.param({"pinned": 0}, ADA, {"pinned"}, id="zero-is-not-false"),
    ],
)
async def test_fields_of_an_update_are_for_those_the_table_names(
    builtin: Load, fields: dict[str, Any], caller: Caller | None, blamed: set[str]
) -> None:
    assert await refused(builtin, TABLE, fields, caller, old=OLD) == blamed


async def test_the_old_record_decides_not_the_one_that_is_to_be(builtin: Load) -> None:
    fields = {"title": "new", "author": STAFF.id}
    assert await refused(builtin, TABLE, fields, STAFF, old=OLD) == {"title"}


async def test_a_record_that_is_not_there_has_no_field_anybody_may_change(builtin: Load) -> None:
    plugin = builtin("permissions", TABLE)
    with pytest.raises(Reject):
        await plugin.write(make_change("posts", "update", {"title": "x"}, id="gone", caller=ADA))


@pytest.mark.parametrize(
    ("value", "blamed"),
    [
        ({"a": 1}, set()),
        ({"a": True}, {"meta"}),
        ({"a": 1, "b": 1}, {"meta"}),
        ([["a", 1]], {"meta"}),
        (None, {"meta"}),
    ],
)
async def test_sent_back_is_only_what_is_the_same_json(builtin: Load, value: Any, blamed: set[str]) -> None:
    toml = "[validate.posts]\nupdate_fields = { meta = 'nobody' }"
    assert await refused(builtin, toml, {"meta": value}, ADA, old=OLD) == blamed


async def test_a_field_one_may_not_read_cannot_be_found_out_by_sending_it_back(builtin: Load) -> None:
    toml = (
        '[validate.posts]\nupdate_fields = { role = "nobody" }\n'
        'read_fields = { role = "id = @request.auth.id" }'
    )
    assert await refused(builtin, toml, {"role": "user"}, ADA, old=OLD) == {"role"}
    own = {**OLD, "id": ADA.id}
    assert await refused(builtin, toml, {"role": "user"}, ADA, old=own) == set()


async def test_a_new_file_is_never_the_old_one_sent_back(builtin: Load) -> None:
    toml = "[validate.posts]\nupdate_fields = { photo = 'nobody' }"
    old = {"id": "x", "photo": "a.png"}
    file = make_upload(b"x", "a.png", field="photo")
    assert await refused(builtin, toml, {}, ADA, old=old, files=[file]) == {"photo"}
    assert await refused(builtin, toml, {"photo": "a.png"}, ADA, old=old) == set()


async def test_a_list_allows_what_it_names_and_nothing_else(builtin: Load) -> None:
    toml = "[validate.posts]\ncreate_fields = ['title', 'body']"
    assert await refused(builtin, toml, {"title": "a", "body": "b"}, None) == set()
    assert await refused(builtin, toml, {"title": "a", "role": "staff"}, ADA) == {"role"}
    assert await refused(builtin, toml, {"title": "a"}, ADA, id="chosen000000000") == {"id"}
    assert await refused(builtin, toml, {"role": "staff"}, ROOT) == set()
    assert await refused(builtin, toml, {"role": "staff"}, None, old=OLD) == set(), (
        "updates are another matter"
    )


async def test_on_create_an_expression_is_about_the_record_that_is_to_be(builtin: Load) -> None:
    toml = "[validate.posts]\ncreate_fields = { author = 'author = @request.auth.id' }"
    assert await refused(builtin, toml, {"author": ADA.id}, ADA) == set()
    assert await refused(builtin, toml, {"author": STAFF.id}, ADA) == {"author"}
    assert await refused(builtin, toml, {"author": ""}, None) == {"author"}, "a guest owns nothing"


async def test_the_star_is_all_others(builtin: Load) -> None:
    toml = "[validate.posts]\nupdate_fields = { title = '', '*' = \"@request.auth.role = 'staff'\" }"
    assert await refused(builtin, toml, {"title": "a"}, ADA, old=OLD) == set()
    assert await refused(builtin, toml, {"title": "a", "body": "b"}, ADA, old=OLD) == {"body"}
    assert await refused(builtin, toml, {"title": "a", "body": "b"}, STAFF, old=OLD) == set()


async def test_signing_up_with_a_list_needs_the_password_named_once(builtin: Load) -> None:
    fields = {"email": "a@example.com", "password": "x" * 12, "passwordConfirm": "x" * 12}
    table = "[validate.posts]\ncreate_fields = {}"
    assert await refused(builtin, table.format("['email', 'password']"), fields, None) == set()
    assert await refused(builtin, table.format("['email']"), fields, None) == {"password", "passwordConfirm"}


async def test_a_caller_who_is_gone_has_no_role(builtin: Load) -> None:
    toml = "[validate.posts]\nupdate_fields = { title = \"@request.auth.role != 'banned'\" }"
    assert await refused(builtin, toml, {"title": "a"}, Caller("users", "gone00000000000"), old=OLD) == {
        "title"
    }
    assert await refused(builtin, toml, {"title": "a"}, ADA, old=OLD) == set()


async def test_nothing_a_plugin_makes_of_a_forbidden_field_is_let_through() -> None:
    """The plugin is asked before any other that transforms."""

    class Services:
        database: Any = None

        def log_of(self, plugin: str) -> Any:
            return None

    def api(name: str) -> PluginApi:
        return PluginApi(name, {}, {}, Services())  # type: ignore[arg-type]

    tables = {"posts": {"create_fields": ["title"]}}
    ours, theirs = api("permissions"), api("another")
    dict(builtin_plugins(tables, {}))["permissions"](ours)

    @theirs.transform("posts", priority=-1000)
    async def tidy(change: Change) -> Change:
        return change.with_fields(role=str(change.fields["role"]).strip())

    collection = Collection("posts", "posts", "base", False, {}, (), "", {})
    hooks = Registry([*ours.hooks, *theirs.hooks]).on("transform", collection, "create")
    assert [hook.plugin for hook in hooks] == ["permissions", "another"]


async def test_the_answer_says_which_field_and_why(builtin: Load) -> None:
    plugin = builtin("permissions", TABLE)
    with pytest.raises(Reject) as caught:
        await plugin.write(make_change("posts", "update", {"pinned": True}, caller=ADA, old=OLD))
    assert caught.value.status == 400
    assert {field: error.data() for field, error in caught.value.errors.items()} == {
        "pinned": {"code": "validation_not_allowed", "message": "You are not allowed to set this field."}
    }


READ = """
[validate.staff.read_fields]
salary = "@request.auth.role = 'hr' || id = @request.auth.id"
note = "nobody"
"""


async def test_a_field_is_read_by_those_its_expression_lets(builtin: Load) -> None:
    plugin = builtin("permissions", READ)
    row = {"id": "ada000000000000", "salary": 5}
    hr = {"auth.id": "hr0000000000000", "auth.role": "hr"}
    ada = {"auth.id": "ada000000000000", "auth.role": ""}
    eve = {"auth.id": "eve000000000000", "auth.role": ""}
    guest = {"auth.id": None, "auth.role": None}
    assert [await plugin.can_read("staff", "salary", who, row) for who in (hr, ada, eve, guest)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [await plugin.can_read("staff", "salary", who) for who in (hr, ada, eve, guest)] == [
        True, False, False, False,
    ]  # fmt: skip
    assert not await plugin.can_read("staff", "note", hr, row)
    assert await plugin.can_read("staff", "name", guest, row)
    needs = {hook.field: hook.depends_on for hook in plugin.hooks}
    assert needs == {"salary": {"auth.id", "auth.role"}, "note": frozenset()}


async def test_a_list_shows_what_it_names_and_which_row_it_is(builtin: Load) -> None:
    plugin = builtin("permissions", "[validate.staff]\nread_fields = ['id', 'name']")
    shown = {name for name in ("id", "collectionId", "collectionName", "name", "salary", "anything")
             if await plugin.can_read("staff", name)}  # fmt: skip
    assert shown == {"id", "collectionId", "collectionName", "name"}
    assert await plugin.can_read("others", "salary")


async def test_a_table_with_a_star_shows_the_rest_by_it(builtin: Load) -> None:
    toml = "[validate.staff]\nread_fields = { name = '', '*' = \"@request.auth.role = 'hr'\" }"
    plugin = builtin("permissions", toml)
    for role, shown in (("hr", True), ("", False)):
        viewer = {"auth.role": role}
        assert await plugin.can_read("staff", "salary", viewer) is shown
        assert await plugin.can_read("staff", "name", viewer)
        assert await plugin.can_read("staff", "id", viewer)


async def test_a_table_that_leaves_everything_open_asks_for_nothing(builtin: Load) -> None:
    assert builtin("permissions", "[validate.staff]\nread_fields = { name = '' }").hooks == ()
