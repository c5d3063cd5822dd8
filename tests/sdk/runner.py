"""Runs a scenario in Node and collects its transcript."""

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCENARIOS = sorted((HERE / "scenarios").glob("*.mjs"))


@dataclass(frozen=True)
class Side:
    """One of the two ways to the data.

    Attributes:
        own: strings no other side has: its address, its folder.
        actions: what a scenario may ask for, by name.
    """

    name: str
    url: str
    mail_dir: Path
    own: tuple[str, ...]
    actions: Mapping[str, Callable[[], None]]


def run(node: str, scenario: Path, side: Side, timeout_s: float) -> list[dict[str, Any]]:
    """All steps of the scenario on that side.

    Raises:
        AssertionError: it did not come to its end; says what was written to stderr and the last step.
    """
    command = [node, str(scenario), side.url, str(side.mail_dir)]
    steps: list[dict[str, Any]] = []
    is_done = False
    with subprocess.Popen(
        command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        watchdog = threading.Timer(timeout_s, process.kill)
        watchdog.start()
        try:
            for line in process.stdout:
                message = json.loads(line)
                if "step" in message:
                    steps.append(message["step"])
                elif "ask" in message:
                    side.actions[message["ask"]]()
                    process.stdin.write("done\n")
                    process.stdin.flush()
                else:
                    is_done = message["done"]
            errors = process.stderr.read()
        finally:
            watchdog.cancel()
            process.kill()
    last = steps[-1]["name"] if steps else "none"
    assert is_done, f"{scenario.stem}, {side.name}: stopped after step {last!r}\n{errors or 'no message'}"
    return steps
