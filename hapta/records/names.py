"""Names of members where PocketBase reads JSON into a struct and not into a map: batches and logins.

Go's ``encoding/json/v2`` matches such names in any letter case and takes no notice of ``_`` and ``-`` in
them: ``re-quests`` is ``requests``. Fields of records are a map's, whose names are just those.
"""


def member_name(name: str) -> str:
    """A name in the one form in which they are compared; ``casefold`` folds at least as much as Go does."""
    return name.casefold().replace("_", "").replace("-", "")
