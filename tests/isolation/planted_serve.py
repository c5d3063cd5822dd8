"""``python -m tests.isolation.planted_serve NAME …``: ``hapta serve …`` with a planted bug."""

import sys

import hapta
from hapta.cli import main
from tests.isolation.patching import load_all
from tests.isolation.planted import MUTATIONS
from tests.isolation.planted_remade import REMADE

if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    load_all(hapta)
    plant = REMADE.get(name) or MUTATIONS[name].apply
    plant()
    sys.exit(main(["serve", *arguments]))
