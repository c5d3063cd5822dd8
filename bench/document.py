"""The figures in docs/performance.md, each measurement between two marks of its own.

What stands outside the marks is written by hand and never touched.
"""

from bench.errors import BenchError
from bench.plan import Section


def marks(name: str) -> tuple[str, str]:
    """What stands before and after the figures of a measurement."""
    return f"<!-- bench {name} -->", f"<!-- end of bench {name} -->"


def filled(page: str, section: Section, how: str) -> str:
    """``page`` with the figures of one measurement replaced.

    Args:
        page: the whole text.
        section: the measurement.
        how: date, machine, versions and command; stands under the tables.

    Raises:
        BenchError: the marks are not there, each once and in order.
    """
    first, last = marks(section.name)
    before, found_first, rest = page.partition(first)
    _old, found_last, after = rest.partition(last)
    if not found_first or not found_last or first in rest or last in after:
        raise BenchError(f"docs/performance.md: expected {first} and then {last}, once each")
    return f"{before}{first}\n{section.tables}\n\n{how}\n{last}{after}"
