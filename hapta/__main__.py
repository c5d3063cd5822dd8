"""``python -m hapta`` is ``hapta``."""

import sys

from hapta.cli import main

if __name__ == "__main__":
    sys.exit(main())
