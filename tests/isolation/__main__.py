"""``python -m tests.isolation --triples 50000 --seed 7``: a long run, with a line per world.
``python -m tests.isolation --remade 400 --seed 7``: the same of what is made without PocketBase.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.isolation import remade, stage
from tests.isolation.report import Figures
from tests.isolation.runner import run


def main() -> int:
    """Run; 1 when there were differences."""
    parser = argparse.ArgumentParser(prog="python -m tests.isolation", description=__doc__)
    parser.add_argument("--triples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--world", type=int, help="only this one")
    parser.add_argument("--remade", type=int, help="go through so many worlds of own writes")
    parser.add_argument("--differences", type=int, default=1, help="stop after so many")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE for Hapta")
    chosen = parser.parse_args()

    async def ask(urls: tuple[str, str]) -> Figures:
        async with stage.doors(urls) as doors:
            if chosen.remade is not None:
                worlds = range(chosen.remade) if chosen.world is None else [chosen.world]
                return await remade.run(doors, chosen.seed, worlds, say=lambda line: print(line, flush=True))
            return await run(
                doors,
                chosen.seed,
                chosen.triples,
                worlds=None if chosen.world is None else [chosen.world],
                differences=chosen.differences,
                say=lambda line: print(line, flush=True),
            )

    more = dict(setting.split("=", 1) for setting in chosen.set)
    with (
        tempfile.TemporaryDirectory(prefix="isolation-") as home,
        stage.running(Path(home), more=more) as urls,
    ):
        began = time.monotonic()
        figures = asyncio.run(ask(urls))
        print(f"{figures}, {time.monotonic() - began:.0f} s")
        for fate, count in figures.fates.most_common(25):
            print(f"  {count:7} {fate}")
    return 1 if figures.differences else 0


if __name__ == "__main__":
    sys.exit(main())
