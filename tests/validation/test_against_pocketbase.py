"""What is refused on the strength of a schema PocketBase refuses alike, byte for byte: generated ones.

The row ``schema-refusals`` of docs/differences.md.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hapta.model.schema import Collection
from hapta.validation import Checker, body, compile_checker
from tests.support.pocketbase import PocketBase, from_template
from tests.validation.generated import bodies, fields

_JSON = {"Content-Type": "application/json"}
_SETTINGS = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what fails is small enough to be read as it is
)


class Side:
    """A PocketBase with one collection of generated fields at a time."""

    def __init__(self, instance: PocketBase) -> None:
        self._admin = instance.admin
        self._guest = httpx.Client(base_url=instance.url, timeout=30)
        made = self._admin.post("/api/collections", json={"name": "target", "type": "base", "fields": []})
        self._target = str(made.raise_for_status().json()["id"])
        self.refused: Counter[str] = Counter()
        self.left = 0
        self.accepted = 0

    def close(self) -> None:
        self._guest.close()

    def make(self, kind: str, found: list[dict[str, Any]], rule: str) -> Checker | None:
        """Make the collection anew."""
        self._admin.delete("/api/collections/made")
        text = json.dumps(found).replace("TARGET", self._target)
        setup = {"name": "made", "type": kind, "fields": json.loads(text), "createRule": rule}
        made = self._admin.post("/api/collections", json=setup)
        assert made.status_code == 200, made.text
        return compile_checker(Collection.parse(made.json()))

    def compare(self, checker: Checker, members: dict[str, Any]) -> None:
        """PocketBase's answer to a guest, and what was known of it."""
        answer = self._guest.post(
            "/api/collections/made/records", content=json.dumps(members).encode(), headers=_JSON
        )
        refusal = checker.verdict(members)
        if refusal is not None:
            assert (answer.status_code, answer.content) == (400, body(refusal))
            self.refused.update(code for _, code in refusal.kinds())
        elif answer.status_code == 200:
            self.accepted += 1
        else:
            self.left += 1


@pytest.fixture(scope="module")
def side(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("validation"))
    found = Side(instance)
    yield found
    found.close()
    instance.close()


_RULES = st.sampled_from(["", "", "1 = 1", "@request.auth.id = ''"])
_KINDS = st.sampled_from(["base", "base", "base", "auth"])


def _check(
    side: Side, kind: str, found: list[dict[str, Any]], rule: str, data: st.DataObject, most: int
) -> None:
    checker = side.make(kind, found, rule)
    if checker is None:
        return  # a password beside that of an auth collection
    for _ in range(most):
        side.compare(checker, data.draw(bodies(found, is_auth=kind == "auth")))


@pytest.mark.timeout(300)
def test_what_the_schema_refuses_pocketbase_refuses_alike(side: Side) -> None:
    @settings(_SETTINGS, max_examples=100)
    @given(kind=_KINDS, found=fields(), rule=_RULES, data=st.data())
    def check(kind: str, found: list[dict[str, Any]], rule: str, data: st.DataObject) -> None:
        _check(side, kind, found, rule, data, 10)

    check()
    total = side.refused.total() + side.left + side.accepted
    assert side.refused.total() > 100, "hardly anything was refused, so little was compared"
    assert side.accepted > 50, "hardly anything was accepted, so little could be refused wrongly"
    assert len(side.refused) >= 6, f"few kinds: {side.refused} of {total}"


@pytest.mark.all_modes
@pytest.mark.timeout(1800)
@settings(_SETTINGS, max_examples=1_000)
@given(kind=_KINDS, found=fields(), rule=_RULES, data=st.data())
def test_what_the_schema_refuses_pocketbase_refuses_alike_at_length(
    side: Side, kind: str, found: list[dict[str, Any]], rule: str, data: st.DataObject
) -> None:
    _check(side, kind, found, rule, data, 20)
