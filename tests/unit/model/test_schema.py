"""hapta.model.schema"""

import sys
import unicodedata
from typing import Any

import pytest

from hapta.model.schema import EMPTY, Collection, Schema, fold_name


def collection(collection_id: str, name: str, **more: Any) -> Collection:
    raw = {
        "id": collection_id, "name": name, "type": "base", "system": False, "fields": [], "updated": "1",
        "listRule": None, "viewRule": "", "createRule": None, "updateRule": None, "deleteRule": None,
    }  # fmt: skip
    return Collection.parse({**raw, **more})


SCHEMA = Schema.of(3, [collection("pbc_1", "Posts"), collection("pbc_2", "kids_stats", type="view")])


@pytest.mark.parametrize("word", ["pbc_1", "Posts", "posts", "POSTS", "po\u017ft\u017f"])
def test_a_collection_is_found_by_id_and_by_name_in_any_case(word: str) -> None:
    found = SCHEMA.resolve(word)
    assert found is not None
    assert found.id == "pbc_1"


@pytest.mark.parametrize("word", ["", "post", "PBC_1", "posts ", "ﬁles", "Straße", "p\u00f6sts"])
def test_what_pocketbase_does_not_know_is_not_found(word: str) -> None:
    assert SCHEMA.resolve(word) is None


def test_the_kelvin_sign_is_a_k() -> None:
    assert SCHEMA.resolve("\u212aids_stats") is SCHEMA.by_id["pbc_2"]


def test_no_other_character_folds_onto_an_ascii_letter() -> None:
    """Simple folding: a character folds with those that share its one-character case mappings."""
    folding = {
        character
        for character in map(chr, range(0x80, sys.maxunicode + 1))
        if unicodedata.category(character)[0] == "L"
        and any(form.isascii() for form in (character.lower(), character.upper()) if len(form) == 1)
    }
    assert {character for character in folding if fold_name(character).isascii()} == {"\u017f", "\u212a"}
    assert folding - {"\u017f", "\u212a"} <= {"\u0131"}, "the dotless i folds in Turkish only"


def test_a_rule_it_does_not_have_is_absent_and_one_for_superusers_is_none() -> None:
    rules = SCHEMA.by_id["pbc_1"].rules
    assert rules["listRule"] is None
    assert rules["viewRule"] == ""
    assert "manageRule" not in rules


def test_only_a_view_is_a_view() -> None:
    assert [c.is_view for c in SCHEMA.by_id.values()] == [False, True]


@pytest.mark.parametrize("missing", ["id", "name", "type", "system", "fields", "updated"])
def test_what_is_no_collection_is_refused(missing: str) -> None:
    raw = {key: value for key, value in SCHEMA.by_id["pbc_1"].raw.items() if key != missing}
    with pytest.raises(KeyError):
        Collection.parse(raw)


def test_stamps_differ_when_one_came_went_or_was_saved() -> None:
    base = [collection("a", "a"), collection("b", "b")]
    stamps = Schema.of(1, base).stamps()
    assert Schema.of(2, base).stamps() == stamps
    assert Schema.of(2, base[:1]).stamps() != stamps
    assert Schema.of(2, [*base, collection("c", "c")]).stamps() != stamps
    assert Schema.of(2, [base[0], collection("b", "b", updated="2")]).stamps() != stamps


def test_the_content_is_compared_without_the_version() -> None:
    base = [collection("a", "a")]
    assert Schema.of(1, base).has_same_content(Schema.of(2, base))
    assert not Schema.of(1, base).has_same_content(Schema.of(1, [collection("a", "a", listRule="")]))
    assert not Schema.of(1, base).has_same_content(EMPTY)


def test_what_the_api_tells_stays_out_of_the_repr() -> None:
    assert "raw" not in repr(SCHEMA.by_id["pbc_1"])
