"""Whether a ``fields`` list lets an e-mail through: the one thing an answer may tell its caller alone.

As ``tools/picker`` works: a path may name a leaf or a whole object, ``*`` stands for all keys of a level, and
a modifier follows a colon. Two of its habits make every doubtful list one that shows: a repeated name such as
``expand.author.author`` may act like ``expand.author`` (its map changes while it is walked), and a modifier
that fails leaves the rest of a list as it was.
"""

import re
from collections.abc import Collection

MAX_LENGTH = 2_000
_PLAIN = re.compile(r"\w+(\.\w+)*", re.ASCII)


def may_show_email(fields: str, expanded: Collection[str]) -> bool:
    """Whether e-mails of auth records can pass.

    Args:
        fields: the parameter, not empty.
        expanded: names of the relations the same request expands, at any depth.

    Returns:
        ``False`` only if no path can be an e-mail or something that holds one.
    """
    if len(fields) > MAX_LENGTH:
        return True
    for field in fields.split(","):
        path = field.strip(" ")
        if not _PLAIN.fullmatch(path):
            return True
        parts = path.split(".")
        if "email" in parts or parts[-1] == "expand":
            return True
        if len(parts) > 1 and parts[-1] in expanded:
            return True
    return False
