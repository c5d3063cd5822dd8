"""The command ``hapta``: arguments in, exit codes out.

Exit codes: 0 all is well, 1 a check or a test failed, 2 something the operator must change (one line for each
problem on standard error), 130 interrupted. The module of a subcommand is imported when that subcommand is
called, so that ``hapta --help`` answers at once.
"""

import difflib
import importlib
import sys
from collections.abc import Sequence

import click

from hapta import __version__
from hapta.model.errors import OperatorError

COMMANDS: dict[str, str] = {
    "serve": "Run the gateway, with its own PocketBase unless DatabaseURL is set.",
    "reload": "Have the running gateway read its configuration again.",
    "check": "Validate the configuration and show where each value comes from.",
    "test": "Prove a running installation from outside: login, records, files, realtime.",
    "sessions": "Show who is logged in, and log people out.",
    "cache": "Explain what the cache does with a URL, show its figures, empty it.",
    "feeds": "Show the ranked feeds, take scores apart, build tables anew.",
    "plugins": "Show the hooks in their order, start a new plugin, try plugins out.",
    "doctor": "Look for what is set up badly on this machine.",
    "bench": "Measure a gateway under a generated workload.",
}
"""Each subcommand, whose module ``hapta.cli.<name>`` has it as ``command``, and its line in the help."""


class _LazyGroup(click.Group):
    """A group that imports a subcommand's module when it is called, and not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"hapta.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and (near := difflib.get_close_matches(args[0], COMMANDS, n=1)):
            raise click.UsageError(f"No such command {args[0]!r}; did you mean {near[0]}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="hapta", message="%(prog)s %(version)s")
def hapta() -> None:
    """The layer in front of PocketBase.

    \b
    hapta serve            a working backend on http://127.0.0.1:8080, data in pb_data/
    hapta check            is my configuration right, and where does each value come from?
    hapta test             does the running gateway work, seen from outside?

    To use a PocketBase that already runs, set DatabaseURL, AdminEmail, AdminPassword and Secret in .env.
    Everything else stands in config.toml, can be overridden by HAPTA_SERVER__PORT=9000 or --set
    server.port=9000, and is explained in docs/configuration.md.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``hapta`` with ``arguments`` (by default the process's own) and return its exit code."""
    try:
        code = hapta.main(args=arguments, prog_name="hapta", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except OperatorError as exc:
        for line in str(exc).splitlines():
            print(f"hapta: {line}", file=sys.stderr)
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0
