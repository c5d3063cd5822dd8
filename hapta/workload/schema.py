"""The reference schema of the workload: a small social app, as PocketBase imports it.

Public reads share one answer among all callers, except that an auth row shows its ``email`` to its owner
(``emailVisibility`` is false everywhere), and notifications belong to their recipient. Each collection has a
hidden field ``remark``, filled in every seeded row: an answer made for a superuser and given to somebody else
shows at once.

Likes belong to whoever likes, not to the author; until an action gate does this, ``posts`` lets every user
change ``likes`` (and ``revision``) of a post, and nothing else. ``revision`` numbers the writes of one run,
so that a read tells which of them it has seen.
"""

from collections.abc import Sequence
from typing import Any

USERS, POSTS, COMMENTS = "users", "posts", "comments"
HASHTAGS, FOLLOWS, NOTIFICATIONS = "hashtags", "follows", "notifications"
HIDDEN_FIELD = "remark"
THUMB = "100x100"

_ME = "@request.auth.id"
_LOGGED_IN = f'{_ME} != ""'
_VISIBLE = f'(visibility = "public" || author = {_ME})'
_ANYBODY = ""
_SUPERUSERS = None

Field = dict[str, Any]


def collection_id(name: str) -> str:
    """The id a collection is imported with; ``users`` is the one every PocketBase starts with."""
    return "_pb_users_auth_" if name == USERS else f"bench{name:_>10}"


def collections(*, with_private_posts: bool) -> list[dict[str, Any]]:
    """The collections, for ``PUT /api/collections/import``.

    Args:
        with_private_posts: variant P, in which a private post is seen by its author only.
    """
    visible = _VISIBLE if with_private_posts else _ANYBODY
    return [
        _collection(
            USERS,
            [
                {"name": "password", "type": "password", "cost": 4, "min": 8, "system": True, "hidden": True},
                _text("username", required=True),
                _text("name"),
                _text("bio"),
                _files("avatar", 1),
                _text("role"),
            ],
            rules=(
                _ANYBODY,
                "@request.body.role:isset = false && @request.body.verified:isset = false",
                f"id = {_ME}",
                f"id = {_ME}",
            ),
            indexes=["CREATE UNIQUE INDEX `idx_users_username` ON `users` (`username`)"],
            authAlert={"enabled": False},
        ),
        _collection(HASHTAGS, [_text("name", required=True)], rules=(_ANYBODY, _LOGGED_IN, None, None)),
        _collection(
            POSTS,
            [
                _relation("author", USERS, required=True),
                _text("content"),
                _files("files", 4),
                _relation("hashtags", HASHTAGS, most=10),
                _relation("likes", USERS, most=100_000),
                {"name": "pinned", "type": "bool"},
                {"name": "visibility", "type": "select", "values": ["public", "private"], "required": True},
            ],
            rules=(
                visible,
                f"{_LOGGED_IN} && {_ME} = @request.body.author",
                f"author = {_ME} || ({_only_likes_change(visible)})",
                f"author = {_ME}",
            ),
            indexes=[
                "CREATE INDEX `idx_posts_newest` ON `posts` (`pinned` DESC, `created` DESC)",
                "CREATE INDEX `idx_posts_author` ON `posts` (`author`, `created`)",
            ],
        ),
        _collection(
            COMMENTS,
            [
                _relation("post", POSTS, required=True),
                _relation("author", USERS, required=True),
                _text("content", required=True),
            ],
            rules=(
                _ANYBODY,
                f"{_LOGGED_IN} && {_ME} = @request.body.author",
                f"author = {_ME}",
                f"author = {_ME}",
            ),
            indexes=["CREATE INDEX `idx_comments_post` ON `comments` (`post`, `created`)"],
        ),
        _collection(
            FOLLOWS,
            [_relation("follower", USERS, required=True), _relation("target", USERS, required=True)],
            rules=(
                _ANYBODY,
                f"{_LOGGED_IN} && {_ME} = @request.body.follower",
                f"follower = {_ME}",
                f"follower = {_ME}",
            ),
            indexes=[
                "CREATE UNIQUE INDEX `idx_follows_pair` ON `follows` (`follower`, `target`)",
                "CREATE INDEX `idx_follows_target` ON `follows` (`target`)",
            ],
        ),
        _collection(
            NOTIFICATIONS,
            [
                _relation("recipient", USERS, required=True),
                _text("kind", required=True),
                _relation("actor", USERS),
                _relation("post", POSTS),
                {"name": "seen", "type": "bool"},
            ],
            rules=(f"recipient = {_ME}", _SUPERUSERS, f"recipient = {_ME}", f"recipient = {_ME}"),
            indexes=[
                "CREATE INDEX `idx_notifications_recipient` ON `notifications` (`recipient`, `created`)"
            ],
        ),
    ]


def _only_likes_change(visible: str) -> str:
    kept = ("author", "content", "files", "hashtags", "pinned", "visibility")
    conditions = [_LOGGED_IN, *([visible] if visible else [])]
    return " && ".join([*conditions, *(f"@request.body.{field}:changed = false" for field in kept)])


def _collection(
    name: str,
    fields: Sequence[Field],
    *,
    rules: tuple[str | None, str | None, str | None, str | None],
    indexes: Sequence[str] = (),
    **options: Any,
) -> dict[str, Any]:
    """One collection; ``rules`` are read (list and view), create, update, delete."""
    common: list[Field] = [
        {"name": "revision", "type": "number"},
        {"name": HIDDEN_FIELD, "type": "text", "hidden": True},
        {"name": "created", "type": "autodate", "onCreate": True, "onUpdate": False},
        {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
    ]
    read, create, update, delete = rules
    return {
        "id": collection_id(name),
        "name": name,
        "type": "auth" if name == USERS else "base",
        "fields": [*fields, *common],
        "listRule": read,
        "viewRule": read,
        "createRule": create,
        "updateRule": update,
        "deleteRule": delete,
        "indexes": list(indexes),
        **options,
    }


def _text(name: str, *, required: bool = False) -> Field:
    return {"name": name, "type": "text", "required": required}


def _relation(name: str, target: str, *, required: bool = False, most: int = 1) -> Field:
    return {
        "name": name,
        "type": "relation",
        "collectionId": collection_id(target),
        "maxSelect": most,
        "required": required,
        "cascadeDelete": required,
    }


def _files(name: str, most: int) -> Field:
    return {"name": name, "type": "file", "maxSelect": most, "maxSize": 5_242_880, "thumbs": [THUMB]}
