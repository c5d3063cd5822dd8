"""hapta.stages.own_collections: how the query is rewritten."""

from urllib.parse import parse_qsl

import pytest

from hapta.model.target import parse_target
from hapta.stages.own_collections import filtered

CONDITION = 'name != "hapta_meta"'


def filters(query: str) -> list[str]:
    """What Go's ``url.Values`` has under ``filter`` after the rewriting."""
    target = filtered(parse_target(f"/api/collections?{query}", "h"), CONDITION)
    assert target.raw == f"{target.path}?{target.query}"
    assert target.raw.isascii()
    assert " " not in target.raw
    return [value for key, value in parse_qsl(target.query, keep_blank_values=True) if key == "filter"]


def test_without_a_query_the_condition_is_the_filter() -> None:
    target = filtered(parse_target("/api/collections", "h"), CONDITION)
    assert parse_qsl(target.query) == [("filter", CONDITION)]


@pytest.mark.parametrize("query", ["filter=", "filter", "filter=+", "filter=%20%0A"])
def test_an_empty_filter_becomes_the_condition(query: str) -> None:
    assert filters(query) == [CONDITION]


def test_other_parameters_stay_byte_for_byte_and_in_order() -> None:
    target = filtered(parse_target("/api/collections?page=2&x=%2f&&sort=-name", "h"), CONDITION)
    assert target.query.startswith("page=2&x=%2f&&sort=-name&filter=")


def test_a_filter_is_kept_within_brackets() -> None:
    assert filters("filter=name%7E%22a%22+%7C%7C+name%7E'b'") == [
        f"{CONDITION} && (\nname~\"a\" || name~'b'\n)"
    ]


def test_a_comment_at_its_end_does_not_swallow_the_bracket() -> None:
    assert filters("filter=name='a'//c")[0].endswith("//c\n)")


def test_of_several_filters_the_first_counts_and_is_rewritten() -> None:
    first, second = filters("filter=name='a'&filter=name='b'")
    assert CONDITION in first
    assert second == "name='b'"


@pytest.mark.parametrize("left_out", ["filter=a%zz", "filter=a;b", "fil;ter=a", "%zz=1", "Filter=a"])
def test_a_pair_go_leaves_out_is_not_the_filter(left_out: str) -> None:
    target = filtered(parse_target(f"/api/collections?{left_out}&filter=name='b'", "h"), CONDITION)
    pairs = target.query.split("&")
    assert pairs[0] == left_out
    assert pairs[1].startswith("filter=name%20%21%3D")


def test_an_escaped_key_is_the_filter_too() -> None:
    assert CONDITION in filters("%66ilter=name='a'")[0]
