"""The checks a field can have, and what each says of a value.

A value is as PocketBase will have it: a text, a number, true or false, a list, an object. An empty one (an
empty text or list, ``null``) passes all checks but ``required``. A value that a check cannot judge (the
length of an object, the pattern of a number) is refused: in a JSON field a client may send anything.

Codes and words are PocketBase's own where it has the same check.
"""

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import re2

from hapta.builtin.arguments import (
    compiled,
    count_problem,
    is_number,
    list_problem,
    message_problem,
    number_problem,
    pattern_problem,
    truth_problem,
)
from hapta.config.problems import Problems, did_you_mean
from hapta.plugins import FieldError
from hapta.records.links import count_links

Check: TypeAlias = Callable[[Any], FieldError | None]
"""What is wrong with a value that is not empty."""

_INVALID: Final = FieldError("validation_invalid_value", "Invalid value.")
REQUIRED: Final = FieldError("validation_required", "Cannot be blank.")
_TAG: Final = re2.compile(r"<[A-Za-z/!?]")
_BREAK: Final = re2.compile("\r\n|[\n\r\u0085\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class FieldChecks:
    """Those of one field.

    Attributes:
        checks: the cheap ones first, in the order of the table of kinds.
        most_links: ``None``: as many as one likes. Apart from the others, for long texts take long.
        is_required: it may not be empty.
        message: instead of each check's own; empty: none.
    """

    checks: tuple[Check, ...] = ()
    most_links: int | None = None
    is_required: bool = False
    message: str = ""

    def judge(self, value: Any) -> FieldError | None:
        """What is wrong with a value, links aside."""
        if _is_empty(value):
            return self._said(REQUIRED) if self.is_required else None
        if self.is_required and (not value or (isinstance(value, str) and not value.strip())):
            return self._said(REQUIRED)
        return next((self._said(error) for check in self.checks if (error := check(value))), None)

    def judge_links(self, links: int) -> FieldError | None:
        """Whether there are too many links."""
        if self.most_links is None or links <= self.most_links:
            return None
        words = f"no more than {self.most_links} link{'s' * (self.most_links > 1)}" if self.most_links else ""
        message = f"Must contain {words or 'no links'}."
        params = {"max": self.most_links}
        return self._said(FieldError("validation_forbid_links", message, params))

    def _said(self, error: FieldError) -> FieldError:
        return FieldError(error.code, self.message, error.params) if self.message else error


def count_in(value: Any) -> int:
    """Links in all texts of a value."""
    return sum(map(count_links, texts_in(value)))


def texts_in(value: Any) -> Iterator[str]:
    """All texts in a value, names of members too."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, Mapping):
            waiting += [*found.keys(), *found.values()]
        elif isinstance(found, list | tuple):
            waiting += found


def read_checks(field: str, table: Mapping[str, Any], problems: Problems) -> FieldChecks:
    """The checks of one field; what is wrong with the table is added to the problems."""
    checks: list[Check] = []
    for name, argument in table.items():
        if name not in CHECKS:
            known = ", ".join(CHECKS)
            hint = did_you_mean(name, CHECKS) or f"; there are {known}"
            problems.add(f"{field}.{name}", f"unknown check{hint}")
            continue
        if problem := _KINDS[name].problem(argument):
            problems.add(f"{field}.{name}", problem)
    good = {name: table[name] for name in CHECKS if name in table and not _KINDS[name].problem(table[name])}
    if "min" in good and "max" in good and good["min"] > good["max"]:
        problems.add(f"{field}.min", f"{good['min']} is more than max, which is {good['max']}")
    for name, argument in good.items():
        check = _KINDS[name].make(argument)
        if check is not None:
            checks.append(check)
    return FieldChecks(
        tuple(checks), good.get("forbid_links"), bool(good.get("required")), str(good.get("message", ""))
    )


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple | Mapping) and not value)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One check.

    Attributes:
        problem: what is wrong with an argument.
        make: the check of a good argument; ``None`` where there is none to be made.
    """

    problem: Callable[[Any], str | None]
    make: Callable[[Any], Check | None]


def _least(least: float) -> Check:
    few = int(least) if float(least).is_integer() else least

    def check(value: Any) -> FieldError | None:
        if isinstance(value, str) and len(value) < least:
            message = f"Must be at least {few} character(s)."
            return FieldError("validation_min_text_constraint", message, {"min": few})
        if isinstance(value, list | tuple) and len(value) < least:
            return FieldError("validation_not_enough_values", f"Select at least {few}.", {"minSelect": few})
        if is_number(value) and not value >= least:
            message = f"Must be greater or equal than {few}."
            return FieldError("validation_min_number_constraint", message, {"min": few})
        return _unless(is_number(value) or isinstance(value, str | list | tuple))

    return check


def _most(most: float) -> Check:
    many = int(most) if float(most).is_integer() else most

    def check(value: Any) -> FieldError | None:
        if isinstance(value, str) and len(value) > most:
            message = f"Must be no more than {many} character(s)."
            return FieldError("validation_max_text_constraint", message, {"max": many})
        if isinstance(value, list | tuple) and len(value) > most:
            message = f"Select no more than {many}."
            return FieldError("validation_too_many_values", message, {"maxSelect": many})
        if is_number(value) and not value <= most:
            message = f"Must be less or equal than {many}."
            return FieldError("validation_max_number_constraint", message, {"max": many})
        return _unless(is_number(value) or isinstance(value, str | list | tuple))

    return check


def _pattern(pattern: str, wanted: bool) -> Check:
    found_in = compiled(pattern).search
    code = "validation_invalid_format" if wanted else "validation_not_pattern"

    def is_so(text: str) -> bool:
        return (found_in(text) is not None) is wanted

    return _of_texts(is_so, FieldError(code, "Invalid value format."))


def _one_of(allowed: list[Any]) -> Check:
    shown = ", ".join(each if isinstance(each, str) else json.dumps(each) for each in allowed)
    error = FieldError("validation_invalid_value", f"Must be one of: {shown}.")
    known = {_kept(each) for each in allowed}

    def check(value: Any) -> FieldError | None:
        values = value if isinstance(value, list | tuple) else [value]
        return None if all(_kept(each) in known for each in values) else error

    return check


def _kept(value: Any) -> str:
    is_whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if is_whole else value, sort_keys=True)


