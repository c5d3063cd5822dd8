"""A valid file with one thing wrong in it: one message on the right line, and never a traceback."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hapta.config import ConfigErrors, load
from hapta.config.fields import FIELDS, Field
from hapta.config.reference import render_toml

LINES = render_toml().split("\n")


def line_of(field: Field) -> int:
    """The index of a key's line in the shipped file."""
    start = LINES.index(f"[{field.table}]")
    return next(i for i in range(start, len(LINES)) if LINES[i].startswith(f"{field.name} = "))


def problems(
    content: bytes,
    environ: dict[str, str] | None = None,
    overrides: list[str] | None = None,
    env_file: bytes = b"",
) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.toml").write_bytes(content)
        (Path(folder) / ".env").write_bytes(env_file)
        try:
            load(Path("config.toml"), environ or {}, overrides or [], Path(folder))
        except ConfigErrors as exc:
            return list(exc.problems)
    return []


FIELD = st.sampled_from(list(FIELDS.values()))
WRONG_VALUES = st.sampled_from(
    ["{}", "{ a = 1 }", "[[1]]", "[1]", "nan", "-inf", "1979-05-27", "07:32:00", "-1", "[true]", "9" * 30]
)
DECORATION = st.lists(st.sampled_from(["", "# [server]", "#port = 1", "   ", "\t# x = '''"]), max_size=5)


@settings(deadline=None)  # files on a busy machine
@given(field=FIELD, value=WRONG_VALUES, before=DECORATION)
def test_a_value_of_the_wrong_type_is_found_on_its_line(field: Field, value: str, before: list[str]) -> None:
    lines, index = list(LINES), line_of(field)
    lines[index] = f"{field.name} = {value}"
    lines[index:index] = before
    (line,) = problems("\n".join(lines).encode())
    assert line.startswith(f"config.toml:{index + len(before) + 1}: {field.key}: expected ")
    assert "\n" not in line


@settings(deadline=None)  # files on a busy machine
@given(
    field=FIELD,
    at=st.integers(0, 30),
    letter=st.sampled_from("abcxyz_09-"),
    quote=st.sampled_from(["", '"', "'"]),
)
def test_a_misspelt_key_is_found_on_its_line(field: Field, at: int, letter: str, quote: str) -> None:
    name = field.name[: at % (len(field.name) + 1)] + letter + field.name[at % (len(field.name) + 1) :]
    lines, index = list(LINES), line_of(field)
    lines[index] = lines[index].replace(field.name, f"{quote}{name}{quote}", 1)
    (line,) = problems("\n".join(lines).encode())
    assert line.startswith(f"config.toml:{index + 1}: {field.table}.{name}: unknown key")


@settings(deadline=None)  # files on a busy machine
@given(keys=st.sets(st.sampled_from(list(FIELDS)), min_size=2, max_size=6))
def test_several_mistakes_are_all_found(keys: set[str]) -> None:
    lines, fields = list(LINES), [FIELDS[key] for key in keys]
    for field in fields:
        lines[line_of(field)] = f"{field.name} = {{}}"
    expected = sorted(f"config.toml:{line_of(field) + 1}" for field in fields)
    assert sorted(line.split(": ")[0] for line in problems("\n".join(lines).encode())) == expected


@settings(deadline=None)  # files on a busy machine
@given(
    index=st.integers(0, len("\n".join(LINES).encode())), put=st.binary(max_size=3), cut=st.integers(0, 40)
)
def test_whatever_is_done_to_the_file_is_loaded_or_explained(index: int, put: bytes, cut: int) -> None:
    content = "\n".join(LINES).encode()
    for line in problems(content[:index] + put + content[index + cut :]):
        assert line.startswith("config.toml:")
        assert "\n" not in line


@settings(deadline=None)  # files on a busy machine
@given(content=st.binary(max_size=60) | st.text("[]{}=.,\"'#\\\n \tab1", max_size=60).map(str.encode))
def test_any_bytes_are_loaded_or_explained(content: bytes) -> None:
    for line in problems(content):
        assert line.startswith("config.toml:")
        assert line.isprintable()


@settings(deadline=None)  # files on a busy machine
@given(field=FIELD, text=st.text(max_size=30))
def test_any_text_in_the_environment_or_a_flag_is_taken_or_explained(field: Field, text: str) -> None:
    for line in problems(b"", environ={field.variable: text}):
        assert line.startswith(f"environment {field.variable}: ")
        assert field.key in line  # behind another one where it is of no use without that
        assert line.isprintable()
    for line in problems(b"", overrides=[f"{field.key}={text}"]):
        assert line.startswith("--set ")
        assert line.isprintable()


@settings(deadline=None)  # files on a busy machine
@given(text=st.text(max_size=30), is_table=st.booleans())
def test_any_override_and_any_variable_name_is_taken_or_explained(text: str, is_table: bool) -> None:
    for line in problems(b"", overrides=[text]):
        assert line.startswith("--set")
        assert line.isprintable()
    for line in problems(b"", environ={f"HAPTA_{'SERVER' if is_table else ''}__{text}": "x"}):
        assert line.startswith("environment ")
        assert line.isprintable()


@settings(deadline=None)  # files on a busy machine
@given(content=st.binary(max_size=60))
def test_any_env_file_is_loaded_or_explained(content: bytes) -> None:
    for line in problems(b"", env_file=content):
        assert line.startswith(".env:")
        assert line.isprintable()
