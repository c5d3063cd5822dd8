"""The frame of the command: exit codes, messages, helps; nothing is imported that is not called."""

import subprocess
import sys
import types

import click
import pytest

from hapta import __version__
from hapta.cli import COMMANDS, main
from hapta.model.errors import OperatorError


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module in place of ``hapta.cli.serve``, whose command does what ``action`` says."""
    module = types.ModuleType("hapta.cli.serve")

    @click.command("serve")
    def command() -> int | None:
        return module.action()  # type: ignore[no-any-return]

    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hapta.cli.serve", module)
    return module


@pytest.mark.parametrize("code", [0, 1, 2])
def test_what_a_command_returns_is_the_exit_code(stand_in: types.ModuleType, code: int) -> None:
    stand_in.action = lambda: code  # type: ignore[attr-defined]
    assert main(["serve"]) == code


def test_a_command_that_returns_nothing_ended_well(stand_in: types.ModuleType) -> None:
    stand_in.action = lambda: None  # type: ignore[attr-defined]
    assert main(["serve"]) == 0


def test_a_command_may_end_through_its_context(stand_in: types.ModuleType) -> None:
    stand_in.action = lambda: click.get_current_context().exit(1)  # type: ignore[attr-defined]
    assert main(["serve"]) == 1


def test_an_operator_error_is_one_line_a_problem_and_exit_code_2(
    stand_in: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OperatorError("one thing\nanother thing")

    stand_in.action = fail  # type: ignore[attr-defined]
    assert main(["serve"]) == 2
    assert capsys.readouterr() == ("", "hapta: one thing\nhapta: another thing\n")


def test_an_interrupt_is_exit_code_130(
    stand_in: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    stand_in.action = interrupt  # type: ignore[attr-defined]
    assert main(["serve"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_misspelt_command_brings_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chek"]) == 2
    assert "No such command 'chek'; did you mean check?" in capsys.readouterr().err
    assert main(["zzz"]) == 2
    assert "No such command 'zzz'." in capsys.readouterr().err


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hapta {__version__}\n"


def test_the_help_lists_every_command_without_importing_any() -> None:
    script = (
        "import sys; from hapta.cli import main; code = main(['--help']);"
        "heavy = ('hapta.cli.', 'hapta.config', 'aiohttp', 'msgspec');"
        "print([name for name in sys.modules if name.startswith(heavy)]);"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *shown, imported = done.stdout.splitlines()
    assert imported == "[]"
    assert done.stderr == ""
    for name, text in COMMANDS.items():
        assert any(line.split()[:2] == [name, text.split()[0]] for line in shown)


def test_python_m_hapta_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hapta", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"hapta {__version__}\n"
