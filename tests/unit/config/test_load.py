"""Sources and their order; problems with their place."""

from pathlib import Path

import pytest

from hapta.config import Config, ConfigErrors, load
from hapta.model.errors import OperatorError
from tests.unit.config.conftest import Problems


def test_without_any_source_everything_is_at_its_default(tmp_path: Path) -> None:
    loaded = load(None, {}, [], tmp_path)
    assert loaded.config == Config()
    assert (loaded.base_dir, loaded.config_path, loaded.origins) == (tmp_path, None, {})


def test_later_sources_win_and_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "[server]\nport = 1\ngrace_s = 1\ndrain_delay_s = 1\nbody_grace_s = 1\n"
    )
    (tmp_path / ".env").write_text(
        "\nHAPTA_SERVER__GRACE_S=2\nHAPTA_SERVER__DRAIN_DELAY_S=2\nHAPTA_SERVER__BODY_GRACE_S=2\n"
    )
    environ = {"HAPTA_SERVER__DRAIN_DELAY_S": "3", "HAPTA_SERVER__BODY_GRACE_S": "3"}
    loaded = load(Path("config.toml"), environ, ["server.body_grace_s=4"], tmp_path)
    server = loaded.config.server
    assert (server.port, server.grace_s, server.drain_delay_s, server.body_grace_s) == (1, 2, 3, 4)
    assert loaded.origins == {
        "server.port": "config.toml:2",
        "server.grace_s": ".env:2",
        "server.drain_delay_s": "environment HAPTA_SERVER__DRAIN_DELAY_S",
        "server.body_grace_s": "--set server.body_grace_s=4",
    }


def test_files_beside_a_config_elsewhere_belong_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "state").mkdir(parents=True)
    (folder / "my.toml").write_text('[server]\nstate_dir = "state"\n')
    (folder / ".env").write_text("AdminEmail=a@example.org\n")
    (folder / "state" / "hapta.env").write_text("AdminPassword=generated\n")
    loaded = load(folder / "my.toml", {}, [], tmp_path)
    assert loaded.base_dir == folder
    assert loaded.config_path == folder / "my.toml"
    assert loaded.path(loaded.config.server.state_dir) == folder / "state"
    assert (loaded.secrets.admin_email, loaded.secrets.admin_password) == ("a@example.org", "generated")
    assert loaded.origins["AdminPassword"] == "elsewhere/state/hapta.env:1"


