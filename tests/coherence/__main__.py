"""The concurrent check on demand: ``python -m tests.coherence --reads 1000000 --seed 7``."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.coherence.load import Load
from tests.coherence.site import open_site
from tests.support.pocketbase import make_template


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.coherence")
    parser.add_argument("--reads", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--embedded", action="store_true", help="a PocketBase of Hapta's own")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of Hapta")
    chosen = parser.parse_args()
    settings: dict[str, Any] = dict(pair.split("=", 1) for pair in chosen.set)
    settings["is_embedded"] = chosen.embedded
    with tempfile.TemporaryDirectory(prefix="hapta-coherence-", dir="/var/tmp") as base:
        root = Path(base)

        def home(name: str) -> Path:
            (root / name).mkdir()
            return root / name

        with open_site(make_template(home("template")), home, **settings) as site:
            load = Load(site.world, site.line, site.tokens, chosen.seed)
            report = asyncio.run(load.run(chosen.reads, chosen.clients))
    print(report)
    return 0 if report.findings.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
