"""Whether an update certainly leaves a record's files as they are.

A like changes a post and not its pictures: they need not be asked for again. Certain it is of a JSON object
of which no member's name has the name of a file field in it (PocketBase reads ``cover``, ``cover+``,
``cover-`` and ``+cover``; JSON cannot bring files, but it can take some away).
"""

from collections.abc import Collection as Several
from collections.abc import Iterable


def leaves_files(members: Iterable[str] | None, fields: Several[str]) -> bool:
    """Whether an update of a record changes none of its files.

    Args:
        members: names in the body of a PATCH; ``None`` where they are not known.
        fields: names of the collection's file fields.
    """
    if not fields:
        return True
    if members is None:
        return False
    folded = [field.casefold() for field in fields]
    return not any(field in name.casefold() for name in members for field in folded)
