"""What the plugin makes of an answer, written down a second time and in another way."""

import copy
from dataclasses import dataclass
from typing import Any

RELATIONS = {
    ("posts", "author"): "users",
    ("posts", "topics"): "topics",
    ("comments", "post"): "posts",
    ("comments", "author"): "users",
    ("documents", "owner"): "users",
    ("post_stats", "author"): "users",
}
BACK = {
    ("posts", "comments_via_post"): ("comments", "post"),
    ("posts", "comments(post)"): ("comments", "post"),
    ("users", "posts_via_author"): ("posts", "author"),
    ("users", "comments_via_author"): ("comments", "author"),
    ("topics", "posts_via_topics"): ("posts", "topics"),
}
GUARDED = {
    "posts": {"contact", "slug", "site", "views", "author", "body"},
    "comments": {"post"},
    "users": {"role"},
    "documents": {"cover", "attachments", "contract"},
}
FIXED = ("id", "collectionId", "collectionName", "expand")
MISSING = object()


@dataclass(frozen=True)
class Seer:
    """Who looks: collection and id (empty: nobody), and the role they have now."""

    collection: str = ""
    id: str = ""
    role: str | None = None


@dataclass
class Facts:
    """What else decides: the rows a hook reads, and a word of its own."""

    counts: list[int]
    word: str = "for"


def may_read(seer: Seer, collection: str, field: str, row: dict[str, Any] | None) -> bool:
    """What the plugin's can_read hooks say."""
    if collection == "comments" and field not in ("post", *FIXED):
        return seer.collection != "staff"
    if field not in GUARDED.get(collection, ()):
        return True
    if (collection, field) in {("posts", "contact"), ("posts", "slug"), ("comments", "post")}:
        return seer.role == "editor"
    if (collection, field) == ("documents", "cover"):
        return seer.role == "editor"
    if (collection, field) == ("posts", "views"):
        return bool(seer.id)
    if (collection, field) == ("posts", "author"):
        return seer.collection in ("users", "staff")
    if (collection, field) == ("users", "role"):
        return bool(seer.id) and seer.collection != "staff"
    if row is None:
        return False
    if (collection, field) == ("posts", "site"):
        return bool(row.get("author", MISSING) == (seer.id or None))
    if (collection, field) == ("posts", "body"):
        return bool(row.get("status", "draft") != "draft")
    return bool(row.get("owner", MISSING) == (seer.id or None))


def shaped(seer: Seer, collection: str, row: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """A row and all that is expanded in it."""
    seen = {name: value for name, value in row.items() if name != "expand"}
    made = {n: copy.deepcopy(v) for n, v in seen.items() if may_read(seer, collection, n, seen)}
    if collection == "posts":
        if "title" in made:
            made["title"] += f" {facts.word} {seer.role or 'all'}"
        made["shaped"] = True
    if collection == "topics":
        made["counted"] = facts.counts
    if "expand" in row:
        made["expand"] = {}
        for name, value in row["expand"].items():
            found = _expanded(seer, collection, seen, name, value, facts)
            if found is not MISSING:
                made["expand"][name] = found
    return made


def _expanded(
    seer: Seer, collection: str, parent: dict[str, Any], name: str, value: Any, facts: Facts
) -> Any:
    rows = value if isinstance(value, list) else [value]
    if (collection, name) in BACK:
        target, via = BACK[collection, name]
        own = [{k: v for k, v in row.items() if k != "expand"} for row in rows]
        kept = [row for row, seen in zip(rows, own, strict=True) if may_read(seer, target, via, seen)]
        if rows and not kept:
            return MISSING
    else:
        target, kept = RELATIONS[collection, name], rows
        if not may_read(seer, collection, name, parent):
            return MISSING
    made = [shaped(seer, target, row, facts) for row in kept]
    return made if isinstance(value, list) else made[0]


def answered(seer: Seer, collection: str, body: Any, facts: Facts) -> Any:
    """A list or a view."""
    if isinstance(body, dict) and "items" in body:
        return {**body, "items": [shaped(seer, collection, row, facts) for row in body["items"]]}
    return shaped(seer, collection, body, facts)
