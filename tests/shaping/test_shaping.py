"""Nobody is shown by Hapta what the plugin keeps from them, and whoever may see it is shown it.

Rows of ``docs/differences.md`` proved here: ``shaped-answers``.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakePocketBase
from tests.shaping.drama import Drama
from tests.shaping.planted import PLANTED
from tests.support.hapta import Hapta

PLUGIN = Path(__file__).with_name("plugin.py")
MakeDrama = Callable[..., Drama]


@pytest.fixture
def make_drama(
    make_pocketbase: MakePocketBase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeDrama]:
    """``make_drama(BUG, SEED, {KEY: VALUE})``: a PocketBase and a Hapta with the plugin and a planted bug, or
    ``none``."""
    with ExitStack() as closing:

        def make(bug: str, seed: int, settings: dict[str, Any] | None = None) -> Drama:
            pocketbase, home = make_pocketbase(), tmp_path_factory.mktemp("hapta")
            plugin = home / "plugins" / "shaped.py"
            plugin.parent.mkdir()
            shutil.copy(PLUGIN, plugin)
            hapta = Hapta(home, pocketbase.url, {"server.trusted_proxies": "127.0.0.1", **(settings or {})})
            at = hapta.command.index("hapta")
            hapta.command[at : at + 2] = ["tests.shaping.serve", bug]
            closing.callback(hapta.stop)
            hapta.start()
            return Drama(pocketbase, hapta, plugin, seed)

        yield make


@pytest.mark.parametrize(
    ("seed", "settings", "least_hits"),
    [
        pytest.param(1, {}, 50, id="shared"),
        pytest.param(2, {"cache.pb_hooks": "auth"}, 50, id="with pb_hooks"),
        pytest.param(4, {"cache.is_enabled": False}, 0, id="without cache"),
    ],
)
async def test_everybody_gets_pocketbases_answer_shaped_for_them(
    make_drama: MakeDrama, seed: int, settings: dict[str, Any], least_hits: int
) -> None:
    drama = make_drama("none", seed, settings)
    await drama.all()
    assert not drama.problems, "\n".join(drama.problems[:5])
    assert drama.hits >= least_hits


DEFAULT = {
    "HEAD tells the length",
    "batches are not shaped",
    "files are guarded by rows of before",
    "viewers do not stand in keys",
}
"""Looked for in every run; the others in the full one: each takes a gateway of its own."""
assert set(PLANTED) >= DEFAULT


@pytest.mark.parametrize(
    "bug", [pytest.param(bug, marks=[] if bug in DEFAULT else [pytest.mark.all_modes]) for bug in PLANTED]
)
async def test_a_planted_bug_is_found(make_drama: MakeDrama, bug: str) -> None:
    drama = make_drama(bug, 3)
    await drama.all()
    assert drama.problems
