"""docs/operations.md against the code: metrics, classes, outcomes, events."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from hapta.model.operation import OperationClass
from hapta.observe.cache_metrics import Tally
from hapta.observe.metrics import OUTCOMES, REFUSALS, Metrics
from hapta.observe.redact import SECRET_PARAMETERS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
LEVELS = {"debug", "info", "warning", "error"}


class Nothing:
    """A cache that holds nothing."""

    weight = doubts = 0
    invalidations: Mapping[str, int] = {}

    def label(self, collection: str) -> str:
        return collection

    def tallies(self) -> Mapping[str, Tally]:
        return {}


def metric_names() -> set[str]:
    metrics = Metrics()
    metrics.cache.follow(Nothing())
    metrics.request_done(OperationClass.HEALTH, 200, 0.1)
    metrics.upstream_done(OperationClass.HEALTH, "2xx", 0.1)
    return set(re.findall(r"^# TYPE (hapta_\w+) ", metrics.render().decode(), re.MULTILINE))


def event_names() -> set[str]:
    """The first argument of every ``events.warning("name", …)`` and the like in Hapta's source."""
    names = set()
    for file in (ROOT / "hapta").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                names.add(str(node.args[0].value))
    return names


def rows(heading: str) -> set[str]:
    """The first cells of the table below a heading."""
    section = re.split(r"^##+ ", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_the_page_lists_every_metric_and_no_other() -> None:
    assert rows("Metrics") == metric_names()


def test_the_page_lists_every_event_and_no_other() -> None:
    assert rows("Events") == event_names()


@pytest.mark.parametrize("kind", OperationClass)
def test_the_page_names_every_class(kind: OperationClass) -> None:
    assert f"`{kind}`" in PAGE


@pytest.mark.parametrize("word", sorted({*OUTCOMES, *REFUSALS} - {"1xx", "3xx", "4xx"}))
def test_the_page_names_every_outcome_and_reason(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("name", sorted(SECRET_PARAMETERS))
def test_the_page_names_every_query_parameter_that_is_not_logged(name: str) -> None:
    assert f"`{name}`" in PAGE
