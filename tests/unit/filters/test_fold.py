"""What a rule comes to for a guest and for a known record."""

import pytest

from hapta.filters.fold import Facts, provably, surely
from hapta.filters.parser import parse

FIELDS = frozenset({"id", "owner", "level", "open"})
GUEST = Facts(FIELDS, None)
ADA = Facts(FIELDS, {"id": "ada", "collectionId": "c1", "collectionName": "users"})


@pytest.mark.parametrize(
    ("rule", "guest", "ada"),
    [
        ("@request.auth.id != ''", False, True),
        ("@request.auth.id = ''", True, False),
        ("'' != @request.auth.id", False, True),
        ("@request.auth.id != null", False, True),
        ("@request.auth.id ?= 'ada'", False, True),
        ("@request.auth.id = 'ben'", False, False),
        ("@request.auth.id != 'ben'", True, True),
        ("@request.auth.collectionName = 'users'", False, True),
        ("@request.auth.collectionName = 'Users'", False, False),
        ("@request.auth.role = 'editor'", False, None),
        ("@request.auth.role != 'editor'", True, None),
        ("@request.auth.level > 3", False, None),
        ("@request.auth.level <= 3", False, None),
        ("@request.auth.name ~ 'a'", False, None),
        ("@request.auth.name !~ 'a'", False, None),
        ("'a' !~ @request.auth.name", False, None),
        ("@request.auth.boss = true", False, None),
        ("@request.auth.boss != true", True, None),
        ("@request.auth.boss = false", False, None),
        ("@request.auth.id:lower = ''", True, None),
        ("@request.auth.id:lower = 'ada'", False, None),
        ("@request.auth.id ~ 'ada'", False, None),
        ("owner = @request.auth.id", None, None),
        ("owner > @request.auth.id", None, None),
        ("@request.method = 'GET'", None, None),
        ("@request.body.owner = ''", None, None),
        ("strftime('%Y') = ''", None, None),
        ("1 = 1", True, True),
        ("1 = 2", False, False),
        ("true = 1", True, True),
        ("TRUE = false", False, False),
        ("1 < 2", None, None),
        ("'1' = 1", None, None),
        ("'' = 0", False, False),
        ("null = 0", False, False),
        ("null = ''", True, True),
        ("007 = 7", None, None),
        ("open = 'x'", None, None),
        ("@request.auth.id != '' && owner = 1", False, None),
        ("owner = 1 && @request.auth.id != ''", False, None),
        ("@request.auth.id != '' || owner = 1", None, True),
        ("1 = 1 || 1 = 1 && 1 = 2", True, True),
        ("(1 = 1 || 1 = 1) && 1 = 2", False, False),
        ("1 = 2 && owner = 1 || 1 = 2", False, False),
        ("1 = 2 && owner = 1 || level = 1 && 1 = 1", None, None),
        ("owner = (@request.auth.id != '')", False, True),
        ("(((@request.auth.id != '')))", False, True),
    ],
)
def test_constants_are_compared_as_pocketbase_does(rule: str, guest: bool | None, ada: bool | None) -> None:
    group = parse(rule)
    assert provably(group, GUEST) is guest
    assert provably(group, ADA) is ada


def test_a_field_called_like_a_keyword_is_a_field() -> None:
    facts = Facts(FIELDS | {"true", "NULL"}, None)
    assert provably(parse("true = false"), facts) is None
    assert provably(parse("True = false"), facts) is False
    assert provably(parse("NULL = 'x'"), facts) is None


def test_what_is_not_told_of_a_record_is_unknown() -> None:
    assert provably(parse("@request.auth.collectionId = 'c1'"), Facts(FIELDS, {"id": "ada"})) is None
    cast = Facts(FIELDS | {"collectionName"}, ADA.auth)
    assert provably(parse("@request.auth.collectionName = 'x'"), cast) is None


@pytest.mark.parametrize(
    ("rule", "is_sure"),
    [
        ("@request.auth.id != ''", True),
        ("@request.auth.id != '' && (1 = 1 || null ~ 'x')", True),
        ("@request.auth.id = ''", False),
        ("@request.auth.id != '' || owner = 1", False),
        ("1 = 1 || @collection.gone.id = 'x'", False),
        ("1 = 1 || @request.auth.gone = ''", False),
        ("1 = 1 || (1 = 1 && @request.auth.id:lower = '')", False),
    ],
)
def test_a_rule_surely_holds_where_all_of_it_is_known(rule: str, is_sure: bool) -> None:
    assert surely(parse(rule), ADA) is is_sure


def test_of_a_guest_only_fields_of_every_record_are_surely_empty() -> None:
    assert surely(parse("@request.auth.id = '' && @request.auth.collectionName = ''"), GUEST)
    assert not surely(parse("@request.auth.gone = ''"), GUEST)
    assert not surely(parse("@request.auth.id:isset = ''"), GUEST)
