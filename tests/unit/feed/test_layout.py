"""hapta.feed.layout"""

import re
from copy import deepcopy
from typing import Any

import pytest

from hapta.feed.layout import LAYOUT, OWN_NAMES, ForeignCollection, missing

BY_NAME = {wanted["name"]: wanted for wanted in LAYOUT}


def installed(name: str) -> dict[str, Any]:
    """A collection of the layout as PocketBase shows it: with an id field, ids and defaults."""
    found = deepcopy(dict(BY_NAME[name]))
    found["fields"] = [{"id": "text1", "name": "id", "type": "text", "system": True}] + [
        {"id": f"f{index}", "hidden": False, "required": False, **field}
        for index, field in enumerate(found["fields"])
    ]
    found["created"] = found["updated"] = "2026-01-01 00:00:00.000Z"
    return found


def test_the_names_are_those_of_the_layout() -> None:
    assert set(BY_NAME) == OWN_NAMES


@pytest.mark.parametrize("name", sorted(OWN_NAMES))
def test_each_is_a_system_collection_for_superusers_only_with_system_fields(name: str) -> None:
    wanted = BY_NAME[name]
    assert wanted["system"] is True
    assert [wanted[key] for key in wanted if key.endswith("Rule")] == [None] * 5
    assert all(field["system"] for field in wanted["fields"])


def test_what_is_sealed_is_hidden() -> None:
    fields = [field for wanted in LAYOUT for field in wanted["fields"]]
    assert [field["hidden"] for field in fields if field["name"] in {"sealed", "salt"}] == [True] * 3


def test_relations_point_at_collections_named_before() -> None:
    seen: set[str] = set()
    for wanted in LAYOUT:
        targets = {field["collectionId"] for field in wanted["fields"] if field["type"] == "relation"}
        assert targets <= seen
        seen.add(wanted["id"])


def test_index_names_are_unique() -> None:
    names = [re.findall(r"`(\w+)`", index)[0] for wanted in LAYOUT for index in wanted["indexes"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", sorted(OWN_NAMES))
def test_a_missing_collection_is_wanted_whole(name: str) -> None:
    assert missing(BY_NAME[name], None) == BY_NAME[name]


@pytest.mark.parametrize("name", sorted(OWN_NAMES))
def test_nothing_is_missing_of_a_complete_one(name: str) -> None:
    assert missing(BY_NAME[name], installed(name)) is None


def test_a_missing_field_is_added_and_those_there_keep_their_ids() -> None:
    found = installed("hapta_sessions")
    found["fields"] = [field for field in found["fields"] if field["name"] != "device"]
    change = missing(BY_NAME["hapta_sessions"], found)
    assert change is not None
    assert [field["name"] for field in change["fields"]][-1] == "device"
    assert [field["id"] for field in change["fields"][:-1]] == [field["id"] for field in found["fields"]]


def test_a_field_that_lost_its_hiding_is_hidden_again() -> None:
    found = installed("hapta_sessions")
    next(field for field in found["fields"] if field["name"] == "sealed")["hidden"] = False
    change = missing(BY_NAME["hapta_sessions"], found)
    assert change is not None
    sealed = [field for field in change["fields"] if field["name"] == "sealed"]
    assert [field["hidden"] for field in sealed] == [True]


def test_a_missing_index_is_added() -> None:
    found = installed("hapta_meta")
    found["indexes"] = []
    change = missing(BY_NAME["hapta_meta"], found)
    assert change is not None
    assert change["indexes"] == BY_NAME["hapta_meta"]["indexes"]


def test_fields_and_indexes_somebody_added_stay() -> None:
    found = installed("hapta_meta")
    found["fields"] += [{"id": "x", "name": "note", "type": "text"}]
    found["indexes"] += ["CREATE INDEX `idx_note` ON `hapta_meta` (`note`)"]
    assert missing(BY_NAME["hapta_meta"], found) is None
    found["fields"] = [field for field in found["fields"] if field["name"] != "value"]
    change = missing(BY_NAME["hapta_meta"], found)
    assert change is not None
    assert "note" in [field["name"] for field in change["fields"]]
    assert len(change["indexes"]) == 2


@pytest.mark.parametrize(
    ("key", "value"), [("id", "pbc_other"), ("type", "auth"), ("system", False)], ids=["id", "type", "system"]
)
def test_a_collection_hapta_did_not_make_is_foreign(key: str, value: object) -> None:
    with pytest.raises(ForeignCollection, match="not one that Hapta made"):
        missing(BY_NAME["hapta_meta"], {**installed("hapta_meta"), key: value})


def test_a_field_of_another_type_is_foreign_and_named() -> None:
    found = installed("hapta_meta")
    next(field for field in found["fields"] if field["name"] == "value")["type"] = "text"
    with pytest.raises(ForeignCollection, match="its field value has type text, expected json"):
        missing(BY_NAME["hapta_meta"], found)
