"""How a list of checks looks on a terminal: one row each, the reason at its end."""

import os
import sys

import click

_COLOURS = {"ok": "green", "warn": "yellow", "skip": "yellow", "FAIL": "red"}
_NAME_WIDTH = 20


def print_row(word: str, name: str, detail: str, ms: float | None = None) -> None:
    """Print one check.

    Args:
        word: ``ok``, ``warn``, ``skip`` or ``FAIL``.
        name: of the check.
        detail: the reason, or what was found.
        ms: milliseconds it took, where that says something.
    """
    shown = (
        click.style(f"{word:<4}", fg=_COLOURS[word], bold=word == "FAIL") if _has_colour() else f"{word:<4}"
    )
    duration = "" if ms is None else f"{ms:>8.1f} ms" if word != "skip" else " " * 11
    click.echo(f"  {shown}  {name:<{_NAME_WIDTH}}{duration}  {detail}".rstrip())


def _has_colour() -> bool:
    """Colours are for terminals, unless NO_COLOR is set to anything (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")  # noqa: TID251 - no part of the configuration
