"""hapta.embedded.prepare and the data directory, without any process."""

import json
import os
import socket
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hapta.embedded import GivenSecrets
from hapta.embedded.env_file import read_env
from hapta.model.errors import OperatorError
from tests.embedded.support import RecordedEvents, make_ready, rows

NOBODY = 65534


def everything(base_dir: Path) -> dict[str, tuple[int, bytes]]:
    """Path, mode and content of all that is below, links not followed."""
    found = {}
    for path in base_dir.rglob("*"):
        content = (
            path.read_bytes() if path.is_file() else os.readlink(path).encode() if path.is_symlink() else b""
        )
        found[str(path)] = path.lstat().st_mode, content
    return found


def refused(base_dir: Path, problem: str, **settings: object) -> None:
    """``prepare`` refuses with ``problem`` and leaves everything as it was."""
    before = everything(base_dir)
    with pytest.raises(OperatorError, match=problem):
        make_ready(base_dir, **settings)  # type: ignore[arg-type]
    assert everything(base_dir) == before


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write anywhere; nobody may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def fill_foreign(data_dir: Path) -> None:
    data_dir.mkdir()
    with closing(sqlite3.connect(data_dir / "data.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE posts (id TEXT, body TEXT)")
        connection.executemany("INSERT INTO posts VALUES (?, ?)", [(str(n), "x" * n) for n in range(50)])
        connection.commit()
    (data_dir / "storage" / "c1" / "r1").mkdir(parents=True)
    (data_dir / "storage" / "c1" / "r1" / "file.png").write_bytes(bytes(range(256)))
    (data_dir / "link").symlink_to("storage")


def test_a_new_directory_is_made_marked_and_closed_to_others(tmp_path: Path) -> None:
    prepared = make_ready(tmp_path)
    data_dir = tmp_path / "pb_data"
    assert json.loads((data_dir / "hapta.json").read_text()) == {"format": 1, "accounts": {}}
    assert (data_dir / "hapta.pid").read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert prepared.is_new
    prepared.release()
    assert not (data_dir / "hapta.pid").exists()
    make_ready(tmp_path).release()


def test_secrets_are_made_up_once_and_stand_in_no_repr(tmp_path: Path) -> None:
    prepared = make_ready(tmp_path)
    prepared.release()
    values = read_env(tmp_path / "hapta.env")
    assert list(values) == ["Secret", "AdminEmail", "AdminPassword", "ServiceEmail", "ServicePassword"]
    assert all(len(values[name]) >= 43 for name in ["Secret", "AdminPassword", "ServicePassword"])
    assert len(set(values.values())) == 5
    assert not any(values[n] in repr(prepared) for n in ["Secret", "AdminPassword", "ServicePassword"])
    again = make_ready(tmp_path)
    again.release()
    assert (again.secret, again.operator, again.service) == (
        prepared.secret,
        prepared.operator,
        prepared.service,
    )


def test_what_the_operator_gives_is_taken_and_not_written_down(tmp_path: Path) -> None:
    given = GivenSecrets(secret="s" * 40, admin_email="me@example.com", admin_password="my password")
    prepared = make_ready(tmp_path, given=given)
    prepared.release()
    assert (prepared.secret, prepared.operator.email, prepared.operator.password) == (
        "s" * 40,
        "me@example.com",
        "my password",
    )
    assert list(read_env(tmp_path / "hapta.env")) == ["ServiceEmail", "ServicePassword"]


def test_an_empty_directory_and_a_fresh_disk_are_taken_as_new(tmp_path: Path) -> None:
    (tmp_path / "pb_data" / "lost+found").mkdir(parents=True)
    prepared = make_ready(tmp_path)
    assert prepared.is_new
    prepared.release()


def test_a_link_to_a_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "pb_data").symlink_to("disk")
    make_ready(tmp_path).release()
    assert (tmp_path / "disk" / "hapta.json").is_file()


