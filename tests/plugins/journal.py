"""What plugins of tests write down, one JSON object a line, in the file that ``JOURNAL`` names.

Imported by the plugins within Hapta, and by the tests that read it.
"""

import json
import os
from pathlib import Path
from typing import Any


def note(kind: str, **what: Any) -> None:
    """Write down that something was seen."""
    with Path(os.environ["JOURNAL"]).open("a", encoding="utf-8") as journal:
        journal.write(json.dumps({"kind": kind, **what}, default=_plain) + "\n")


def read(journal: Path) -> list[dict[str, Any]]:
    """All that was written down so far."""
    if not journal.exists():
        return []
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else str(value)
