"""What a reload changes, what needs a restart, and that every key is one of the two."""

from pathlib import Path

import pytest

from hapta.config import Comparison, Config, Secrets, compare, load
from hapta.config.fields import FIELDS, FREE, NAMED
from hapta.config.reload import AT_RUN_TIME, AT_START, looks_secret, stands_in

EVERY_KEY = [
    *FIELDS,
    *(f"{outer}.<name>.{name}" for outer, named in NAMED.items() for name in named),
    *(f"{outer}.<name>.<key>" for outer in FREE),
]
HOME = Path("/nowhere")


def config(*overrides: str) -> Config:
    return load(None, {}, overrides, HOME).config


def held_against_each_other(old: Config, new: Config) -> Comparison:
    return compare(old, new, Secrets(), Secrets())


@pytest.mark.parametrize("key", EVERY_KEY)
def test_every_key_holds_either_from_a_reload_or_from_a_restart_on(key: str) -> None:
    assert stands_in(AT_START, key) != stands_in(AT_RUN_TIME, key)


@pytest.mark.parametrize("entry", sorted(AT_START | AT_RUN_TIME))
def test_the_tables_name_no_key_that_is_none(entry: str) -> None:
    outer = entry.removesuffix(".*")
    assert any(key == entry or (outer != entry and key.startswith(f"{outer}.")) for key in EVERY_KEY)


def test_nothing_changed_when_nothing_did() -> None:
    found = held_against_each_other(config("limits.api.rate=5/minute"), config("limits.api.rate=5/minute"))
    assert (found.changed, found.needs_restart) == ((), ())


def test_what_changed_is_told_with_both_values() -> None:
    found = held_against_each_other(config(), config("ratelimit.max=30", "ratelimit.burst=10"))
    assert [str(change) for change in found.changed] == [
        "ratelimit.max: 600 -> 30",
        "ratelimit.burst: 200 -> 10",
    ]
    assert found.concerns("ratelimit.", "login.")
    assert not found.concerns("cache.")


def test_what_needs_a_restart_keeps_its_value_and_the_rest_is_taken() -> None:
    old = config("cache.files.max_bytes=2000000")
    new = config("server.port=9000", "cache.files.max_bytes=3000000", "cache.max_age_s=5")
    found = held_against_each_other(old, new)
    assert found.needs_restart == ("server.port", "cache.files.max_bytes")
    assert found.config.server.port == 8080
    assert found.config.cache.files.max_bytes == 2_000_000
    assert found.config.cache.max_age_s == 5
    assert [change.key for change in found.changed] == ["cache.max_age_s"]


def test_a_table_that_comes_is_told_without_its_defaults_and_so_is_one_that_goes() -> None:
    with_limit = config("limits.api.rate=5/minute", "limits.api.who=global")
    come = held_against_each_other(config(), with_limit)
    assert [str(change) for change in come.changed] == [
        "limits.api: none -> a table",
        'limits.api.rate: none -> "5/minute"',
        'limits.api.who: none -> "global"',
    ]
    gone = held_against_each_other(with_limit, config())
    assert [str(change) for change in gone.changed] == [
        "limits.api: a table -> none",
        'limits.api.rate: "5/minute" -> none',
        'limits.api.who: "global" -> none',
    ]


def test_a_key_of_a_table_that_stays_is_told_with_its_default() -> None:
    found = held_against_each_other(
        config("limits.api.rate=5/minute", "limits.api.cost=2"), config("limits.api.rate=5/minute")
    )
    assert [str(change) for change in found.changed] == ["limits.api.cost: 2.0 -> 1.0"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("api_key", "hunter{}"),
        ("smtp.pass", "hunter{}"),
        ("smtp_pwd", "hunter{}"),
        ("accounts", '[{{user = "a", password = "hunter{}"}}]'),
        ("nested", '[[{{login = {{token = "hunter{}"}}}}]]'),
        ("broker", "amqp://me:hunter{}@queue/1"),
        ("brokers", '["amqp://me:hunter{}@queue/1"]'),
    ],
)
def test_settings_of_plugins_that_look_like_secrets_are_told_without_their_values(
    key: str, value: str
) -> None:
    old, new = (config(f"plugins.mail.{key}={value.format(number)}") for number in (2, 3))
    (change,) = held_against_each_other(old, new).changed
    assert str(change) == f"plugins.mail.{key}: ******** -> ********"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("plugins.token_counter.size", 1),
        ("plugins.mail.passive", True),
        ("plugins.mail.hosts", ["http://a:80/b@c"]),
    ],
)
def test_settings_that_do_not_look_like_secrets_are_told(key: str, value: object) -> None:
    assert not looks_secret(key, value)


def test_another_path_of_the_certificate_is_taken_and_tls_on_or_off_is_not() -> None:
    plain, one = config(), config("server.tls_cert=a.pem", "server.tls_key=a.key")
    other = config("server.tls_cert=b.pem", "server.tls_key=b.key")
    assert held_against_each_other(one, other).config.server.tls_cert == "b.pem"
    for old, new in ((plain, one), (one, plain)):
        found = held_against_each_other(old, new)
        assert found.needs_restart == ("server.tls_cert", "server.tls_key")
        assert found.config == old


def test_secrets_need_a_restart_and_are_told_by_their_names_alone() -> None:
    old = Secrets(database_url="http://a", secret="x" * 40, test_user_password="one")
    new = Secrets(database_url="http://a", secret="y" * 40, test_user_password="other")
    found = compare(config(), config(), old, new)
    assert found.needs_restart == ("Secret",)
