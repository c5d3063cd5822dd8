"""What the planner says of a read, held against PocketBase's answers without any cache."""

from pathlib import Path

import pytest

from tests.isolation import stage
from tests.isolation.plans import run_plans


@pytest.mark.timeout(300)
async def test_equal_keys_mean_equal_answers_and_whatever_changes_one_moves_its_tags(tmp_path: Path) -> None:
    with stage.running(tmp_path) as urls:
        async with stage.doors(urls) as doors:
            findings = await run_plans(doors, seed=2026, triples=8_000, say=print)
    assert not findings.wrong, "\n".join(findings.wrong)
    assert findings.shared > findings.triples / 4, findings
    assert findings.changed > 50, findings
