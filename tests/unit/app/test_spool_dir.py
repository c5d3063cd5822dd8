"""The folder for large bodies is made and tried out before it is needed."""

import tempfile
from pathlib import Path

import pytest

from hapta.app.spool_dir import spool_directory
from hapta.config import Loaded, load
from hapta.model.errors import OperatorError
from tests.support.hapta import SECRET


def loaded(tmp_path: Path, spool_dir: str) -> Loaded:
    return load(None, {"Secret": SECRET}, [f"server.spool_dir={spool_dir}"], tmp_path)


def test_without_a_name_it_is_the_systems(tmp_path: Path) -> None:
    assert spool_directory(loaded(tmp_path, "")) is None


@pytest.mark.parametrize("name", ["spool", "a/b/c"])
def test_a_folder_that_is_missing_is_made_and_left_empty(tmp_path: Path, name: str) -> None:
    for _ in range(2):
        assert spool_directory(loaded(tmp_path, name)) == str(tmp_path / name)
        assert list((tmp_path / name).iterdir()) == []


def test_an_absolute_one_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    assert spool_directory(loaded(tmp_path, str(folder))) == str(folder)


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_what_is_no_folder_is_told_with_key_and_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OperatorError) as caught:
        spool_directory(loaded(tmp_path, name))
    assert str(caught.value).startswith(f"server.spool_dir: {tmp_path / name} ")


def test_a_system_without_a_temporary_folder_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(OperatorError, match="temporary folder"):
        spool_directory(loaded(tmp_path, ""))