def test_secrets_of_the_environment_win_over_env_and_that_over_hapta_env(tmp_path: Path) -> None:
    (tmp_path / "hapta.env").write_text("Secret=made\nAdminEmail=made\nAdminPassword=made\n")
    (tmp_path / ".env").write_text("Secret=file\nAdminEmail=file\nAdminPassword=\n")
    secrets = load(None, {"Secret": "environment", "AdminEmail": ""}, [], tmp_path).secrets
    assert secrets.secret == "environment"
    assert secrets.admin_email == "file", "an empty value says nothing"
    assert secrets.admin_password == "made"


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("[server]\nprot = 1\n", "config.toml:2: server.prot: unknown key; did you mean port?"),
        ("[server]\nzzz = 1\n", "config.toml:2: server.zzz: unknown key"),
        ("[server]\nlevel = 1\n", "config.toml:2: server.level: unknown key; did you mean log.level?"),
        ("\n[sever]\nport = 1\n", "config.toml:2: sever: unknown table; did you mean server?"),
        ("[nonsense]\n", "config.toml:1: nonsense: unknown table"),
        ("[server.tsl]\ncert = 1\n", "config.toml:1: server.tsl: unknown key"),
        ("server = 3\n", "config.toml:1: server: expected a table, got 3"),
        ("[[server]]\n", "config.toml:1: server: expected a table, got [{}]"),
        ("port = 3\n", "config.toml:1: port: stands outside of its table; put it below the line [server]"),
        ('"server.port" = 3\n', "config.toml:1: server.port: a dotted key stands without quotes"),
        ("[server]\n'a\\nb' = 3\n", "config.toml:2: server.a\\nb: unknown key"),
        (
            '[server]\n\nport = "8080"\n',
            'config.toml:3: server.port: expected an integer >= 0 and <= 65535, got "8080"',
        ),
        ("server.port = 1.0\n", "config.toml:1: server.port: expected an integer >= 0 and <= 65535, got 1.0"),
        ("server.port = true", "config.toml:1: server.port: expected an integer >= 0 and <= 65535, got true"),
        (
            "server.port = 70000",
            "config.toml:1: server.port: expected an integer >= 0 and <= 65535, got 70000",
        ),
        (
            "server.grace_s = nan",
            "config.toml:1: server.grace_s: expected a number >= 0 and <= 86400, got nan",
        ),
        (
            "server.grace_s = inf",
            "config.toml:1: server.grace_s: expected a number >= 0 and <= 86400, got inf",
        ),
        (
            'upstream.max_wait_s = "fast"',
            'config.toml:1: upstream.max_wait_s: expected a number > 0 and <= 86400, got "fast"',
        ),
        ("ratelimit.ip = 1", "config.toml:1: ratelimit.ip: expected true or false, got 1"),
        ('server.host = ""', 'config.toml:1: server.host: expected a text that is not empty, got ""'),
        (
            'server.state_dir = "a\\u0000b"',
            'config.toml:1: server.state_dir: expected a text without control characters, got "a\\u0000b"',
        ),
        ("admin.networks = [1]", "config.toml:1: admin.networks: expected a list of texts, got [1]"),
        ('admin.networks = "::1"', 'config.toml:1: admin.networks: expected a list of texts, got "::1"'),
        ("log.access = {}", "config.toml:1: log.access: expected a text, got a table"),
        (
            "log.level = 1979-05-27",
            'config.toml:1: log.level: expected one of "debug", "info", "warning", "error", got "1979-05-27"',
        ),
        (
            'AdminPassword = "hunter2"',
            "config.toml:1: AdminPassword: AdminPassword is a secret; "
            "it belongs into .env or the environment, not here",
        ),
        (
            'server.database_url = "http://me:hunter2@db"',
            "config.toml:1: server.database_url: DatabaseURL is a secret; "
            "it belongs into .env or the environment, not here",
        ),
    ],
)
def test_a_problem_in_the_file_is_shown_with_its_line(toml: str, line: str, problems: Problems) -> None:
    assert problems(toml) == [line]


