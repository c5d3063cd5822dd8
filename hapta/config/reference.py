"""Renders ``config.toml`` and the tables of ``docs/configuration.md`` from the structs.

Names, defaults and bounds come from the types, explanations from the docstrings, so nothing is written twice.
Run as ``python -m hapta.config.reference [--check]`` in the root of the source tree.
"""

import argparse
import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hapta.config import cache_tables, feed_tables, plugin_tables, schema
from hapta.config.fields import EXAMPLES, FIELDS, FREE, NAMED, STRUCTS, TABLES, Field, expected
from hapta.config.reload import AT_START, stands_in

_WIDTH = 110
_HEAD = """\
# Hapta's configuration: every key, with its default. Change what you like, delete what you leave alone.
# Sources, later wins: defaults, this file, .env, HAPTA_SERVER__PORT=9000, --set server.port=9000.
# Secrets (DatabaseURL, AdminEmail, ...) stand in .env or the environment, never here.
# `hapta check` says whether all is right and where each value comes from.
"""
BEGIN, END = "<!-- keys: rendered -->", "<!-- keys: end -->"
"""What stands around the rendered part of the documentation page."""
_EXAMPLES = {"limits.<name>.rate": "100/minute"}
"""What stands in ``config.toml`` for a key that has no default."""
_FREE_EXAMPLES = {
    "plugins": ("is_enabled = true", "max_links = 3"),
    "validate": (
        "title = { required = true, min = 3, max = 200, forbid_links = 0 }",
        """update_fields = { pinned = "@request.auth.role = 'admin'", "*" = "" }""",
    ),
    "feeds": (
        'collection = "posts"',
        'preset = "for_you"',
        'author = "author"',
        """signals.likes = { field = "likes" }""",
        """signals.comments = { collection = "comments", relation = "post" }""",
        """follows.users = { collection = "follows", from = "follower", to = "target" }""",
    ),
}
"""What may stand in a table whose keys are not Hapta's."""
_NAME_OF = {"plugins": "name", "validate": "collection", "feeds": "name"}


def render_toml() -> str:
    """The shipped ``config.toml``."""
    tables, fields = _table_docs(), _field_docs()
    lines = [_HEAD]
    for table in _in_order():
        if table in FREE:
            example = [f"# {line}" for line in _FREE_EXAMPLES[table]]
            lines += [f"\n{_comment(tables[table])}\n# [{EXAMPLES[table]}]", *example, ""]
            continue
        if table in NAMED:
            lines += _example(table, tables[table], fields)
            continue
        names = TABLES[table]
        lines += [f"\n{_comment(tables[table])}\n[{table}]"]
        for field in (FIELDS[f"{table}.{name}"] for name in names):
            lines += [f"\n{_comment(fields[field.key])}\n{field.name} = {as_toml(field.default)}"]
        lines.append("")
    return "\n".join(lines)


def render_tables() -> str:
    """The tables of the documentation page, one heading each."""
    tables, fields = _table_docs(), _field_docs()
    lines = []
    for table in _in_order():
        if table in FREE:
            example = [f"[{EXAMPLES[table]}]", *_FREE_EXAMPLES[table]]
            head = [f"### [{table}.<{_NAME_OF[table]}>]", "", tables[table], ""]
            lines += [*head, "```toml", *example, "```", ""]
            continue
        rows = (
            list(NAMED[table].values()) if table in NAMED else [FIELDS[f"{table}.{n}"] for n in TABLES[table]]
        )
        lines += [
            f"### [{rows[0].table}]",
            "",
            tables[table],
            "",
            "| key | takes | default | meaning |",
            "|---|---|---|---|",
        ]
        lines += [_row(field, fields[field.key]) for field in rows]
        lines.append("")
    return "\n".join(lines)


def _in_order() -> Iterator[str]:
    """All tables, each table of tables behind the one it belongs to."""
    for table in msgspec.structs.fields(schema.Config):
        if table.name in FREE:
            yield table.name
        else:
            yield from (name for name in STRUCTS if name.partition(".")[0] == table.name)


def _example(table: str, doc: str, fields: dict[str, str]) -> list[str]:
    """A table with a name of the operator's own: commented out, for there is none to begin with."""
    lines = [f"\n{_comment(doc)}\n# [{EXAMPLES[table]}]"]
    for field in NAMED[table].values():
        value = _EXAMPLES[field.key] if field.is_required else field.default
        lines += [f"\n{_comment(fields[field.key])}\n# {field.name} = {as_toml(value)}"]
    return [*lines, ""]


def as_toml(value: object) -> str:
    """A default in TOML; integers of five digits and more in groups of three."""
    if isinstance(value, bool) or not isinstance(value, int):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:_}" if value >= 10_000 else str(value)


def _row(field: Field, doc: str) -> str:
    takes = expected(field).replace("|", "\\|")
    default = "none" if field.is_required else f"`{as_toml(field.default)}`"
    meaning = doc.replace("|", "\\|") + (" Needs a restart." if stands_in(AT_START, field.key) else "")
    return f"| `{field.key}` | {takes} | {default} | {meaning} |"


def _comment(text: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _classes() -> Iterator[ast.ClassDef]:
    for module in (schema, cache_tables, plugin_tables, feed_tables):
        tree = ast.parse(inspect.getsource(module))
        yield from (node for node in tree.body if isinstance(node, ast.ClassDef))


def _table_docs() -> dict[str, str]:
    """The docstring of each table's struct."""
    by_class = {node.name: _one_line(ast.get_docstring(node) or "") for node in _classes()}
    docs = {table: by_class[struct.__name__] for table, struct in STRUCTS.items()}
    return docs | {name: text for node in _classes() for name, text in _docs_of(node) if name in FREE}


def _field_docs() -> dict[str, str]:
    """The docstring below each field, by dotted key."""
    table_of = {struct.__name__: table for table, struct in STRUCTS.items()}
    docs: dict[str, str] = {}
    for node in _classes():
        if table := table_of.get(node.name):
            prefix = f"{table}.<name>" if table in NAMED else table
            docs |= {f"{prefix}.{name.rstrip('_')}": text for name, text in _docs_of(node)}
    return docs


def _docs_of(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """The fields of a class that have a docstring, with it."""
    for statement, after in zip(node.body, node.body[1:], strict=False):
        match statement, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, _one_line(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _with_tables(page: str) -> str:
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"docs/configuration.md: the lines {BEGIN} and {END} are missing")
    return f"{before}{begin}\n\n{render_tables()}\n{end}{after}"


def main() -> int:
    """Write both files, or with ``--check`` only say which differ (exit code 1)."""
    parser = argparse.ArgumentParser(prog="python -m hapta.config.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file differs")
    parser.add_argument("root", nargs="?", default=".", type=Path, help="root of the source tree")
    arguments = parser.parse_args()
    page = arguments.root / "docs" / "configuration.md"
    rendered = {
        arguments.root / "config.toml": render_toml(),
        page: _with_tables(page.read_text(encoding="utf-8")),
    }
    differing = [
        path for path, text in rendered.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]  # fmt: skip
    for path in differing:
        if arguments.check:
            print(f"{path}: differs from the structs; run python -m hapta.config.reference", file=sys.stderr)
        else:
            path.write_text(rendered[path], encoding="utf-8")
            print(f"{path}: written")
    return 1 if differing and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
