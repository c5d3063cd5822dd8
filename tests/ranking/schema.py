"""A schema of posts, their authors and what people do with them, without a PocketBase."""

from typing import Any

from hapta.config.feeds import read_feeds
from hapta.model.schema import Collection, Schema
from hapta.ranking.spec import FeedSpec


def field(name: str, kind: str = "text", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "hidden": False, **more}


def relation(name: str, to: str, most: int = 1) -> dict[str, Any]:
    return field(name, "relation", collectionId=to, maxSelect=most)


def collection(
    name: str,
    *fields: dict[str, Any],
    kind: str = "base",
    rule: str | None = "",
    is_system: bool = False,
) -> Collection:
    """One whose id is its name in capitals."""
    own = [field("password", "password", hidden=True), field("email", "email")] if kind == "auth" else []
    raw = {
        "id": name.upper(),
        "name": name,
        "type": kind,
        "system": is_system,
        "listRule": rule,
        "fields": [field("id"), *own, *fields],
        "updated": "",
    }
    return Collection.parse(raw)


def schema(rule: str | None = "") -> Schema:
    """All collections; ``rule`` is the listRule of posts."""
    dates = field("created", "autodate")
    return Schema.of(
        1,
        [
            collection("users", field("fame", "number"), relation("following", "USERS", 99), kind="auth"),
            collection("topics", field("name")),
            collection(
                "posts",
                field("title"),
                field("body", "editor"),
                field("site", "url"),
                field("views", "number"),
                field("public", "bool"),
                field("pinned", "bool"),
                field("draft", "bool", hidden=True),
                field("kinds", "select", values=["a", "b"], maxSelect=2),
                field("meta", "json"),
                field("place", "geoPoint"),
                relation("author", "USERS"),
                relation("topics", "TOPICS", 3),
                relation("parent", "POSTS"),
                relation("fans", "USERS", 99),
                dates,
                rule=rule,
            ),
            collection("comments", relation("post", "POSTS"), relation("writer", "USERS"), dates),
            collection("likes", relation("post", "POSTS"), relation("user", "USERS")),
            collection("blocks", relation("who", "USERS"), relation("whom", "USERS")),
            collection("listed", relation("posts", "POSTS", 9), relation("members", "USERS", 9)),
            collection("joined", field("created", "date"), kind="view"),
            collection("_superusers", kind="auth", is_system=True),
        ],
    )


def spec(table: dict[str, Any], *, rule: str | None = "") -> FeedSpec:
    """Of a feed of posts called home."""
    known = schema(rule)
    return FeedSpec.of("home", read_feeds({"home": {"collection": "posts", **table}}, {})["home"], known)


EVERYTHING_ABOUT_POSTS: dict[str, Any] = {
    "author": "author",
    "pinned": "pinned",
    "topics": ["topics", "kinds"],
    "filter": "draft = false && views < 100",
    "spam_domains": ["spam.example"],
    "signals": {
        "views": {"field": "views"},
        "titled": {"field": "title"},
        "fans": {"field": "fans"},
        "linked": {"field": "body", "has": "link"},
        "spam": {"field": "body", "has": "spam"},
        "comments": {"collection": "comments", "relation": "post"},
        "replies": {"collection": "posts", "relation": "parent"},
        "listed": {"collection": "listed", "relation": "posts"},
        "fame": {"field": "fame", "of": "author"},
        "following": {"field": "following", "has": "value", "of": "author"},
        "followers": {"collection": "users", "relation": "following", "of": "author"},
        "posts": {"collection": "posts", "relation": "author", "of": "author"},
    },
    "follows": {"users": {"collection": "users", "from": "id", "to": "following"}},
    "hides": {"blocks": {"collection": "blocks", "from": "who", "to": "whom", "both": True}},
    "engaged": {
        "likes": {"collection": "likes", "from": "user", "to": "post"},
        "fans": {"collection": "posts", "from": "fans", "to": "id"},
    },
}
