"""hapta.embedded.env_file"""

import stat
import threading
from pathlib import Path

import pytest

from hapta.embedded.env_file import extend_env, read_env
from hapta.model.errors import OperatorError
from tests.embedded.support import RecordedEvents


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hapta.env"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_readable_by_its_owner_alone_and_nothing_else_is_left(path: Path) -> None:
    assert extend_env(path, {"Secret": lambda: "s1"}, RecordedEvents()) == {"Secret": "s1"}
    assert mode(path) == 0o600
    assert read_env(path) == {"Secret": "s1"}
    assert [entry.name for entry in path.parent.iterdir()] == ["hapta.env"]


def test_extending_keeps_every_key_and_all_that_the_operator_wrote(path: Path) -> None:
    written = "# mine\nAdminEmail = 'me@example.com'  # that is me\r\nOther=x\n\nSecret=\"a b\""
    path.write_bytes(written.encode())
    path.chmod(0o600)
    wanted = {"Secret": lambda: "new", "AdminEmail": lambda: "new", "ServicePassword": lambda: "p"}
    expected = {"AdminEmail": "me@example.com", "Other": "x", "Secret": "a b", "ServicePassword": "p"}
    assert extend_env(path, wanted, RecordedEvents()) == expected
    assert path.read_bytes().decode() == written + "\nServicePassword=p\n"
    assert read_env(path) == expected


def test_a_file_that_lacks_nothing_is_not_written(path: Path) -> None:
    extend_env(path, {"Secret": lambda: "s1"}, RecordedEvents())
    before = path.stat()
    extend_env(path, {"Secret": lambda: "s2"}, RecordedEvents())
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_an_empty_value_counts_as_missing(path: Path) -> None:
    path.write_text("Secret=\n")
    assert extend_env(path, {"Secret": lambda: "s1"}, RecordedEvents())["Secret"] == "s1"
    assert read_env(path) == {"Secret": "s1"}


def test_rights_of_others_are_taken_away_with_a_warning(path: Path) -> None:
    path.write_text("Secret=s1\n")
    path.chmod(0o644)
    events = RecordedEvents()
    extend_env(path, {"Secret": lambda: "s2"}, events)
    assert mode(path) == 0o600
    assert events.named("secrets_were_readable")[0]["mode"] == "644"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(b"A=1\nsecret words of mine\n", 2, id="no key"),
        pytest.param(b"A=1\n\n\nSecret\n", 4, id="no value, after empty lines"),
        pytest.param(b'# c\nA="unclosed\nB=2\n', 2, id="an open quote"),
        pytest.param(b"A=1\n=hidden\n", 2, id="no name"),
        pytest.param(b"A=1\nB=2\nC=\xff\xfe\n", 3, id="not UTF-8"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line_and_left_alone(
    path: Path, content: bytes, line: int
) -> None:
    path.write_bytes(content)
    with pytest.raises(OperatorError) as error:
        extend_env(path, {"Secret": lambda: "s1"}, RecordedEvents())
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert not any(word in str(error.value) for word in ["words", "unclosed", "hidden"])
    assert path.read_bytes() == content


def test_a_link_to_a_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    target = tmp_path / "kept" / "secrets"
    target.write_text("A=1\n")
    path.symlink_to(target)
    extend_env(path, {"Secret": lambda: "s1"}, RecordedEvents())
    assert path.is_symlink()
    assert read_env(target) == {"A": "1", "Secret": "s1"}


def test_a_link_to_nowhere_and_a_directory_are_refused(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OperatorError, match="does not exist"):
        read_env(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(OperatorError, match="is not a file"):
        read_env(path)


def test_instances_that_extend_at_the_same_time_end_up_with_one_value_for_each_key(path: Path) -> None:
    results: list[dict[str, str]] = []
    start = threading.Barrier(8)

    def extend(number: int) -> None:
        start.wait()
        wanted = {"Secret": lambda: f"s{number}", f"Own{number}": lambda: "x"}
        results.append(extend_env(path, wanted, RecordedEvents()))

    threads = [threading.Thread(target=extend, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    final = read_env(path)
    assert len(final) == 9
    assert {result["Secret"] for result in results} == {final["Secret"]}
