"""``hapta check``: what is set and where, or what is wrong and where; secrets stay hidden."""

import json
import os
from pathlib import Path

import pytest

from hapta.cli import main
from hapta.config import SECRET_FIELDS
from tests.support.certificates import make_certificate

SECRET = "w4Zk3vQ9xW7uT1bN5mR8cY2pL6sD0fGh"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without Hapta's names."""
    for name in list(os.environ):
        if name in SECRET_FIELDS or name.startswith("HAPTA_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_empty_folder_is_right(home: Path, capsys: Captured) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Configuration  no config.toml; defaults and environment",
        f"PocketBase     embedded, data in {home}/pb_data (DatabaseURL is not set)",
        "Values         all at their defaults",
        "Secrets        none given",
        "The configuration is right.",
    ]
    assert list(home.iterdir()) == [], "nothing is written"


def test_each_value_other_than_the_default_is_shown_with_its_source(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (home / "config.toml").write_text('[server]\nport = 9000\nhost = "127.0.0.1"\n')
    (home / ".env").write_text(f"AdminEmail=a@example.org\nAdminPassword=hunter2hunter2\nSecret={SECRET}\n")
    monkeypatch.setenv("HAPTA_ADMIN__NETWORKS", "10.0.0.0/8")
    monkeypatch.setenv("DatabaseURL", "http://db.example.org:8090")
    assert main(["check", "--set", "log.level=debug"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        f"Configuration  {home}/config.toml",
        "PocketBase     http://db.example.org:8090",
        "Values         other than the defaults:",
        "  server.port     9000            config.toml:2",
        '  admin.networks  ["10.0.0.0/8"]  environment HAPTA_ADMIN__NETWORKS',
        '  log.level       "debug"         --set log.level=debug',
        "Secrets        given:",
        "  DatabaseURL    ********  environment DatabaseURL",
        "  AdminEmail     ********  .env:1",
        "  AdminPassword  ********  .env:2",
        "  Secret         ********  .env:3",
        "The configuration is right.",
    ]
    assert "hunter2" not in shown
    assert SECRET not in shown


def test_tables_of_plugins_and_checks_are_shown_too_and_what_may_be_a_secret_is_not(
    home: Path, capsys: Captured
) -> None:
    (home / "config.toml").write_text(
        '[plugins.webhook]\nsince = 1900-01-01\nApi_Key = "hunter2"\n'
        "[validate.users]\npassword = { min = 12 }\nborn = { min = 1900 }\n"
    )
    (home / "plugins").mkdir()
    (home / "plugins" / "webhook.py").write_text(
        "import datetime\n"
        "from hapta.plugins import PluginApi, Settings\n"
        "class Webhook(Settings, frozen=True):\n"
        "    since: datetime.date\n"
        "    Api_Key: str\n"
        "    secret: str = ''\n"
        "def setup(api: PluginApi) -> None:\n"
        "    api.settings(Webhook)\n"
    )
    assert main(["check", "--set", "plugins.webhook.secret=hunter2"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[3:-2] == [
        '  plugins.webhook.since        "1900-01-01"  config.toml:2',
        '  plugins.webhook.Api_Key      "********"    config.toml:3',
        '  plugins.webhook.secret       "********"    --set plugins.webhook.secret',
        "  validate.users.password.min  12            config.toml:5",
        "  validate.users.born.min      1900          config.toml:6",
    ]
    assert "hunter2" not in shown
    assert main(["check", "--json"]) == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert {"key": "validate.users.password.min", "value": 12, "from": "config.toml:5"} in json.loads(out)[
        "values"
    ]


def test_what_is_wrong_with_the_declarative_checks_is_told_with_its_line(
    home: Path, capsys: Captured
) -> None:
    (home / "config.toml").write_text("[validate.posts]\ntitle = { min = 3 }\nbody = { mix = 3 }\n")
    assert main(["check"]) == 2
    problem = "config.toml:3: validate.posts.body.mix: unknown check; did you mean min?"
    assert capsys.readouterr().err == f"hapta: {problem}\n"


def test_json_has_the_same(home: Path, capsys: Captured) -> None:
    (home / ".env").write_text(f"Secret={SECRET}\n")
    assert main(["check", "--json", "--set", "server.trusted_proxies=::1"]) == 0
    out = capsys.readouterr().out
    assert SECRET not in out
    assert json.loads(out) == {
        "ok": True,
        "problems": [],
        "config": None,
        "upstream": None,
        "values": [
            {"key": "server.trusted_proxies", "value": ["::1"], "from": "--set server.trusted_proxies=::1"}
        ],
        "secrets": [{"name": "Secret", "from": ".env:1"}],
        "warnings": [],
    }


def test_all_problems_are_shown_with_exit_code_2(home: Path, capsys: Captured) -> None:
    (home / "config.toml").write_text("[server]\nprot = 1\n")
    (home / ".env").write_text("Secret=hunter2\n")
    assert main(["check", "--set", "log.level=x"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.rpartition("; make one")[0] or line for line in err.splitlines()] == [
        "hapta: config.toml:2: server.prot: unknown key; did you mean port?",
        'hapta: --set log.level=x: log.level: expected one of "debug", "info", "warning", "error", got "x"',
        "hapta: .env:1: Secret: shorter than 32 bytes",
    ]


def test_json_shows_the_problems_too(home: Path, capsys: Captured) -> None:
    (home / "config.toml").write_text("[server]\nprot = 1\n")
    assert main(["check", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "problems": ["config.toml:2: server.prot: unknown key; did you mean port?"],
    }


def test_what_is_wrong_with_ranked_feeds_is_told_with_everything_else(home: Path, capsys: Captured) -> None:
    feed = '[feeds.home]\ncollection = "posts"\nfiltre = "x"\n'
    (home / "config.toml").write_text(f"{feed}[validate.posts]\nbody = {{ mix = 3 }}\n")
    assert main(["check"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("hapta: config.toml:3: feeds.home.filtre: unknown key")
    assert second.startswith("hapta: config.toml:5: validate.posts.body.mix: unknown check")


def test_a_filter_of_a_feed_that_nobody_could_read_is_found_without_a_schema(
    home: Path, capsys: Captured
) -> None:
    (home / "config.toml").write_text('[feeds.home]\ncollection = "posts"\nfilter = "a = ("\n')
    assert main(["check"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("hapta: config.toml:3: feeds.home.filter: cannot be read: ")
    (home / "config.toml").write_text('[feeds.home]\ncollection = "posts"\nfilter = "a = 1"\n')
    assert main(["check"]) == 0


def test_a_named_file_must_exist(capsys: Captured) -> None:
    assert main(["check", "--config", "none.toml"]) == 2
    assert capsys.readouterr().err == "hapta: none.toml: no such file\n"


def test_a_dangling_default_file_is_not_passed_over(home: Path, capsys: Captured) -> None:
    (home / "config.toml").symlink_to("gone.toml")
    assert main(["check"]) == 2
    assert capsys.readouterr().err == "hapta: config.toml: no such file\n"


def test_a_named_file_is_read_in_place_of_the_default_one(home: Path, capsys: Captured) -> None:
    (home / "config.toml").write_text("not read")
    (home / "other.toml").write_text("[server]\nport = 9000\n")
    assert main(["check", "--config", "other.toml"]) == 0
    assert "server.port  9000  other.toml:2" in capsys.readouterr().out


def test_a_working_directory_that_is_gone_is_one_line(home: Path, capsys: Captured) -> None:
    gone = home / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert main(["check"]) == 2
    assert (
        capsys.readouterr().err == "hapta: the working directory cannot be used: No such file or directory\n"
    )


def test_the_help_says_what_is_read_and_what_comes_out(capsys: Captured) -> None:
    assert main(["check", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("--config", "--set", "--json", "Exit code"))


def test_an_expired_certificate_is_a_warning(home: Path, capsys: Captured) -> None:
    make_certificate(home, begins_in_days=-9, ends_in_days=-1)
    assert main(["check", "--set=server.tls_cert=own.pem", "--set=server.tls_key=own.key"]) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("The configuration is right.\n")
    assert captured.err.startswith(f"hapta: warning: server.tls_cert: {home / 'own.pem'} expired on ")


def test_a_certificate_that_cannot_be_served_is_a_problem_with_its_line(home: Path, capsys: Captured) -> None:
    (home / "config.toml").write_text('[server]\ntls_cert = "own.pem"\ntls_key = "own.key"\n')
    assert main(["check"]) == 2
    assert capsys.readouterr().err == (
        f"hapta: config.toml:2: server.tls_cert: {home / 'own.pem'} does not exist\n"
    )
