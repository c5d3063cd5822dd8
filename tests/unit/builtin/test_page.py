"""``docs/validation.md`` is what is built, and its examples do what it says."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hapta.builtin.checks import CHECKS
from hapta.config import load
from hapta.hooks.reject import Rejected
from hapta.plugins import Reject
from hapta.testing import make_change
from tests.unit.builtin.conftest import Load, Problems

PAGE = (Path(__file__).parents[3] / "docs" / "validation.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def block(table: str) -> str:
    """The last example with this table."""
    return next(text for text in reversed(BLOCKS) if f"[validate.{table}]\n" in text)


def test_every_check_has_its_row_in_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \| .* \|$", PAGE, re.MULTILINE)
    assert tuple(rows) == CHECKS


@pytest.mark.parametrize("text", BLOCKS)
def test_the_examples_are_right(text: str, problems: Problems, tmp_path: Path) -> None:
    assert problems(text) == []
    (tmp_path / "config.toml").write_text(text)
    assert load(Path("config.toml"), {}, [], tmp_path).config.validate == tomllib.loads(text)["validate"]


def test_the_shipped_example_is_right(problems: Problems) -> None:
    shipped = (Path(__file__).parents[3] / "config.toml").read_text(encoding="utf-8")
    example = shipped.partition("# [validate.posts]")[2].partition("\n\n")[0]
    assert problems("[validate.posts]" + example.replace("\n# ", "\n")) == []


async def test_the_answer_shown_is_the_answer(builtin: Load) -> None:
    plugin = builtin("validate", BLOCKS[0])
    with pytest.raises(Reject) as caught:
        await plugin.write(make_change("posts", fields={"body": "a.com b.com c.com d.com"}))
    answer = Rejected(caught.value, "create")
    body = {"data": answer.data, "message": answer.message, "status": answer.status}
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert body == json.loads(shown)


@pytest.mark.parametrize(
    ("table", "fields", "blamed"),
    [
        ("comments", {"text": "fine, see example.com"}, set()),
        ("comments", {"text": "buy at pills DOT com"}, {"text"}),
        ("comments", {"text": "\n" * 20 + "x"}, {"text"}),
        ("orders", {"quantity": 0, "tags": ["gift", "gift"]}, {"quantity", "tags"}),
        ("orders", {"quantity": 5, "tags": ["gift", "express"]}, set()),
        ("orders", {"quantity": 5, "tags": ["other"]}, {"tags"}),
    ],
)
async def test_the_examples_of_checks_refuse_what_they_say(
    builtin: Load, table: str, fields: dict[str, Any], blamed: set[str]
) -> None:
    assert await _blamed(builtin, "validate", table, fields) == blamed


@pytest.mark.parametrize(
    ("table", "fields", "blamed"),
    [
        ("users", {"email": "a@b.cd", "password": "x", "passwordConfirm": "x", "name": "Ada"}, set()),
        ("users", {"email": "a@b.cd", "password": "x", "passwordConfirm": "x", "role": "admin"}, {"role"}),
        ("tickets", {"title": "broken", "status": "done", "assignee": "me"}, {"status", "assignee"}),
        ("tickets", {"title": "broken"}, set()),
    ],
)
async def test_the_examples_of_permissions_refuse_guests_what_they_say(
    builtin: Load, table: str, fields: dict[str, Any], blamed: set[str]
) -> None:
    assert await _blamed(builtin, "permissions", table, fields) == blamed


async def test_the_example_of_reading_shows_salaries_to_those_it_names(builtin: Load) -> None:
    plugin = builtin("permissions", block("staff"))
    row = {"id": "ada000000000000"}
    for viewer, salary, phone in (
        ({"auth.id": "hr", "auth.role": "hr"}, True, True),
        ({"auth.id": row["id"], "auth.role": ""}, True, True),
        ({"auth.id": "eve", "auth.role": ""}, False, True),
        ({"auth.id": None, "auth.role": None}, False, False),
    ):
        assert await plugin.can_read("staff", "salary", viewer, row) is salary
        assert await plugin.can_read("staff", "phone", viewer, row) is phone


async def _blamed(builtin: Load, name: str, table: str, fields: dict[str, Any]) -> set[str]:
    plugin = builtin(name, block(table))
    try:
        await plugin.write(make_change(table, fields=fields))
    except Reject as error:
        return set(error.errors)
    return set()
