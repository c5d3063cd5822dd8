"""The functions PocketBase knows, and the arguments it takes; measured on 0.40.6.

Functions nest syntactically, up to three deep, but neither of the two takes a function for an argument. An
argument ``@request.body.x:changed`` can be saved in a rule, but every request that meets it fails: refused.
"""

from hapta.filters.errors import FilterError
from hapta.filters.nodes import Call, Identifier, Number, Text

MAX_DEPTH = 3
"""Calls within calls; a fourth is refused by PocketBase's scanner, whatever it calls."""
_MAX_STRFTIME_ARGUMENTS = 10


def check(call: Call) -> None:
    """Raise :class:`FilterError` where PocketBase refuses the function or its arguments."""
    for argument in call.arguments:
        if isinstance(argument, Identifier) and argument.name.endswith(":changed"):
            raise FilterError("no function can work on :changed", argument.position)
    if call.name == "geoDistance":
        _geo_distance(call)
    elif call.name == "strftime":
        _strftime(call)
    else:
        raise FilterError(f"unknown function {call.name!r}", call.position)


def _geo_distance(call: Call) -> None:
    if len(call.arguments) != 4:
        raise FilterError("geoDistance takes four arguments", call.position)
    for argument in call.arguments:
        if not isinstance(argument, Identifier | Number):
            raise FilterError("geoDistance takes identifiers and numbers", argument.position)


def _strftime(call: Call) -> None:
    arguments = call.arguments
    if not 1 <= len(arguments) <= _MAX_STRFTIME_ARGUMENTS:
        raise FilterError("strftime takes one to ten arguments", call.position)
    if not isinstance(arguments[0], Text):
        raise FilterError("strftime's format is a quoted text", arguments[0].position)
    if len(arguments) > 1 and isinstance(arguments[1], Call):
        raise FilterError("strftime's time is no function", arguments[1].position)
    for modifier in arguments[2:]:
        if not isinstance(modifier, Text):
            raise FilterError("strftime's modifiers are quoted texts", modifier.position)
