"""Plugins that cannot be loaded or started stop Hapta's start: exit code 2, with file and line."""

from pathlib import Path

import pytest

from tests.plugins.workshop import serving
from tests.support.pocketbase import PocketBase

NOT_LOADED = {
    "no_setup.py": ("x = 1\n", "plugins/no_setup.py:1: has no `def setup(api: PluginApi)`"),
    "async_setup.py": (
        "async def setup(api): ...\n",
        "plugins/async_setup.py:3: setup is to be a plain function",
    ),
    "syntax.py": ("def setup(api:\n", "plugins/syntax.py:3: '(' was never closed"),
    "sync_hook.py": (
        "def setup(api):\n    @api.validate('posts')\n    def look(change): ...\n",
        "plugins/sync_hook.py:4: validate takes a function made with `async def`",
    ),
    "arity.py": (
        "def setup(api):\n    @api.on_upload('posts')\n    async def look(upload): ...\n",
        "plugins/arity.py:4: on_upload: look must take 2 arguments (Upload, Change)",
    ),
    "twice.py": (
        "def setup(api):\n    for _ in 'ab':\n        @api.validate('posts')\n"
        "        async def look(change): ...\n",
        "plugins/twice.py:5: the name twice.look is used twice (line 5)",
    ),
    "depends.py": (
        "def setup(api):\n    @api.can_read('posts', 'title', depends_on=['ip'])\n"
        "    async def may(viewer, row): ...\n",
        'plugins/depends.py:4: can_read: depends_on takes "auth", "auth.id", "auth.FIELD", not \'ip\'',
    ),
    "bare.py": (
        "def setup(api):\n    @api.validate\n    async def look(change): ...\n",
        'plugins/bare.py:4: validate is used without (): write @api.validate("posts")',
    ),
    "exits.py": ("import sys\nsys.exit(0)\n", "plugins/exits.py:4: SystemExit: 0"),
    "late.py": ("def setup(api):\n    raise ValueError('no')\n", "plugins/late.py:4: ValueError: no"),
    "settings.py": (
        "class Mine(Settings):\n    most: int = 1\n\n\ndef setup(api):\n    api.settings(Mine)\n",
        "config.toml:2: plugins.settings.mosst: unknown key; did you mean most?",
    ),
    "types.py": (
        "class Mine(Settings):\n    most: int = 1\n\n\ndef setup(api):\n    api.settings(Mine)\n",
        "config.toml:4: plugins.types.most: expected `int`, got `str`",
    ),
    "unread.py": ("def setup(api): ...\n", "config.toml:6: plugins.unread.most: unknown key; it takes none"),
}  # fmt: skip
TABLES = """[plugins.settings]
mosst = 2
[plugins.types]
most = "two"
[plugins.unread]
most = 2
"""


def test_all_that_is_wrong_is_said_at_once_with_file_and_line(tmp_path: Path, pocketbase: PocketBase) -> None:
    plugins = {name: source for name, (source, _) in NOT_LOADED.items()}
    with serving(tmp_path, pocketbase.url, plugins, TABLES, is_started=False) as shop:
        shop.hapta.launch()
        assert shop.hapta.process is not None
        code, shop.hapta.process = shop.hapta.process.wait(20), None
    assert code == 2
    assert "Traceback" not in shop.hapta.log
    missing = [problem for _, problem in NOT_LOADED.values() if problem not in shop.hapta.log]
    assert not missing, shop.hapta.log


@pytest.mark.parametrize(
    ("plugins", "tables", "problem"),
    [
        ({}, "[plugins.gone]\nmost = 1\n", "[plugins.gone]: there is no plugin gone in plugins"),
        (
            {"Bad-Name.py": "def setup(api): ...\n"},
            "",
            "plugins/Bad-Name.py: a plugin's name is made of a to z, 0 to 9 and _, not 'Bad-Name'",
        ),
        (
            {"two.py": "def setup(api): ...\n", "two/__init__.py": "def setup(api): ...\n"},
            "",
            "of the same name",
        ),
        (
            {"asked.py": "def setup(api): ...\n"},
            '[plugins.asked]\nis_enabled = "no"\n',
            'config.toml:2: plugins.asked.is_enabled: expected true or false, got "no"',
        ),
        (
            {"begins.py": "def setup(api):\n    @api.startup\n    async def begin():\n        1 / 0\n"},
            "",
            "plugins/begins.py:4: startup of begins.begin: ZeroDivisionError: division by zero",
        ),
    ],
    ids=["a table without plugin", "a name", "a name twice", "is_enabled", "startup"],
)
def test_so_is_what_is_wrong_with_the_folder_or_at_startup(
    tmp_path: Path, pocketbase: PocketBase, plugins: dict[str, str], tables: str, problem: str
) -> None:
    with serving(tmp_path, pocketbase.url, plugins, tables, is_started=False) as shop:
        shop.hapta.launch()
        assert shop.hapta.process is not None
        code, shop.hapta.process = shop.hapta.process.wait(20), None
    assert code == 2
    assert problem in shop.hapta.log
    assert "Traceback" not in shop.hapta.log
