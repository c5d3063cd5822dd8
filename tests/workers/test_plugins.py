"""Functions of plugins: of a file or a folder that no import would find, and that changes meanwhile."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from hapta.workers.errors import JobFailed
from hapta.workers.functions import FunctionRef
from hapta.workers.pool import WorkerPool
from tests.workers.conftest import MakePool

LoadPlugin = Callable[[Path, str], ModuleType]


@pytest.fixture
def load_plugin(monkeypatch: pytest.MonkeyPatch) -> LoadPlugin:
    """As the gateway does: a file, or the ``__init__.py`` of a folder, under a name of its own."""

    def load(file: Path, name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
async def pool(make_pool: MakePool) -> WorkerPool:
    """One worker, so that a second job meets what the first one left."""
    return make_pool(count=1)


def folder_plugin(folder: Path) -> Path:
    """A plugin of several modules, one in a folder of its own."""
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("from .words import word\nfrom .deep import tool\n")
    (folder / "words.py").write_text("WORD = 'one'\ndef word():\n    return WORD\n")
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "deep" / "tool.py").write_text(
        "from ..words import word\nfrom pathlib import Path\n"
        "def twice():\n    return word() * 2\n"
        "def beside():\n    return (Path(__file__).parent / 'data.txt').read_text()\n"
    )
    (folder / "deep" / "data.txt").write_text("data")
    return folder / "__init__.py"


async def test_a_function_of_a_file_runs(pool: WorkerPool, tmp_path: Path) -> None:
    file = tmp_path / "my-plugin.py"
    file.write_text("def double(x):\n    return x * 2\n")
    assert await pool.run(FunctionRef(str(file), "double"), 21) == 42


async def test_a_file_is_loaded_once_while_it_stays_the_same(pool: WorkerPool, tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text("count = 0\ndef counted():\n    global count\n    count += 1\n    return count\n")
    ref = FunctionRef(str(file), "counted")
    assert [await pool.run(ref) for _ in range(3)] == [1, 2, 3]
    os.utime(file)  # touched, not changed
    assert await pool.run(ref) == 4


async def test_a_changed_file_is_loaded_anew_however_quickly_it_changed(
    pool: WorkerPool, tmp_path: Path
) -> None:
    file = tmp_path / "plugin.py"
    for version in range(10):
        file.write_text(f"def version():\n    return {version}\n")  # the same size, within one second
        assert await pool.run(FunctionRef(str(file), "version")) == version


async def test_a_change_that_does_not_load_keeps_the_last_version(
    pool: WorkerPool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = folder_plugin(tmp_path / "plugin")
    ref = FunctionRef(str(file), "twice", "plugin_under_test", "deep.tool")
    assert await pool.run(ref) == "oneone"
    (tmp_path / "plugin" / "words.py").write_text("def word(:\n")
    assert [await pool.run(ref) for _ in range(2)] == ["oneone", "oneone"]
    assert capfd.readouterr().err.count("does not load; its last version goes on") == 1
    (tmp_path / "plugin" / "words.py").write_text("def word():\n    return 'two'\n")
    assert await pool.run(ref) == "twotwo"


async def test_a_file_that_never_loaded_is_the_job_s_failure_until_it_does(
    pool: WorkerPool, tmp_path: Path
) -> None:
    file = tmp_path / "plugin.py"
    ref = FunctionRef(str(file), "f")
    with pytest.raises(JobFailed, match="FileNotFoundError"):
        await pool.run(ref)
    file.write_text("raise LookupError('at import')\n")
    with pytest.raises(JobFailed, match="LookupError: at import"):
        await pool.run(ref)
    file.write_text("def f(:\n")
    with pytest.raises(JobFailed, match="SyntaxError"):
        await pool.run(ref)
    file.write_text("f = 3\n")
    with pytest.raises(JobFailed, match=r"TypeError: f of .* is not a function"):
        await pool.run(ref)
    file.write_text("def g():\n    return 1\n")
    with pytest.raises(JobFailed, match="AttributeError"):
        await pool.run(ref)
    file.write_text("def f():\n    return 1\n")
    assert await pool.run(ref) == 1


async def test_a_folder_is_a_package_with_relative_imports(pool: WorkerPool, tmp_path: Path) -> None:
    file = str(folder_plugin(tmp_path / "plugin"))
    assert await pool.run(FunctionRef(file, "word")) == "one"
    assert await pool.run(FunctionRef(file, "twice", submodule="deep.tool")) == "oneone"
    assert await pool.run(FunctionRef(file, "beside", submodule="deep.tool")) == "data"


async def test_a_change_in_any_module_of_a_folder_is_seen_in_all(pool: WorkerPool, tmp_path: Path) -> None:
    ref = FunctionRef(str(folder_plugin(tmp_path / "plugin")), "twice", submodule="deep.tool")
    assert await pool.run(ref) == "oneone"
    (tmp_path / "plugin" / "words.py").write_text("def word():\n    return 'two'\n")
    assert await pool.run(ref) == "twotwo"


@pytest.mark.parametrize("name", ["plugin_under_test", "plugins_under_test.mine"])
async def test_instances_of_a_plugin_s_classes_go_both_ways(
    pool: WorkerPool, tmp_path: Path, load_plugin: LoadPlugin, name: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Job:\n    n: int\n"
        "def more(job):\n    return Job(job.n + 1)\n"
    )
    if "." in name:
        load_plugin(folder_plugin(tmp_path / "parent"), name.partition(".")[0])
    module = load_plugin(file, name)
    ref = FunctionRef.of(module.more, str(file), name)
    assert await pool.run(ref, module.Job(1)) == module.Job(2)


async def test_a_reference_to_a_function_within_a_folder_is_made_of_the_function(
    pool: WorkerPool, tmp_path: Path, load_plugin: LoadPlugin
) -> None:
    file = folder_plugin(tmp_path / "plugin")
    module = load_plugin(file, "plugin_under_test")
    try:
        twice = FunctionRef.of(module.tool.twice, str(file), "plugin_under_test")
        word = FunctionRef.of(module.word, str(file), "plugin_under_test")
    finally:
        for name in [name for name in sys.modules if name.startswith("plugin_under_test.")]:
            del sys.modules[name]
    assert (twice.submodule, word.submodule) == ("deep.tool", "words")
    assert await pool.run(twice) == "oneone"
    assert await pool.run(word) == "one"


async def test_plugins_do_not_take_each_other_s_or_python_s_names(pool: WorkerPool, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / f"{name}.py").write_text(f"def who():\n    return {name!r}\n")
    one, other = str(tmp_path / "one.py"), str(tmp_path / "other.py")
    assert await pool.run(FunctionRef(one, "who")) == "one"
    assert await pool.run(FunctionRef(other, "who")) == "other"
    assert await pool.run(FunctionRef(one, "who", "a_plugin")) == "one"
    with pytest.raises(JobFailed, match=r"ImportError: a_plugin is the plugin .* needs another name"):
        await pool.run(FunctionRef(other, "who", "a_plugin"))
    with pytest.raises(JobFailed, match="ImportError: pickle is a module already"):
        await pool.run(FunctionRef(other, "who", "pickle"))


async def test_a_file_that_is_gone_for_a_moment_goes_on_as_it_was(pool: WorkerPool, tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text("def f():\n    return 1\n")
    assert await pool.run(FunctionRef(str(file), "f")) == 1
    file.unlink()
    assert await pool.run(FunctionRef(str(file), "f")) == 1
    file.write_text("def f():\n    return 2\n")
    assert await pool.run(FunctionRef(str(file), "f")) == 2