def _not_one_of(barred: list[str]) -> Check:
    known = {_folded(each) for each in barred}
    error = FieldError("validation_not_one_of", "This value is not allowed.")
    return _of_texts(lambda text: _folded(text) not in known, error)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _max_lines(most: int) -> Check:
    message = f"Must be no more than {most} line{'s' * (most > 1)}."
    error = FieldError("validation_max_lines", message, {"max": most})
    return _of_texts(lambda text: len(_BREAK.findall(text)) < most, error)


def _no_html(is_on: bool) -> Check | None:
    error = FieldError("validation_no_html", "Must not contain HTML.")

    def check(value: Any) -> FieldError | None:
        return error if any(_TAG.search(text) for text in texts_in(value)) else None

    return check if is_on else None


def _lowercase(is_on: bool) -> Check | None:
    error = FieldError("validation_lowercase", "Must be written in lower case.")
    return _of_texts(lambda text: text == text.lower(), error) if is_on else None


def _unique_items(is_on: bool) -> Check | None:
    error = FieldError("validation_unique_items", "Must not contain the same value twice.")

    def check(value: Any) -> FieldError | None:
        if not isinstance(value, list | tuple):
            return _INVALID
        return error if len({_kept(each) for each in value}) < len(value) else None

    return check if is_on else None


def _of_texts(is_so: Callable[[str], bool], error: FieldError) -> Check:
    """A check of a text, or of each text in a list; nothing else passes it."""

    def check(value: Any) -> FieldError | None:
        values = value if isinstance(value, list | tuple) else [value]
        for each in values:
            if not isinstance(each, str):
                return _INVALID
            if not is_so(each):
                return error
        return None

    return check


def _unless(is_judged: bool) -> FieldError | None:
    return None if is_judged else _INVALID


def _no_check(_: Any) -> None:
    return None


_KINDS: Final[Mapping[str, _Kind]] = {
    "required": _Kind(truth_problem, _no_check),
    "min": _Kind(number_problem, _least),
    "max": _Kind(number_problem, _most),
    "one_of": _Kind(list_problem(str, int, float), _one_of),
    "not_one_of": _Kind(list_problem(str), _not_one_of),
    "unique_items": _Kind(truth_problem, _unique_items),
    "lowercase": _Kind(truth_problem, _lowercase),
    "max_lines": _Kind(count_problem(1), _max_lines),
    "pattern": _Kind(pattern_problem, lambda pattern: _pattern(pattern, True)),
    "not_pattern": _Kind(pattern_problem, lambda pattern: _pattern(pattern, False)),
    "no_html": _Kind(truth_problem, _no_html),
    "forbid_links": _Kind(count_problem(0), _no_check),
    "message": _Kind(message_problem, _no_check),
}
CHECKS: Final = tuple(_KINDS)
"""The keys of a field's table, in the order in which they are asked; ``docs/validation.md`` has them all."""
