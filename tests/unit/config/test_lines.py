"""Dotted keys find their line, whatever TOML allows around them."""

import tomllib

import pytest

from hapta.config.lines import Lines

TEXT = '''# a comment: [server]
top.level = 1

[server]  # the table
port = 8080
"quoted key" = 1
'literal.with.dots' = 2
tls.cert . "the path" = "x"
list = [
  "a",  # ] a bracket in a comment
  "port = 1", "]",
  [1, 2], {key = "]"},
]
after_list = 1
text = """
[not.a.table]
port = 2 \\""" still inside
""""
after_text = 1
raw = \'\'\'
fake = 1
\'\'\'
after_raw = 1
inline = { a = 1, b = [1,
  2] }
after_inline = "a # b"

 [ metrics . "x y" ]
enabled = true
[[array]]
key = 1
[[array]]
key = 2
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("top", 2),
        ("top.level", 2),
        ("server", 4),
        ("server.port", 5),
        ("server.quoted key", 6),
        ("server.literal.with.dots", 7),
        ("server.tls", 8),
        ("server.tls.cert.the path", 8),
        ("server.list", 9),
        ("server.after_list", 14),
        ("server.text", 15),
        ("server.after_text", 19),
        ("server.raw", 20),
        ("server.after_raw", 23),
        ("server.inline", 24),
        ("server.after_inline", 26),
        ("metrics", 28),
        ("metrics.x y.enabled", 29),
        ("array", 30),
        ("array.key", 31),
    ],
)
def test_a_key_is_found_on_its_line(key: str, line: int) -> None:
    assert tomllib.loads(TEXT)
    assert Lines(TEXT).of(key) == line


@pytest.mark.parametrize(
    ("key", "line"),
    [
        pytest.param("server.fake", 4, id="what stands in a string is no key"),
        pytest.param("server.inline.a", 24, id="a key of an inline table has the line of the table"),
        pytest.param("server.unseen.deeper", 4, id="an unseen key has the line of its table"),
        pytest.param("not.a.table", 1, id="an unseen table has the first line"),
    ],
)
def test_a_key_not_seen_falls_back(key: str, line: int) -> None:
    assert Lines(TEXT).of(key) == line
