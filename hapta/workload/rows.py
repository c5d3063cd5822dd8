"""The rows of the initial world, and the names by which requests find them.

Ids, names and file names follow from the numbers of the draws, so that a request can be written without
asking PocketBase first. Follows and notifications are not drawn (the draws do not depend on them): every user
follows the next few and has at least one notification.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hapta.workload import schema
from hapta.workload.draws import World
from hapta.workload.profiles import Profile

Row = Mapping[str, object]

_BEFORE_ANY_RUN = datetime(2025, 1, 1)
_FOLLOWS, _FOLLOWS_EACH = 2_000, 10
_PRIVATE_EVERY, _PRIVATE_AT = 20, 7
_FILLER = (
    "One more thing happened today, and here it is in a few plain words for whoever likes to read along. "
)


def row_id(prefix: str, number: int) -> str:
    """A PocketBase record id: 15 characters, the prefix telling what it is."""
    return f"{prefix}{number:0{15 - len(prefix)}d}"


def user_id(user: int) -> str:
    return row_id("user", user)


def post_id(post: int) -> str:
    return row_id("post", post)


def tag_id(tag: int) -> str:
    return row_id("tag", tag)


def username(user: int) -> str:
    return f"member{user}"


def email(user: int) -> str:
    return f"member{user}@example.com"


def topic(query: int) -> str:
    """The search word; the colon keeps topic1 from being found in topic10."""
    return f"topic{query}:"


def content(post: int, queries: int) -> str:
    """The text of a post; it carries one of the words that are searched for."""
    return f"Post {post} on {topic(post % queries)} {_FILLER * (1 + post % 3)}"


def photo_name(post: int) -> str:
    """The file of an initial post, suffixed as PocketBase does."""
    return f"photo{post}_{post:010d}.png"


def is_private(post: int, with_private_posts: bool) -> bool:
    """Variant P: five posts in a hundred."""
    return with_private_posts and post % _PRIVATE_EVERY == _PRIVATE_AT


def visibility(post: int, with_private_posts: bool) -> str:
    return "private" if is_private(post, with_private_posts) else "public"


@dataclass(frozen=True, slots=True)
class Follow:
    """An initial row of ``follows``."""

    id: str
    follower: int
    target: int


def initial_follows(profile: Profile) -> Iterator[Follow]:
    """Every user follows the users numbered next."""
    for number in range(min(_FOLLOWS, _FOLLOWS_EACH * profile.users)):
        follower = number % profile.users
        yield Follow(
            row_id("follow", number), follower, (follower + 1 + number // profile.users) % profile.users
        )


def initial_notifications(profile: Profile) -> Iterator[tuple[str, int, int]]:
    """Id, recipient and actor of each initial row of ``notifications``: one for every initial follow."""
    for number, follow in enumerate(initial_follows(profile)):
        yield row_id("notice", number), follow.target, follow.follower


def initial_rows(
    profile: Profile, world: World, password_hash: str, *, with_private_posts: bool
) -> Iterator[tuple[str, Iterator[Row]]]:
    """Per collection its rows, as columns of its table: lists stand for JSON, and ``tokenKey`` is missing."""
    yield schema.USERS, (_user(user, password_hash) for user in range(profile.users))
    yield schema.HASHTAGS, (_row(tag_id(tag), tag, name=f"tag{tag}") for tag in range(profile.tags))
    yield (
        schema.POSTS,
        (_post(profile, world, post, with_private_posts=with_private_posts) for post in range(profile.posts)),
    )
    yield (
        schema.COMMENTS,
        (
            _row(
                row_id("comment", number),
                number,
                post=post_id(post),
                author=user_id(number * 7 % profile.users),
                content=f"Comment {number}: {_FILLER}",
            )
            for number, post in enumerate(world.comment_posts)
        ),
    )
    yield (
        schema.FOLLOWS,
        (
            _row(follow.id, number, follower=user_id(follow.follower), target=user_id(follow.target))
            for number, follow in enumerate(initial_follows(profile))
        ),
    )
    yield (
        schema.NOTIFICATIONS,
        (
            _row(
                notice, number, recipient=user_id(recipient), actor=user_id(actor), kind="follow", seen=False
            )
            for number, (notice, recipient, actor) in enumerate(initial_notifications(profile))
        ),
    )


def _row(identifier: str, number: int, **fields: object) -> Row:
    at = (_BEFORE_ANY_RUN + timedelta(minutes=number)).isoformat(" ", "milliseconds") + "Z"
    return {
        "id": identifier,
        "created": at,
        "updated": at,
        schema.HIDDEN_FIELD: "for superusers only",
        **fields,
    }


def _user(user: int, password_hash: str) -> Row:
    return _row(
        user_id(user),
        user,
        username=username(user),
        name=f"Member {user}",
        email=email(user),
        emailVisibility=False,
        verified=True,
        bio=f"I am number {user}.",
        role="member",
        password=password_hash,
    )


def _post(profile: Profile, world: World, post: int, *, with_private_posts: bool) -> Row:
    return _row(
        post_id(post),
        post,
        author=user_id(world.authors[post]),
        content=content(post, profile.queries),
        files=[photo_name(post)] if world.has_file[post] else [],
        hashtags=[tag_id(tag) for tag in sorted(world.tags[post])],
        likes=[user_id(user) for user in sorted(world.likers[post])],
        pinned=False,
        visibility=visibility(post, with_private_posts),
    )
