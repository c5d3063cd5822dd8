"""What is asked, in which order: the initial world, and one :class:`Draw` per request.

Pure and exactly repeatable. The order in which numbers are drawn *is* the workload: moving one line changes
every request after it. Set-up: permutation of users, permutation of posts; per post an author, per post its
tags, per post its file flag; per comment its post; per post its likers. Request: authenticated?, actor,
write?, kind, subject.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from hapta.workload.prng import SplitMix64, cumulative, zipf
from hapta.workload.profiles import Profile


class Kind(StrEnum):
    """What a request is about; the values are the names in every table and in the JSON report."""

    HOME = "home"
    RANKED = "reco"
    VIEW = "view"
    COMMENTS = "comments"
    PROFILE = "profile"
    POSTS_OF_USER = "uposts"
    POSTS_OF_TAG = "tag"
    FOLLOWERS = "counts"
    NOTIFICATIONS = "notif"
    VERIFY = "verify"
    FILE = "file"
    SEARCH = "search"

    LIKE = "like"
    UNLIKE = "unlike"
    COMMENT = "comment"
    POST = "post"
    FOLLOW = "follow"
    EDIT = "edit"
    UPLOAD = "upload"
    SEEN = "seen"

    @property
    def is_write(self) -> bool:
        return self in WRITE_WEIGHTS


READ_WEIGHTS = {
    Kind.HOME: 26,
    Kind.RANKED: 8,
    Kind.VIEW: 20,
    Kind.COMMENTS: 13,
    Kind.PROFILE: 8,
    Kind.POSTS_OF_USER: 5,
    Kind.POSTS_OF_TAG: 4,
    Kind.FOLLOWERS: 3,
    Kind.NOTIFICATIONS: 3,
    Kind.VERIFY: 3,
    Kind.FILE: 6,
    Kind.SEARCH: 1,
}
WRITE_WEIGHTS = {
    Kind.LIKE: 46,
    Kind.UNLIKE: 6,
    Kind.COMMENT: 20,
    Kind.POST: 10,
    Kind.FOLLOW: 10,
    Kind.EDIT: 4,
    Kind.UPLOAD: 2,
    Kind.SEEN: 2,
}
PAGE_WEIGHTS = (0.6, 0.2, 0.1, 0.06, 0.04)
NO_SUBJECT = -1


@dataclass(frozen=True, slots=True)
class World:
    """The site before the first request; users, posts and tags are numbers from 0, a higher post is a newer
    one.

    Attributes:
        active: the users who act, the busiest first.
        authors: per post, its user.
        tags: per post, its tags.
        has_file: per post, whether it carries a file.
        comment_posts: per comment, its post.
        likers: per post, the users who like it.
    """

    active: tuple[int, ...]
    authors: tuple[int, ...]
    tags: tuple[frozenset[int], ...]
    has_file: tuple[bool, ...]
    comment_posts: tuple[int, ...]
    likers: tuple[frozenset[int], ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """One request of the workload.

    Attributes:
        index: its place, from 0.
        kind: what it is about.
        is_authenticated: the draw's own coin; a guest's draw may still get an actor where the kind needs one.
        actor: the user who sends it, or ``None`` for a guest.
        subject: the page (HOME, from 0), post, user, tag or search word it is about; the new post's number
            for POST and UPLOAD; ``NO_SUBJECT`` where the kind says it all.
        tags: of a new post.
    """

    index: int
    kind: Kind
    is_authenticated: bool
    actor: int | None
    subject: int = NO_SUBJECT
    tags: frozenset[int] = frozenset()


class Workload:
    """The world of a profile and seed, and the requests on it."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self.profile = profile
        self._random = random = SplitMix64(seed)
        self._user_weights = zipf(profile.users, 0.9)
        self._users = random.permutation(profile.users)
        self._post_weights = zipf(profile.posts, 1.0)
        self._evergreen = random.permutation(profile.posts)
        self._tag_weights = zipf(profile.tags, 1.0)
        self._query_weights = zipf(profile.queries, 1.0)
        self._page_weights = cumulative(PAGE_WEIGHTS)
        authors = tuple(self._some_user() for _ in range(profile.posts))
        tags = tuple(self._some_tags() for _ in range(profile.posts))
        has_file = tuple(random.uniform() < 0.35 for _ in range(profile.posts))
        comment_posts = tuple(self._some_evergreen() for _ in range(profile.comments))
        likers = tuple(
            frozenset(random.below(profile.users) for _ in range(random.below(12)))
            for _ in range(profile.posts)
        )
        active = tuple(self._users[: profile.active])
        self.world = World(active, authors, tags, has_file, comment_posts, likers)
        self._has_file = list(has_file)

    def draws(self, requests: int) -> Iterator[Draw]:
        """The requests, each drawn when it is asked for; a workload gives them once."""
        random, world = self._random, self.world
        actor_weights = zipf(self.profile.active, 0.8)
        read_kinds, read_weights = tuple(READ_WEIGHTS), cumulative(READ_WEIGHTS.values())
        write_kinds, write_weights = tuple(WRITE_WEIGHTS), cumulative(WRITE_WEIGHTS.values())
        for index in range(requests):
            is_authenticated = random.uniform() < 0.7
            actor = world.active[random.pick(actor_weights)] if is_authenticated else None
            is_write = random.uniform() < self.profile.write_share
            if is_write and actor is None:
                actor = world.active[random.pick(actor_weights)]
            kind = (
                write_kinds[random.pick(write_weights)] if is_write else read_kinds[random.pick(read_weights)]
            )
            if kind is Kind.NOTIFICATIONS and actor is None:
                actor = world.active[random.pick(actor_weights)]
            subject = self._subject(kind)
            if kind in (Kind.POST, Kind.UPLOAD):
                self._has_file.append(kind is Kind.UPLOAD)
                yield Draw(index, kind, is_authenticated, actor, subject, self._some_tags())
            else:
                yield Draw(index, kind, is_authenticated, actor, subject)

    def _subject(self, kind: Kind) -> int:
        match kind:
            case Kind.HOME:
                return self._random.pick(self._page_weights)
            case Kind.VIEW | Kind.COMMENTS | Kind.LIKE | Kind.UNLIKE | Kind.COMMENT:
                return self._some_post()
            case Kind.PROFILE | Kind.POSTS_OF_USER | Kind.FOLLOWERS | Kind.FOLLOW:
                return self._some_user()
            case Kind.POSTS_OF_TAG:
                return self._random.pick(self._tag_weights)
            case Kind.FILE:
                return self._some_post_with_file()
            case Kind.SEARCH:
                return self._random.pick(self._query_weights)
            case Kind.POST | Kind.UPLOAD:
                return len(self._has_file)
            case _:
                return NO_SUBJECT

    def _some_user(self) -> int:
        return self._users[self._random.pick(self._user_weights)]

    def _some_tags(self) -> frozenset[int]:
        return frozenset(self._random.pick(self._tag_weights) for _ in range(self._random.below(3)))

    def _some_evergreen(self) -> int:
        return self._evergreen[self._random.pick(self._post_weights)]

    def _some_post(self) -> int:
        """Mostly the ever popular ones, else one of the newest hundred."""
        if self._random.uniform() < 0.7:
            return self._some_evergreen()
        posts = len(self._has_file)
        return posts - 1 - self._random.below(min(100, posts))

    def _some_post_with_file(self) -> int:
        """The first of at most 50 tries that carries a file; where none did, the last, file or not."""
        for _ in range(50):
            post = self._some_post()
            if self._has_file[post]:
                break
        return post
