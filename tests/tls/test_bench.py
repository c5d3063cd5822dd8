"""``hapta bench`` over https."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.certificates import make_certificate


def test_a_workload_goes_over_https_to_a_gateway_with_a_certificate(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    settings = [f"--set=server.tls_cert={made.cert}", f"--set=server.tls_key={made.key}"]
    done = subprocess.run(
        [sys.executable, "-m", "hapta", "bench", "--requests", "40", "--json", *settings],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["requests"], found["stale"], found["leaks"]) == (40, 0, 0)
    assert "Hapta at https://127.0.0.1:" in found["target"]


def test_one_that_cannot_be_read_is_told_before_anything_is_started(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hapta", "bench", "--set", f"server.tls_cert={tmp_path}/none.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 2
    assert done.stderr == f"hapta: server.tls_cert: {tmp_path}/none.pem does not exist\n"
