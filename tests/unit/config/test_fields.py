"""Text becomes what the key takes, or a message that says what that is."""

import pytest

from hapta.config.fields import FIELDS, TABLES, WrongValue, expected, from_text, from_value, unknown


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("server.port", "8080", 8080),
        ("server.port", " 8080 ", 8080),
        ("server.grace_s", "3", 3.0),
        ("server.grace_s", "2.5e1", 25.0),
        ("metrics.enabled", "yes", True),
        ("metrics.enabled", "ON", True),
        ("metrics.enabled", "1", True),
        ("metrics.enabled", "True", True),
        ("metrics.enabled", "no", False),
        ("metrics.enabled", "off", False),
        ("metrics.enabled", "0", False),
        ("metrics.enabled", "false", False),
        ("server.public_url", "", ""),
        ("ratelimit.message", "one, two", "one, two"),
        ("admin.networks", "10.0.0.0/8, ::1 ,", ("10.0.0.0/8", "::1")),
        ("admin.networks", "", ()),
        ("log.level", "debug", "debug"),
    ],
)
def test_text_is_converted_by_the_type_of_its_key(key: str, text: str, value: object) -> None:
    converted = from_text(FIELDS[key], text)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "problem"),
    [
        ("server.port", "ten", 'expected an integer, got "ten"'),
        ("server.port", "8.0", 'expected an integer, got "8.0"'),
        ("server.port", "", 'expected an integer, got ""'),
        ("server.port", "٣", 'expected an integer, got "\\u0663"'),
        ("server.port", "-1", "expected an integer >= 0 and <= 65535, got -1"),
        ("server.port", "9" * 5000, f'expected an integer, got "{"9" * 59}…'),
        ("server.grace_s", "nan", "expected a number >= 0 and <= 86400, got nan"),
        ("server.grace_s", "1e999", "expected a number >= 0 and <= 86400, got inf"),
        ("server.grace_s", "soon", 'expected a number >= 0 and <= 86400, got "soon"'),
        ("metrics.enabled", "maybe", 'expected true or false, got "maybe"'),
        ("metrics.enabled", "", 'expected true or false, got ""'),
        ("server.host", "", 'expected a text that is not empty, got ""'),
        ("server.host", "\udcff", 'expected a text without control characters, got "\\udcff"'),
        ("admin.networks", "a\x07b", 'expected a text without control characters, got ["a\\u0007b"]'),
        ("admin.ui", "closed", 'expected one of "open", "networks", got "closed"'),
    ],
)
def test_text_that_is_not_what_the_key_takes_is_refused(key: str, text: str, problem: str) -> None:
    with pytest.raises(WrongValue) as caught:
        from_text(FIELDS[key], text)
    assert str(caught.value) == problem


def test_a_deeply_nested_value_is_refused_without_being_shown() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(WrongValue) as caught:
        from_value(FIELDS["server.port"], value)
    assert str(caught.value) == "expected an integer >= 0 and <= 65535, got a value too large to show"


@pytest.mark.parametrize("key", FIELDS)
def test_every_default_is_a_value_its_own_key_takes(key: str) -> None:
    field = FIELDS[key]
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    assert from_value(field, default) == field.default
    assert expected(field)


def test_names_in_the_environment_are_told_apart() -> None:
    assert (
        FIELDS["server.max_connections_per_address"].variable == "HAPTA_SERVER__MAX_CONNECTIONS_PER_ADDRESS"
    )
    assert len({field.variable for field in FIELDS.values()}) == len(FIELDS)
    assert not any("__" in name for names in TABLES.values() for name in names)


@pytest.mark.parametrize(
    ("table", "name", "text"),
    [
        ("server", "Port", "unknown key; did you mean port?"),
        ("server", "max_conections", "unknown key; did you mean max_connections?"),
        ("server", "ui", "unknown key; did you mean admin.ui?"),
        ("servers", "port", "unknown table; did you mean server?"),
        ("rate_limit", "max", "unknown table; did you mean ratelimit?"),
    ],
)
def test_an_unknown_name_brings_the_nearest_known_one(table: str, name: str, text: str) -> None:
    assert unknown(table, name) == text
