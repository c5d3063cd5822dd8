"""Ids for requests that brought none, by the hundred thousand a second."""

from random import Random, SystemRandom
from typing import Final

_RUN: Final = 4096
_SUFFIXES: Final = tuple(f"{number:03x}" for number in range(_RUN))
_SUFFIX_BYTES: Final = tuple(suffix.encode() for suffix in _SUFFIXES)


class RequestIds:
    """Sixteen hexadecimal digits, like those of :func:`hapta.server.protocol.new_request_id`: thirteen by
    chance, the rest counts on from there.

    An id tells requests apart in a log; nobody gets anything by guessing one.

    Attributes:
        prefix: of the ids of now.
        prefix_bytes: the same as it stands in a head.
    """

    __slots__ = ("_chance", "_number", "prefix", "prefix_bytes")

    def __init__(self) -> None:
        self._chance = Random(SystemRandom().getrandbits(128))
        self._number = -1
        self.prefix = ""
        self.prefix_bytes = b""
        self._renew()

    def next(self) -> tuple[str, bytes]:
        """The rest of the next id, behind :attr:`prefix` as it is then."""
        self._number += 1
        if self._number == _RUN:
            self._renew()
            self._number = 0
        return _SUFFIXES[self._number], _SUFFIX_BYTES[self._number]

    def _renew(self) -> None:
        self.prefix = f"{self._chance.getrandbits(52):013x}"
        self.prefix_bytes = self.prefix.encode()
