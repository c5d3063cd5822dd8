"""Which part of a list is asked for, as PocketBase reads it (``tools/search/provider.go`` Parse)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_DEFAULT: Final = 30
_MOST: Final = 1000
_PLAIN = re.compile(r"[0-9]{1,9}")
TRUTHS: Final = {"": False, "0": False, "false": False, "1": True, "true": True}
"""What a parameter that is on or off may say."""


@dataclass(frozen=True, slots=True)
class Paging:
    """One page of a list.

    Attributes:
        page: from 1 on; may lie beyond the last one.
        per_page: rows on a page.
        skips_total: rows are not counted.
    """

    page: int
    per_page: int
    skips_total: bool


def parse_paging(values: Mapping[str, str]) -> Paging | None:
    """Read the parameters of a list; ``None`` for what is better left to PocketBase.

    Args:
        values: first values of the query.
    """
    page, per_page = values.get("page", "1"), values.get("perPage", str(_DEFAULT))
    skips_total = TRUTHS.get(values.get("skipTotal", ""))
    if not _PLAIN.fullmatch(page) or not _PLAIN.fullmatch(per_page) or skips_total is None:
        return None
    return Paging(max(1, int(page)), min(_MOST, int(per_page) or _DEFAULT), skips_total)
