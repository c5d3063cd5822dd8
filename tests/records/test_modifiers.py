"""What a modifier makes of a record is known beforehand, or known not to be."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hapta.model.schema import Collection
from hapta.records.content import BytesContent, FilePart
from hapta.records.encode import encode
from hapta.records.resolve import needs_old, resolve
from tests.records.odd import RECORDS, Odd, is_same
from tests.support.exchanges import whole
from tests.support.pocketbase import PocketBase

OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers(-100, 100) | st.sampled_from(["5", "", None, True, 0.5, 1e300, "x", [1], -0.0]),
    "choice": st.sampled_from(["a", "b", "", None, ["a", "c"], [], 1, True, '["b"]', {"a": 1}]),
    "choices": st.sampled_from(
        ["a", "b", "", None, ["a", "c"], ["b", "b"], [], 1, True, '["b","c"]', {"a": 1}]
    ),
}
MODIFIED = {
    "number": ["number", "number+", "number-"],
    "choice": ["choice", "choice+", "+choice", "choice-"],
    "choices": ["choices", "choices+", "+choices", "choices-"],
}
OLD: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers(-100, 100) | st.just(1e300),
    "choice": st.sampled_from(["", "a", "b"]),
    "choices": st.lists(st.sampled_from(["a", "b", "c", "1"]), unique=True, max_size=3),
}


@pytest.mark.parametrize("name", MODIFIED)
def test_what_modifiers_make_of_a_record_is_known(name: str, odd: Odd) -> None:
    known = 0

    @given(
        OLD[name], st.dictionaries(st.sampled_from(MODIFIED[name]), OPERANDS[name], min_size=1, max_size=3)
    )
    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    def check(old_value: Any, members: dict[str, Any]) -> None:
        nonlocal known
        old = odd.create({name: old_value})[1]
        resolved = resolve(odd.collection, members, old, is_superuser=True)
        assert resolved.touched == {name}
        assert needs_old(odd.collection, members) == any(key != name for key in members)
        if resolved.unsure:
            return
        known += 1
        for sent in (members, resolved.members):
            record = odd.create({name: old_value})[1]["id"]
            status, body = odd.update(record, sent)
            if status == 200:
                assert is_same(resolved.fields[name], body[name])
                assert is_same(body[name], odd.stored(record)[name])

    check()
    assert known >= 30


def test_relations_are_added_and_taken_away(odd: Odd) -> None:
    first, second, third = odd.posts[:3]
    old = odd.create({"posts": [first, second], "post": first})[1]
    members = {"+posts": third, "posts": [second, first], "post-": [first]}
    resolved = resolve(odd.collection, members, old, is_superuser=False)
    body = odd.update(old["id"], resolved.members)[1]
    assert dict(resolved.fields) == {"posts": [third, second, first], "post": ""}
    assert body["posts"] == resolved.fields["posts"]
    assert body["post"] == ""


@pytest.mark.parametrize("pair", [("choices+", "+choices"), ("choices+", "choices-"), ("number+", "number-")])
def test_two_modifiers_of_one_length_go_in_any_order_so_nothing_is_known(
    pair: tuple[str, str], odd: Odd
) -> None:
    old = odd.create({"choices": ["a"], "number": 3})[1]
    resolved = resolve(odd.collection, dict.fromkeys(pair, 1), old, is_superuser=True)
    assert resolved.fields == {}
    assert len(resolved.unsure) == 1


def test_what_pocketbase_makes_itself_is_not_known(odd: Odd) -> None:
    for members in ({"slug": ""}, {"slug:autogenerate": "x"}, {"id": ""}):
        assert resolve(odd.collection, members, None, is_superuser=True).fields == {}
    resolved = resolve(odd.collection, {"text:autogenerate": 5}, None, is_superuser=True)
    assert dict(resolved.fields) == {"text": "5"}
    assert odd.create(resolved.members)[1]["text"] == "5"


def test_hidden_fields_are_set_by_superusers_alone(odd: Odd) -> None:
    for client, is_superuser in ((odd.guest, False), (odd.admin, True)):
        resolved = resolve(odd.collection, {"hidden": "x", "text": "y"}, None, is_superuser=is_superuser)
        record = odd.create(resolved.members, client)[1]["id"]
        stored = odd.stored(record)
        assert {name: stored[name] for name in ("hidden", "text")} == {
            "hidden": "",
            "text": "y",
            **resolved.fields,
        }


def test_neither_the_id_of_a_record_that_is_there_nor_an_autodate_is_set(odd: Odd) -> None:
    old = odd.create({"text": "x"})[1]
    members = {"id": old["id"], "made": "2001-01-01 00:00:00.000Z", "nobody": 1, "text": 1}
    resolved = resolve(odd.collection, members, old, is_superuser=True)
    assert dict(resolved.fields) == {"text": "1"}
    assert dict(resolved.members) == {**members, "text": "1"}
    status, body = odd.update(old["id"], resolved.members)
    assert (status, body["made"], body["text"]) == (200, old["made"], "1")


def test_the_password_of_an_account_is_hidden_and_yet_set(pocketbase: PocketBase) -> None:
    users = Collection.parse(pocketbase.admin.get("/api/collections/users").json())
    members = {"password": "x", "tokenKey": "y" * 40, "verified": "1"}
    resolved = resolve(users, members, None, is_superuser=False)
    assert dict(resolved.fields) == {"password": "x", "verified": True}


def _file(key: str, content: bytes) -> FilePart:
    return FilePart(key, f"{content.decode()}.{content.decode()}", "text/plain", BytesContent(content))


@pytest.mark.parametrize(
    ("keep", "keys", "kept", "uploaded"),
    [
        pytest.param({}, ["files"], [], 1, id="files replace"),
        pytest.param({}, ["files+"], [0, 1], 1, id="files join"),
        pytest.param({}, ["+files"], [0, 1], 1, id="files go in front"),
        pytest.param({"files": [1]}, ["files"], [1], 1, id="files beside a name"),
        pytest.param({"files": [1]}, ["files+"], [1], 1, id="files after names"),
        pytest.param({"files-": [0]}, ["files+"], [1], 1, id="files instead of one"),
        pytest.param({"files-": [0]}, ["files"], [], 1, id="files replace what was taken from"),
        pytest.param({"files-": [0]}, [], [1], 0, id="one goes"),
        pytest.param({"files": []}, [], [], 0, id="all go"),
        pytest.param({"files": None}, ["files"], [], 1, id="nothing beside files"),
    ],
)
async def test_which_files_a_record_will_have_is_known(
    keep: dict[str, Any], keys: list[str], kept: list[int], uploaded: int, odd: Odd
) -> None:
    created = encode({}, {"files": [_file("files", b"one"), _file("files", b"two")]})
    old = odd.send(await whole(created), created.content_type)[1]
    members = {
        name: [old["files"][at] for at in names] if names is not None else None
        for name, names in keep.items()
    }
    files = {key: [_file(key, b"new")] for key in keys}
    resolved = resolve(odd.collection, members, old, is_superuser=False, files=files)
    assert dict(resolved.fields) == {"files": [old["files"][at] for at in kept]}
    assert len(resolved.uploads.get("files", ())) == uploaded
    assert needs_old(odd.collection, [*members, *files]) == any(
        "+" in key or "-" in key for key in [*keep, *keys]
    )
    sent = encode(resolved.members, files)
    status, body = odd.send(await whole(sent), sent.content_type, to=f"{RECORDS}/{old['id']}", method="PATCH")
    assert status == 200
    assert [name for name in body["files"] if name in old["files"]] == resolved.fields["files"]
    assert len(body["files"]) == len(kept) + uploaded


async def test_of_several_files_for_one_place_the_last_counts(odd: Odd) -> None:
    files = {"file": [_file("file", b"one"), _file("file", b"two")]}
    resolved = resolve(odd.collection, {}, None, is_superuser=False, files=files)
    assert [await file.head(9) for file in resolved.uploads["file"]] == [b"two"]
    assert resolved.fields["file"] == ""
    sent = encode({}, files)
    assert odd.contents(odd.send(await whole(sent), sent.content_type)[1]) == [("two", b"two")]


def test_files_for_what_is_no_file_field_go_nowhere(odd: Odd) -> None:
    files = {
        "text": [_file("text", b"x")],
        "nobody": [_file("nobody", b"x")],
        "files-": [_file("files-", b"x")],
    }
    assert resolve(odd.collection, {}, None, is_superuser=True, files=files).touched == frozenset()
