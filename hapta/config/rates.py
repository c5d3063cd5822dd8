"""Rates as people write them, ``100/minute``, read by the ``limits`` library."""

from dataclasses import dataclass

MAX_COUNT = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so long.

    Attributes:
        count: at least 1, at most :data:`MAX_COUNT`.
        duration_s: whole seconds, at least 1.
    """

    count: int
    duration_s: int


def parse_rate(text: str) -> Rate:
    """Read one rate.

    Raises:
        ValueError: it is none; the text says what one looks like.
    """
    from limits import parse_many  # its import costs 90 ms, and most installations have no such table

    try:
        items = parse_many(text)
    except ValueError:
        raise ValueError(
            f'expected a rate such as "100/minute" or "5 per 10 seconds", got "{text}"'
        ) from None
    if len(items) > 1:
        raise ValueError(f'expected one rate, got "{text}"; make a table for each')
    count, duration_s = items[0].amount, items[0].get_expiry()
    if not 1 <= count <= MAX_COUNT or duration_s < 1:
        raise ValueError(f'expected a rate of 1 to {MAX_COUNT} in at least a second, got "{text}"')
    return Rate(count, duration_s)
