"""How often a key was asked for lately, in a fixed number of bytes.

A count-min sketch [1] of four rows with counters up to 15. A new occurrence raises only those of the key's
four counters that hold the least (conservative update [2]): the estimate, the least of the four, is never too
low, and far less often too high than with plain updates. After ``sample`` occurrences every counter is halved
(the reset of [3]), so that what was popular yesterday does not keep out what is popular today.

1. Cormode, Muthukrishnan: An improved data stream summary. Journal of Algorithms 55 (2005).
2. Estan, Varghese: New directions in traffic measurement and accounting. SIGCOMM 2002.
3. Einziger, Friedman, Manes: TinyLFU, a highly efficient cache admission policy. ACM TOS 13 (2017), 3.2.
"""

_MOST = 15
_HALVED = bytes(count >> 1 for count in range(256))
_OCCURRENCES_PER_COUNTER = 2.5
"""[3] keeps ten occurrences an entry; with four counters an entry and row that is this many each."""


class Sketch:
    """Estimates of one stream of keys.

    Args:
        width: counters in each row, a power of two; four for each key that is to be told apart.
    """

    __slots__ = ("_first", "_fourth", "_left", "_mask", "_second", "_third", "sample")

    def __init__(self, width: int) -> None:
        if width < 1 or width & (width - 1):
            raise ValueError("the width of a sketch is a power of two")
        self._mask = width - 1
        self._first, self._second = bytearray(width), bytearray(width)
        self._third, self._fourth = bytearray(width), bytearray(width)
        self.sample = int(width * _OCCURRENCES_PER_COUNTER)
        self._left = self.sample

    @property
    def weight(self) -> int:
        """Bytes of its counters."""
        return 4 * (self._mask + 1)

    def add(self, hashed: int) -> None:
        """Count one occurrence of the key with this hash (64 bits, any sign)."""
        mask = self._mask
        step = hashed >> 32 | 1  # double hashing: four places from one hash, all different
        one = hashed & mask
        two = hashed + step & mask
        three = hashed + 2 * step & mask
        four = hashed + 3 * step & mask
        first, second, third, fourth = self._first, self._second, self._third, self._fourth
        least = min(first[one], second[two], third[three], fourth[four])
        if least < _MOST:
            more = least + 1
            if first[one] == least:
                first[one] = more
            if second[two] == least:
                second[two] = more
            if third[three] == least:
                third[three] = more
            if fourth[four] == least:
                fourth[four] = more
        self._left -= 1
        if not self._left:
            self._halve()

    def estimate(self, hashed: int) -> int:
        """Occurrences of this key in the sample, 0 to 15; rarely too high, too low only by the halving."""
        mask = self._mask
        step = hashed >> 32 | 1
        return min(
            self._first[hashed & mask],
            self._second[hashed + step & mask],
            self._third[hashed + 2 * step & mask],
            self._fourth[hashed + 3 * step & mask],
        )

    def _halve(self) -> None:
        self._first, self._second = self._first.translate(_HALVED), self._second.translate(_HALVED)
        self._third, self._fourth = self._third.translate(_HALVED), self._fourth.translate(_HALVED)
        self._left = self.sample // 2
