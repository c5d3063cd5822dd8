"""``python -m tests.shaping.serve NAME …``: ``hapta serve …`` with a planted bug; ``none`` is none."""

import sys

import hapta
from hapta.cli import main
from tests.isolation.patching import load_all
from tests.shaping.planted import PLANTED

if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    load_all(hapta)
    if name != "none":
        PLANTED[name]()
    sys.exit(main(["serve", *arguments]))
