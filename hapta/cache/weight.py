"""What is kept weighs: bytes of memory of keys and header lines, and a pool that keeps equal lines once."""

import sys
from collections import OrderedDict
from typing import TypeAlias

from hapta.model.exchange import Header

Headers: TypeAlias = tuple[Header, ...]

_POOLED_HEADERS = 512
_POOLED_HEADERS_BYTES = 2048


class HeaderPool:
    """Keeps equal header lines once: most answers of PocketBase have the same, and they weigh as much as a
    small body. Bounded in number and size; what is not in it is weighed in full."""

    def __init__(self) -> None:
        self._pool: OrderedDict[Headers, Headers] = OrderedDict()

    def share(self, headers: Headers) -> tuple[Headers, int]:
        """The lines to keep instead of these, and the bytes that keeping them adds."""
        pooled = self._pool.get(headers)
        if pooled is not None:
            self._pool.move_to_end(headers)
            return pooled, 0
        weight = size_of(headers)
        if weight <= _POOLED_HEADERS_BYTES:
            self._pool[headers] = headers
            if len(self._pool) > _POOLED_HEADERS:
                self._pool.popitem(last=False)
        return headers, weight


def size_of(value: object) -> int:
    """Bytes of memory of a text, some bytes, a number, or a tuple or set of these."""
    size = sys.getsizeof(value)
    if isinstance(value, tuple | frozenset):
        size += sum(map(size_of, value))
    return size
