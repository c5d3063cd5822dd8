"""What is wrong with the argument a check is given in ``config.toml``: a sentence, or ``None``."""

import json
from collections.abc import Callable
from typing import Any

import re2


def is_number(value: Any) -> bool:
    """Whether it is a number; ``true`` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def compiled(pattern: str) -> Any:
    """The pattern, on RE2, which takes time by the length of the text and no more."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def pattern_problem(argument: Any) -> str | None:
    """Of a pattern; with its position where RE2 tells what it stumbled over."""
    if not isinstance(argument, str) or not argument:
        return f"expected a regular expression, got {_shown(argument)}"
    try:
        compiled(argument)
    except re2.error as exc:
        said = exc.args[0].decode(errors="replace") if isinstance(exc.args[0], bytes) else str(exc.args[0])
        at = argument.find(said.rpartition(": ")[2])
        where = f" (at character {at + 1})" if at >= 0 else ""
        return f"not a regular expression of RE2: {said}{where}"
    return None


def number_problem(argument: Any) -> str | None:
    """Of a number."""
    return None if is_number(argument) else f"expected a number, got {_shown(argument)}"


def count_problem(least: int) -> Callable[[Any], str | None]:
    """Of an integer that is at least so much."""

    def problem(argument: Any) -> str | None:
        is_good = isinstance(argument, int) and not isinstance(argument, bool) and argument >= least
        return None if is_good else f"expected an integer >= {least}, got {_shown(argument)}"

    return problem


def truth_problem(argument: Any) -> str | None:
    """Of true or false."""
    return None if isinstance(argument, bool) else f"expected true or false, got {_shown(argument)}"


def list_problem(*kinds: type) -> Callable[[Any], str | None]:
    """Of a list of such values."""

    def problem(argument: Any) -> str | None:
        words = "texts" if kinds == (str,) else "texts and numbers"
        if isinstance(argument, list) and argument and all(isinstance(each, kinds) for each in argument):
            return None
        return f"expected a list of {words} that is not empty, got {_shown(argument)}"

    return problem


def message_problem(argument: Any) -> str | None:
    """Of a text for people."""
    is_good = isinstance(argument, str) and argument.strip()
    return None if is_good else f"expected a text that is not empty, got {_shown(argument)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:60] + "…"
