"""The bundled examples without a server, as a plugin's author would test them."""

from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "plugins" / "examples"
