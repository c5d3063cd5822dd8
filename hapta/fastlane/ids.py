"""Ids for requests that brought none, by the hundred thousand a second."""

from collections.abc import Iterator
from random import Random, SystemRandom
from typing import Final

_SUFFIXES: Final = tuple((f"{number:03x}", b"%03x" % number) for number in range(4096))


def request_ids() -> Iterator[tuple[str, bytes, bytes]]:
    """Sixteen hexadecimal digits, like those of :func:`hapta.server.protocol.new_request_id`: thirteen by
    chance, the rest counts on from there.

    An id tells requests apart in a log; nobody gets anything by guessing one.

    Yields:
        The id as text, and in the two parts in which it stands in a head.
    """
    chance = Random(SystemRandom().getrandbits(128))
    while True:
        prefix = f"{chance.getrandbits(52):013x}"
        prefix_bytes = prefix.encode()
        for suffix, suffix_bytes in _SUFFIXES:
            yield prefix + suffix, prefix_bytes, suffix_bytes
