"""The time macros of PocketBase (``tools/search/identifier_macros.go``), and when their values move.

All are UTC. They are exact words: ``@NOW`` and ``@now:lower`` are refused.
"""

from enum import StrEnum


class Moves(StrEnum):
    """When a macro's value changes."""

    ALWAYS = "always"
    """Within a day: a stored response would be wrong the next moment, or the next hour."""
    AT_MIDNIGHT = "at midnight"
    """At UTC midnight, or at a later one."""


MACROS = {
    "@now": Moves.ALWAYS,
    "@yesterday": Moves.ALWAYS,  # this moment of yesterday
    "@tomorrow": Moves.ALWAYS,
    "@second": Moves.ALWAYS,
    "@minute": Moves.ALWAYS,
    "@hour": Moves.ALWAYS,
    "@day": Moves.AT_MIDNIGHT,
    "@weekday": Moves.AT_MIDNIGHT,
    "@month": Moves.AT_MIDNIGHT,
    "@year": Moves.AT_MIDNIGHT,
    "@todayStart": Moves.AT_MIDNIGHT,
    "@todayEnd": Moves.AT_MIDNIGHT,
    "@monthStart": Moves.AT_MIDNIGHT,
    "@monthEnd": Moves.AT_MIDNIGHT,
    "@yearStart": Moves.AT_MIDNIGHT,
    "@yearEnd": Moves.AT_MIDNIGHT,
}
