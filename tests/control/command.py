"""The command line beside a running Hapta."""

import subprocess
import sys
from pathlib import Path

from tests.support.hapta import Hapta

_ROOT = Path(__file__).parents[2]


def run_command(hapta: Hapta, *arguments: str, code: int = 0) -> str:
    """``hapta …`` where ``hapta`` runs; what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "hapta", *arguments],
        cwd=hapta.home,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    shown = done.stdout + done.stderr
    assert "Traceback" not in shown
    assert done.returncode == code, shown
    return shown
