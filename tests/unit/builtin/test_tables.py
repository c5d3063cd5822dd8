"""What is wrong in ``[validate.<collection>]`` is told with file and line, all at once."""

import ast
from pathlib import Path

import pytest

import hapta.builtin
from hapta.builtin.tables import builtin_plugins
from tests.unit.builtin.conftest import Problems

BASE = "[validate.posts]\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("title = 3", "title: expected a table of checks, such as { min = 3, max = 200 }"),
        ("title = { mix = 3 }", "title.mix: unknown check; did you mean min?"),
        ('title = { min = "3" }', 'title.min: expected a number, got "3"'),
        ("title = { max = true }", "title.max: expected a number, got true"),
        ("title = { min = 5, max = 3 }", "title.min: 5 is more than max, which is 3"),
        ("title = { required = 1 }", "title.required: expected true or false, got 1"),
        (
            "title = { pattern = 'a(b' }",
            "title.pattern: not a regular expression of RE2: missing ): a(b (at character 1)",
        ),
        (
            "title = { pattern = 'ab(?=c)' }",
            "title.pattern: not a regular expression of RE2: invalid perl operator: (?= (at character 3)",
        ),
        ("title = { not_pattern = '' }", 'title.not_pattern: expected a regular expression, got ""'),
        (
            "title = { one_of = [] }",
            "title.one_of: expected a list of texts and numbers that is not empty, got []",
        ),
        (
            "title = { not_one_of = [1] }",
            "title.not_one_of: expected a list of texts that is not empty, got [1]",
        ),
        ("title = { forbid_links = -1 }", "title.forbid_links: expected an integer >= 0, got -1"),
        ("title = { forbid_links = true }", "title.forbid_links: expected an integer >= 0, got true"),
        ("title = { max_lines = 0 }", "title.max_lines: expected an integer >= 1, got 0"),
        ('title = { message = " " }', 'title.message: expected a text that is not empty, got " "'),
        (
            "'a b' = { min = 1 }",
            "a b: expected the name of a field, or one of create_fields, update_fields, read_fields",
        ),
        (
            'read_fields = "title"',
            "read_fields: expected a list of fields, or a table of fields and who may, "
            'such as { role = "nobody" }',
        ),
        ("read_fields = [1]", "read_fields: expected names of fields, got '1'"),
        ("read_fields = ['a', 'a']", "read_fields: a stands there twice"),
        ("read_fields = { id = 'nobody' }", "read_fields.id: can always be read"),
        (
            "create_fields = { 'a.b' = '' }",
            "create_fields.a.b: expected the name of a field, or * for all others",
        ),
        (
            "update_fields = { role = true }",
            'update_fields.role: expected an expression, "nobody", or "" for everybody',
        ),
        (
            "update_fields = { role = 'everybody' }",
            "update_fields.role: incomplete or empty expression (at character 10)",
        ),
        (
            "update_fields = { role = 'a = @request.body.x' }",
            "update_fields.role: @request.body.x is not evaluated here (at character 5)",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_stands(problems: Problems, line: str, problem: str) -> None:
    assert problems(BASE + line) == [f"config.toml:2: validate.posts.{problem}"]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("@now > created", "@now is not evaluated here (at character 1)"),
        ("@collection.a.b = 1", "@collection.a.b is not evaluated here (at character 1)"),
        (
            "a = 1 && owner.name = 'x'",
            "owner.name: a path over several fields is not followed (at character 10)",
        ),
        (
            "@request.auth.team.name = 'x'",
            "@request.auth.team.name: a path over several fields is not followed (at character 1)",
        ),
        ("tags:each = 'a'", "tags:each: only :lower is evaluated here (at character 1)"),
        ("title:isset = true", "title:isset: only :lower is evaluated here (at character 1)"),
        ("strftime('%Y', day) = '2024'", "functions are not evaluated here (at character 1)"),
        ("a ~ b", "~ and !~ take a quoted text on their right here (at character 5)"),
        ("tokenKey = 'a'", "tokenKey: PocketBase shows it to nobody (at character 1)"),
        (
            "@request.auth.password = 'a'",
            "@request.auth.password: PocketBase shows it to nobody (at character 1)",
        ),
        ("a = 12345678901234567890", "write this number in up to 15 digits (at character 5)"),
        ("a = ", "incomplete or empty expression (at character 5)"),
        ("a == 1", "not an operator: '==' (at character 3)"),
    ],
)  # fmt: skip
def test_an_expression_that_cannot_be_evaluated_is_told_with_its_position(
    problems: Problems, expression: str, problem: str
) -> None:
    (line,) = problems(f'{BASE}read_fields = {{ x = "{expression}" }}')
    assert line == f"config.toml:2: validate.posts.read_fields.x: {problem}"


def test_all_mistakes_of_all_tables_come_at_once(problems: Problems) -> None:
    assert problems("[validate.a]\nx = { mni = 1 }\n[validate.b.y]\nmin = 1\nmax = 0\n") == [
        "config.toml:2: validate.a.x.mni: unknown check; did you mean min?",
        "config.toml:4: validate.b.y.min: 1 is more than max, which is 0",
    ]


def test_without_tables_there_are_no_plugins() -> None:
    assert builtin_plugins({}, {}) == []


def test_the_built_in_checks_import_no_more_of_hapta_than_plugins_may() -> None:
    allowed = ("hapta.plugins", "hapta.config", "hapta.filters", "hapta.records.links", "hapta.builtin")
    folder = Path(hapta.builtin.__file__).parent
    found = {
        name
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        )
        if name.startswith("hapta")
    }  # fmt: skip
    assert found
    assert all(name.startswith(allowed) for name in found), found