def test_foreign_data_is_refused_and_with_leave_adopted_after_a_backup(tmp_path: Path) -> None:
    data_dir = tmp_path / "pb_data"
    fill_foreign(data_dir)
    refused(tmp_path, f"{data_dir}: holds data that is not Hapta's; .*--adopt-data")
    events = RecordedEvents()
    prepared = make_ready(tmp_path, adopt_data=True, events=events)
    prepared.release()
    backup = prepared.backup
    assert backup is not None
    assert backup.parent == tmp_path
    assert backup.name.startswith("pb_data.backup-2")
    assert rows(backup / "data.db") == rows(data_dir / "data.db")
    assert (backup / "storage/c1/r1/file.png").read_bytes() == bytes(range(256))
    assert os.readlink(backup / "link") == "storage"
    assert sorted(e.name for e in backup.iterdir()) == ["data.db", "link", "storage"]
    assert events.named("data_adopted")[0]["backup"] == str(backup)
    assert not prepared.is_new
    again = make_ready(tmp_path, adopt_data=True)
    again.release()
    assert again.backup is None


def test_a_backup_holds_what_still_stands_in_the_write_ahead_log(tmp_path: Path) -> None:
    data_dir = tmp_path / "pb_data"
    fill_foreign(data_dir)
    copies = {}
    with closing(sqlite3.connect(data_dir / "data.db")) as connection:
        connection.execute("INSERT INTO posts VALUES ('late', 'only in the log')")
        connection.commit()
        copies = {path.name: path.read_bytes() for path in data_dir.glob("data.db*")}
    assert set(copies) == {"data.db", "data.db-wal", "data.db-shm"}
    for name, content in copies.items():  # as after a crash: the log was never brought into the database
        (data_dir / name).write_bytes(content)
    prepared = make_ready(tmp_path, adopt_data=True)
    prepared.release()
    assert prepared.backup is not None
    assert any("only in the log" in row for row in rows(prepared.backup / "data.db"))
    assert not (prepared.backup / "data.db-wal").exists()


def test_a_backup_never_replaces_another(tmp_path: Path) -> None:
    fill_foreign(tmp_path / "pb_data")
    backups: set[Path | None] = set()
    for _ in range(3):
        (tmp_path / "pb_data" / "hapta.json").unlink(missing_ok=True)
        prepared = make_ready(tmp_path, adopt_data=True)
        prepared.release()
        assert prepared.backup not in backups
        backups.add(prepared.backup)
    assert len(list(tmp_path.glob("pb_data.backup-*"))) == 3


def test_data_that_another_program_has_open_is_not_adopted(tmp_path: Path) -> None:
    fill_foreign(tmp_path / "pb_data")
    with closing(sqlite3.connect(tmp_path / "pb_data" / "data.db")) as connection:
        connection.execute("SELECT count(*) FROM posts").fetchall()
        with pytest.raises(OperatorError, match="another process has it open"):
            make_ready(tmp_path, adopt_data=True)
    assert not list(tmp_path.glob("*backup*"))
    assert not (tmp_path / "pb_data" / "hapta.json").exists()
    assert not (tmp_path / "hapta.env").exists()


def test_a_database_that_is_none_is_not_adopted(tmp_path: Path) -> None:
    (tmp_path / "pb_data").mkdir()
    (tmp_path / "pb_data" / "data.db").write_bytes(b"no database at all" * 100)
    refused(tmp_path, "not PocketBase's data", adopt_data=True)


def test_a_second_instance_is_refused_with_the_holders_pid_until_the_first_is_gone(tmp_path: Path) -> None:
    first = make_ready(tmp_path)
    refused(tmp_path, rf"{tmp_path}/pb_data: in use by another Hapta \(pid {os.getpid()}\)")
    refused(tmp_path, "in use by another Hapta", adopt_data=True)
    first.release()
    make_ready(tmp_path).release()


def _not_a_directory(base_dir: Path) -> None:
    (base_dir / "pb_data").write_text("x")


def _dangling(base_dir: Path) -> None:
    (base_dir / "pb_data").symlink_to("nowhere")


def _loop(base_dir: Path) -> None:
    (base_dir / "pb_data").symlink_to("pb_data")


def _newer(base_dir: Path) -> None:
    (base_dir / "pb_data").mkdir()
    (base_dir / "pb_data" / "hapta.json").write_text('{"format": 99}')


def _damaged(base_dir: Path) -> None:
    (base_dir / "pb_data").mkdir()
    (base_dir / "pb_data" / "hapta.json").write_text("[1, 2")