def test_an_integer_will_do_for_a_number(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[server]\ngrace_s = 3\n")
    grace_s = load(Path("config.toml"), {}, [], tmp_path).config.server.grace_s
    assert (grace_s, type(grace_s)) == (3.0, float)


def test_all_problems_come_out_at_once(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ADMIN_PASSWORD=hunter2\nHAPTA_LOG__LEVEL=loud\n")
    found = problems(
        '[server]\nprot = 1\nport = "x"\n[upstream]\nkeepalive_s = 400\n[loog]\n',
        environ={"HAPTA_SERVER__PORT": "ten", "HAPTA_SERVER__HOSTT": "x", "HAPTA_NO_TABLE": "ignored"},
        overrides=["cors.memo_s=-1", "nothing", "a.b=1"],
    )
    assert found == [
        "config.toml:2: server.prot: unknown key; did you mean port?",
        'config.toml:3: server.port: expected an integer >= 0 and <= 65535, got "x"',
        "config.toml:6: loog: unknown table; did you mean log?",
        '.env:2: log.level: expected one of "debug", "info", "warning", "error", got "loud"',
        "environment HAPTA_SERVER__HOSTT: server.hostt: unknown key; did you mean host?",
        'environment HAPTA_SERVER__PORT: server.port: expected an integer, got "ten"',
        "--set cors.memo_s=-1: cors.memo_s: expected a number >= 0 and <= 86400, got -1.0",
        "--set: expected section.key=VALUE, such as --set server.port=9000",
        "--set: a.b: unknown table",
        "config.toml:5: upstream.keepalive_s: expected a number below 300: "
        "after 300 s PocketBase closes the connection under a request",
        ".env:1: ADMIN_PASSWORD: unknown name; did you mean AdminPassword?",
    ]


@pytest.mark.parametrize("override", ["Secret=hunter2", "AdminPassword=hunter2", "server.Secret=hunter2"])
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(override: str, problems: Problems) -> None:
    (line,) = problems(overrides=[override])
    assert "is a secret" in line
    assert "hunter2" not in line


def test_names_of_other_programs_in_env_are_left_alone(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "export PORT=3\nJWT_SECRET=x\nPOSTGRES_PASSWORD=x\n# a comment\n\nHAPTA_X=1\n"
    )
    assert problems() == []


def test_the_whole_environment_of_a_machine_is_left_alone(problems: Problems) -> None:
    assert (
        problems(
            environ={"DATABASE_URL": "postgres://x", "PATH": "/bin", "HAPTA_HOME": "/", "A\udcffB": "\udcff"}
        )
        == []
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[server]\nport = = 3\n", "config.toml:2:8: not valid TOML: Invalid value"),
        (b"[server\n", "config.toml:1:8: not valid TOML: Expected ']' at the end of a table declaration"),
        (b"a = 1\na = 2\n", "config.toml:2:6: not valid TOML: Cannot overwrite a value"),
        (b"a =", "config.toml:1:4: not valid TOML: Invalid value"),
        (b"a = '''\n\nx", "config.toml:3:2: not valid TOML: Expected \"'''\""),
        (b"a = " + b"[" * 5000, "config.toml: not valid TOML: nested too deeply"),
        (b'# fine\nhost = "caf\xe9"\n', "config.toml:2:12: not UTF-8 text (byte 0xe9)"),
        (b"#" * 1_048_577, "config.toml: larger than 1048576 bytes; this is no configuration file"),
    ],
    ids=["value", "header", "twice", "cut", "open-string", "deep", "latin-1", "large"],
)
def test_a_file_that_cannot_be_parsed_is_one_line(content: bytes, line: str, problems: Problems) -> None:
    assert problems(content) == [line]


def test_an_integer_of_thousands_of_digits_is_one_line(problems: Problems) -> None:
    (line,) = problems("server.port = " + "9" * 5000)
    assert line.startswith("config.toml: not valid TOML: ")
    assert len(line) < 200


def test_a_number_beyond_every_float_is_one_line(problems: Problems) -> None:
    (line,) = problems("server.grace_s = " + "9" * 400)
    assert line.startswith("config.toml:1: server.grace_s: expected a number >= 0 and <= 86400, got 999")
    assert len(line) < 200


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(problems: Problems) -> None:
    assert problems(b"\xef\xbb\xbf[server]\r\nprot = 1\r\n") == [
        "config.toml:2: server.prot: unknown key; did you mean port?"
    ]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as caught:
        load(Path("none.toml"), {}, [], tmp_path)
    assert str(caught.value) == "none.toml: no such file"


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, {}, [], tmp_path / "x")
    assert caught.value.problems == (f"{tmp_path}: a folder, expected a file",)
    with pytest.raises(ConfigErrors) as caught:
        load(None, {}, [], tmp_path)
    assert caught.value.problems == (".env: a folder, expected a file",)


@pytest.mark.skipif(
    not Path("/proc/self/mem").exists(), reason="Linux's file that even root cannot read from 0"
)
def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(Path("/proc/self/mem"), {}, [], tmp_path)
    assert caught.value.problems == ("/proc/self/mem: cannot be read: Input/output error",)


def test_a_path_that_no_file_can_have_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(Path("x" * 300), {}, [], tmp_path)
    assert caught.value.problems == (f"{'x' * 300}: cannot be read: File name too long",)


def test_a_path_with_a_line_break_stays_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(Path("a\nb.toml"), {}, [], tmp_path)
    assert caught.value.problems == ("'a\\nb.toml': no such file",)


def test_a_broken_line_in_env_is_named_and_not_shown(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("Secret=fine\n\nhunter2\nAdminPassword='hunter2\n")
    expected = "expected NAME=value; quote a value with special characters: 'value'"
    assert problems() == [f".env:3: {expected}", f".env:4: {expected}"]


def test_a_password_with_dollar_signs_is_taken_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AdminPassword='a${HOME}$b#c d'\n")
    assert load(None, {"HOME": "/root"}, [], tmp_path).secrets.admin_password == "a${HOME}$b#c d"
