"""Bodies taken apart and put together again: the same bytes, or an error."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hapta.cache.canonical import OddBody
from hapta.cache.raw_rows import ListBody, own, parse_row, public_fields, render_row, values, with_own
from hapta.model.schema import Collection
from tests.unit.cache.plan_world import POSTS, USERS, field, schema

_NAMES = st.text("abzAZ_09", min_size=1, max_size=6)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_ROWS = st.dictionaries(_NAMES, _VALUES, max_size=6)
_MARKS = st.sampled_from(
    [b" ", b"\n", b'"', b",", b"{", b"}", b"[", b"]", b"0", b"1", b"-", b"\\", b"a", b":"]
)


def written(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def listed(rows: list[Any], total: int = 7, pages: int = 3, page: int = 1, per_page: int = 3) -> bytes:
    return written(
        {"items": rows, "page": page, "perPage": per_page, "totalItems": total, "totalPages": pages}
    )


@given(row=_ROWS)
def test_a_row_comes_out_as_it_went_in(row: dict[str, Any]) -> None:
    body = written(row)
    assert render_row(parse_row(body)) == body


@given(rows=st.lists(_ROWS, max_size=3), total=st.integers(-1, 99), per_page=st.integers(1, 9))
def test_a_list_comes_out_as_it_went_in(rows: list[Any], total: int, per_page: int) -> None:
    pages = -1 if total == -1 else (total + per_page - 1) // per_page
    body = listed(rows, total, pages, per_page=per_page)
    found = ListBody.parse(body)
    assert found.render() == body
    assert (found.total_items, found.total_pages) == (total, pages)


@given(rows=st.lists(_ROWS, max_size=2), data=st.data())
def test_what_is_another_way_to_write_it_is_refused_or_kept(rows: list[Any], data: st.DataObject) -> None:
    body = listed(rows)
    at = data.draw(st.integers(0, len(body)))
    cut = data.draw(st.integers(0, 2))
    odd = body[:at] + data.draw(_MARKS) + body[at + cut :]
    try:
        found = ListBody.parse(odd)
    except OddBody:
        return
    assert found.render() == odd


@given(body=st.binary(max_size=40) | st.text().map(str.encode))
@example(body=b"")
@example(body=b'{"a":1,"a":2}')
@example(body=b'{"b":1,"a":2}')
def test_any_bytes_are_refused_or_kept(body: bytes) -> None:
    try:
        found = parse_row(body)
    except OddBody:
        return
    assert render_row(found) == body


@pytest.mark.parametrize(
    "row",
    [
        b"[]", b"null", b'"a"', b'{"a":1', b'{"a":1} ', b' {"a":1}', b'{ "a":1}', b'{"a" :1}',
        b'{"a": 1}', b'{"a":1 }', b'{"a":1,"a":2}', b'{"b":1,"a":2}', b'{"\\u0061":1}', b'{"a":1,}',
        b'{"a":' * 5000, b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", b"\xef\xbb\xbf{}",
    ],
)  # fmt: skip
def test_rows_pocketbase_does_not_write(row: bytes) -> None:
    with pytest.raises(OddBody):
        parse_row(row)
    with pytest.raises(OddBody):
        ListBody.parse(b'{"items":[' + row + b'],"page":1,"perPage":3,"totalItems":1,"totalPages":1}')


@pytest.mark.parametrize(
    "body",
    [
        listed([], total=7, pages=2),
        listed([], total=-1, pages=3),
        listed([], total=7, pages=-1),
        listed([], total=-2, pages=0),
        listed([], page=0),
        listed([], total=0, pages=0, per_page=0),
        listed([]).replace(b":7", b":7.0"),
        listed([]).replace(b":7", b":-0"),
        listed([]).replace(b":7", b':"7"'),
        listed([]).replace(b'"page"', b'"side"'),
        b'{"items":[],"page":1,"perPage":3}',
        b'{"code":404,"data":{},"message":"no"}',
    ],
)
def test_lists_pocketbase_does_not_write(body: bytes) -> None:
    with pytest.raises(OddBody):
        ListBody.parse(body)


def test_members_of_a_list_keep_their_order() -> None:
    body = b'{"page":1,"perPage":3,"totalItems":1,"totalPages":1,"items":[{"a":1}]}'
    assert ListBody.parse(body).render() == body


def test_a_total_brings_its_pages_along_and_is_not_told_where_it_was_not() -> None:
    found = ListBody.parse(listed([]))
    for total, pages in ((9, 3), (10, 4), (0, 0)):
        found.set_total(total)
        assert found.render() == listed([], total, pages)
    silent = ListBody.parse(listed([], -1, -1))
    silent.set_total(5)
    assert silent.render() == listed([], -1, -1)


def test_values_are_those_of_the_row_itself() -> None:
    row = parse_row(b'{"a":1.50,"b":"\\u00e9","expand":{"x":{"a":2}},"n":1e+21}')
    assert values(row) == {"a": 1.5, "b": "é", "n": 1e21}
    assert render_row(own(row)) == b'{"a":1.50,"b":"\\u00e9","n":1e+21}'
    assert render_row(with_own(row, parse_row(b'{"z":1}'))) == b'{"expand":{"x":{"a":2}},"z":1}'
    with pytest.raises(OddBody):
        values({"a": msgspec.Raw(b'"\xff"')})


class TestPublic:
    posts = schema().by_id[POSTS]
    users = schema().by_id[USERS]

    def row(self, collection: Collection, **more: Any) -> dict[str, Any]:
        names = [f["name"] for f in collection.fields if not f["hidden"]]
        return dict.fromkeys(["collectionId", "collectionName", *names], "x") | more

    def public(self, collection: Collection, row: dict[str, Any]) -> dict[str, Any] | None:
        found = public_fields(collection, parse_row(written(row)))
        return None if found is None else orjson.loads(render_row(found))

    def test_hidden_fields_and_expands_are_left_out(self) -> None:
        row = self.row(self.posts)
        assert self.public(self.posts, row | {"secret": "s", "expand": {}}) == row

    @pytest.mark.parametrize("name", ["id", "collectionId", "title"])
    def test_a_row_that_lacks_something_is_not_known(self, name: str) -> None:
        row = self.row(self.posts)
        del row[name]
        assert self.public(self.posts, row) is None

    def test_nor_is_one_with_something_more(self) -> None:
        assert self.public(self.posts, self.row(self.posts, more=1)) is None

    def test_an_email_is_shown_where_everybody_sees_it(self) -> None:
        row = self.row(self.users, emailVisibility=True)
        assert self.public(self.users, row) == row
        without = {name: value for name, value in row.items() if name != "email"}
        assert self.public(self.users, without) is None
        hidden = without | {"emailVisibility": False}
        assert self.public(self.users, row | {"emailVisibility": False}) == hidden
        assert self.public(self.users, hidden) == hidden

    @pytest.mark.parametrize("odd", ["x", 1, None])
    def test_where_it_does_not_say_nothing_is_known(self, odd: Any) -> None:
        assert self.public(self.users, self.row(self.users, emailVisibility=odd)) is None

    def test_a_base_collection_may_have_a_field_called_email(self) -> None:
        fields = (field("id"), field("email"))
        base = Collection("pbc_x", "x", "base", False, {}, fields, "", {})
        row = self.row(base)
        assert self.public(base, row) == row

    @pytest.mark.parametrize("kind", ["number", "json"])
    @pytest.mark.parametrize("raw", ["0", "12", "-7", "123456789012345"])
    def test_numbers_that_are_read_as_they_were_written(self, kind: str, raw: str) -> None:
        assert self.written_as(kind, raw)

    @pytest.mark.parametrize(
        ("kind", "raw"),
        [("number", "-0"), *(("json", each) for each in ("-0", "1e5", "1.0", "0.5", "1234567890123456789"))],
    )
    def test_numbers_of_which_sqlite_makes_others(self, kind: str, raw: str) -> None:
        assert not self.written_as(kind, raw)

    @pytest.mark.parametrize("raw", ["null", "true", '"1e5"', "[-0,1e5]", '{"a":-0}'])
    def test_json_that_looks_like_no_number_is_a_text(self, raw: str) -> None:
        assert self.written_as("json", raw)

    def written_as(self, kind: str, raw: str) -> bool:
        """Whether a writer who is shown this is shown what others will read."""
        fields = [{"name": "data", "type": kind, "hidden": False}]
        about = {"id": "c", "name": "c", "type": "base", "system": False, "updated": ""}
        collection = Collection.parse({**about, "fields": fields})
        row = f'{{"collectionId":"c","collectionName":"c","data":{raw},"id":"x"}}'
        return public_fields(collection, parse_row(row.encode())) is not None