def _linked_marker(base_dir: Path) -> None:
    (base_dir / "pb_data").mkdir()
    (base_dir / "real.json").write_text('{"format": 1}')
    (base_dir / "pb_data" / "hapta.json").symlink_to(base_dir / "real.json")


def _malformed_env(base_dir: Path) -> None:
    (base_dir / "hapta.env").write_text("Secret=x\nnonsense here\n")


def _long_password(base_dir: Path) -> None:
    (base_dir / "hapta.env").write_text(f"AdminPassword={'ä' * 37}\n")


def _short_password(base_dir: Path) -> None:
    (base_dir / "hapta.env").write_text("AdminPassword=short\n")


def _own_account(base_dir: Path) -> None:
    (base_dir / "hapta.env").write_text("AdminEmail=Hapta-Service@hapta.local\n")


@pytest.mark.parametrize(
    ("arrange", "problem"),
    [
        pytest.param(_not_a_directory, "pb_data: is not a directory", id="a file in its place"),
        pytest.param(_dangling, "is a link to nowhere, which does not exist", id="a link to nowhere"),
        pytest.param(_loop, "is a link to pb_data, which does not exist", id="a link to itself"),
        pytest.param(_newer, "has format 99, this Hapta knows 1", id="a newer format"),
        pytest.param(_damaged, "hapta.json: is damaged", id="a damaged marker"),
        pytest.param(_linked_marker, "hapta.json: is not a plain file", id="a marker that is a link"),
        pytest.param(_malformed_env, "hapta.env:2: expected KEY=value", id="a malformed hapta.env"),
        pytest.param(
            _long_password, "AdminPassword: PocketBase takes none over 72 bytes", id="a long password"
        ),
        pytest.param(_short_password, "AdminPassword: PocketBase takes none under 8", id="a short password"),
        pytest.param(
            _own_account, "is the account Hapta uses itself", id="the operator with Hapta's account"
        ),
    ],
)
def test_what_stands_in_the_way_is_told_and_nothing_written(
    tmp_path: Path, arrange: Callable[[Path], None], problem: str
) -> None:
    arrange(tmp_path)
    refused(tmp_path, problem)


@pytest.mark.parametrize("state_dir", ["pb_data", "pb_data/state", "other/../pb_data"])
def test_secrets_are_kept_out_of_the_data_directory(tmp_path: Path, state_dir: str) -> None:
    (tmp_path / "other").mkdir()
    make_ready(tmp_path).release()
    (tmp_path / "pb_data" / "state").mkdir()
    refused(tmp_path, "lies in upstream.data_dir", state_dir=state_dir)


def test_a_missing_state_directory_is_told(tmp_path: Path) -> None:
    refused(tmp_path, "server.state_dir is not a directory", state_dir="none")


def test_a_parent_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(tmp_path, "file/pb_data: cannot be made: Not a directory", data_dir="file/pb_data")


@pytest.mark.parametrize("closed", [".", "pb_data"])
def test_directories_one_may_not_write_to_are_told(tmp_path: Path, closed: str) -> None:
    for directory in [tmp_path, *tmp_path.parents]:
        if directory.stat().st_uid == os.getuid() and directory != Path("/tmp"):  # nobody must get there
            directory.chmod(directory.stat().st_mode | 0o755)
    if os.geteuid() == 0:
        os.chown(tmp_path, NOBODY, NOBODY)
    with as_nobody():
        make_ready(tmp_path).release()
        (tmp_path / closed).chmod(0o500)
        try:
            refused(tmp_path, "is not writable; give this user the right")
        finally:
            (tmp_path / closed).chmod(0o700)


def test_a_port_in_use_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refused(tmp_path, f"embedded_port {port}: another program listens there", port=port)


def test_the_marker_comes_back_after_a_restore_took_it(tmp_path: Path) -> None:
    prepared = make_ready(tmp_path)
    prepared.data_dir.mark({"operator": "fingerprint"})
    assert not prepared.data_dir.ensure_marker()
    (tmp_path / "pb_data" / "hapta.json").unlink()
    (tmp_path / "pb_data" / "hapta.pid").unlink()
    assert prepared.data_dir.ensure_marker()
    refused(tmp_path, f"in use by another Hapta .pid {os.getpid()}")
    prepared.release()
    again = make_ready(tmp_path)
    assert again.data_dir.accounts == {}  # the restored data has other accounts
    again.release()
