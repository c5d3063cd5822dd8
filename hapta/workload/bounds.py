"""What a cache of a given kind would have to send upstream for the same draws: the lower bounds L0 to L6.

Assumed: unlimited memory, no expiry by age, one request at a time. A *version* of a stored response is the
state of everything it was made of; a model fills when it has no stored response, or one of an older version:

- L0 ``naive``: one stored response per token, made stale by any write to a collection it reads.
- L1 ``coll``: the same, shared between callers.
- L2 ``exact``: shared, made stale only by a write to a row it shows.
- L3 ``patch``: shared, never made stale: writes are applied to it.
- L4 ``norm``: as L3, and a record seen in any list answers its own view.
- L5 ``snap_nocoal``: collections are loaded whole, 1,000 rows a request, and everything is evaluated at the
  edge.
- L6 ``snap``: as L5, and writes within one second go as one batch of at most 50.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from hapta.workload.draws import Draw, Kind, World
from hapta.workload.profiles import REQUESTS_PER_S, Profile

_PAGE, _CANDIDATES, _SEARCH_PAGE, _LOAD, _BATCH = 20, 500, 10, 1_000, 50
_ASSUMED_FOLLOWS = _ASSUMED_NOTIFICATIONS = 2_000
_IMMUTABLE = ("immutable",)

_READS_FROM = {
    Kind.COMMENTS: ("comments", "users"),
    Kind.PROFILE: ("users",),
    Kind.FOLLOWERS: ("follows",),
    Kind.NOTIFICATIONS: ("notifications", "comments", "follows"),
}
"""Collections a read is made of; every other one is made of posts and their authors."""

_WRITES_TO = {
    Kind.COMMENT: "comments",
    Kind.FOLLOW: "follows",
    Kind.EDIT: "users",
    Kind.SEEN: "notifications",
}
"""The collection a write counts for; every other one writes a post."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Counts over one run; ``naive`` to ``snap`` are requests arriving upstream, writes included."""

    reads: int
    edge: int
    writes: int
    distinct: int
    files: int
    naive: int
    coll: int
    exact: int
    patch: int
    norm: int
    snap_nocoal: int
    snap: int
    w_100ms: int
    w_1s: int
    w_5s: int
    kinds: dict[str, int]

    def levels(self) -> dict[str, int]:
        """The bounds by their level."""
        values = (self.naive, self.coll, self.exact, self.patch, self.norm, self.snap_nocoal, self.snap)
        return {f"L{level}": value for level, value in enumerate(values)}


class _Versions:
    """The state of the site as far as a stored response can depend on it."""

    def __init__(self, world: World, profile: Profile) -> None:
        self.authors = list(world.authors)
        self.posts = [0] * profile.posts
        self.users = [0] * profile.users
        self.collections: Counter[str] = Counter()
        self._comments = [0] * profile.posts
        self._followers: Counter[int] = Counter()
        self._notifications: Counter[int] = Counter()
        self._by_author: defaultdict[int, list[int]] = defaultdict(list)
        self._by_tag: defaultdict[int, list[int]] = defaultdict(list)
        for post, (author, tags) in enumerate(zip(world.authors, world.tags, strict=True)):
            self._index(post, author, tags)

    def _index(self, post: int, author: int, tags: Iterable[int]) -> None:
        self._by_author[author].append(post)
        for tag in tags:
            self._by_tag[tag].append(post)

    def write(self, draw: Draw, actor: int) -> None:
        self.collections[_WRITES_TO.get(draw.kind, "posts")] += 1
        match draw.kind:
            case Kind.LIKE | Kind.UNLIKE:
                self.posts[draw.subject] += 1
            case Kind.COMMENT:
                self._comments[draw.subject] += 1
                self._notifications[self.authors[draw.subject]] += 1
            case Kind.POST | Kind.UPLOAD:
                self.authors.append(actor)
                self.posts.append(0)
                self._comments.append(0)
                self._index(draw.subject, actor, draw.tags)
            case Kind.FOLLOW:
                self._followers[draw.subject] += 1
                self._notifications[draw.subject] += 1
            case Kind.EDIT:
                self.users[actor] += 1
            case Kind.SEEN:
                self._notifications[actor] += 1

    def shown_posts(self, draw: Draw) -> Sequence[int] | None:
        """The posts an answer shows, in order; ``None`` when it is not made of posts."""
        newest = range(len(self.authors) - 1, -1, -1)
        match draw.kind:
            case Kind.HOME:
                return newest[draw.subject * _PAGE : (draw.subject + 1) * _PAGE]
            case Kind.RANKED:
                return newest[:_CANDIDATES]
            case Kind.VIEW:
                return (draw.subject,)
            case Kind.POSTS_OF_USER:
                return self._by_author[draw.subject][: -_PAGE - 1 : -1]
            case Kind.POSTS_OF_TAG:
                return self._by_tag[draw.subject][: -_PAGE - 1 : -1]
            case Kind.SEARCH:
                # What a search finds is made up: ten neighbouring posts, further back for a rarer word.
                return newest[draw.subject * 3 : draw.subject * 3 + _SEARCH_PAGE]
            case _:
                return None

    def exact(self, draw: Draw, shown: Sequence[int] | None) -> Hashable:
        """The version of an answer by the rows it shows."""
        if shown is not None:
            return tuple((post, self.posts[post], self.users[self.authors[post]]) for post in shown)
        match draw.kind:
            case Kind.FILE:
                return _IMMUTABLE
            case Kind.COMMENTS:
                return self._comments[draw.subject]
            case Kind.PROFILE:
                return self.users[draw.subject]
            case Kind.FOLLOWERS:
                return self._followers[draw.subject]
            case _:
                return self._notifications[draw.actor] if draw.actor is not None else 0

    def coarse(self, draw: Draw) -> Hashable:
        """The version of an answer by the collections it reads."""
        if draw.kind is Kind.FILE:
            return _IMMUTABLE
        return tuple(self.collections[name] for name in _READS_FROM.get(draw.kind, ("posts", "users")))


class _Model:
    """A cache without limits: counts how often a key is asked for in a version it does not hold."""

    def __init__(self) -> None:
        self.fills = 0
        self._stored: dict[Hashable, Hashable] = {}

    def read(self, key: Hashable, version: Hashable) -> None:
        if self._stored.get(key) != version:
            self.fills += 1
            self._stored[key] = version


def bounds(profile: Profile, world: World, draws: Iterable[Draw]) -> Bounds:
    """Count what each kind of cache would send upstream for ``draws``."""
    versions = _Versions(world, profile)
    naive, coll, exact, patch = _Model(), _Model(), _Model(), _Model()
    known_posts: set[int] = set()
    known_lists: set[Hashable] = set()
    keys: set[tuple[Kind, int | None]] = set()
    kinds: Counter[str] = Counter()
    write_log: list[tuple[float, Hashable]] = []
    reads = edge = norm_fills = 0
    for draw in draws:
        if draw.kind.is_write:
            assert draw.actor is not None
            versions.write(draw, draw.actor)
            write_log.append((draw.index / REQUESTS_PER_S, _operation(draw)))
            if draw.kind in (Kind.POST, Kind.UPLOAD):
                known_posts.add(draw.subject)
            continue
        reads += 1
        if draw.kind is Kind.VERIFY:
            edge += 1
            continue
        kinds[draw.kind] += 1
        subject = draw.actor if draw.kind is Kind.NOTIFICATIONS else draw.subject
        key = (draw.kind, subject)
        keys.add(key)
        shown = versions.shown_posts(draw)
        token = draw.actor if draw.is_authenticated else None
        naive.read(key if draw.kind is Kind.FILE else (key, token), versions.coarse(draw))
        coll.read(key, versions.coarse(draw))
        exact.read(key, versions.exact(draw, shown))
        patch.read(key, _IMMUTABLE)
        if draw.kind is Kind.VIEW:
            norm_fills += draw.subject not in known_posts
        else:
            norm_fills += key not in known_lists
            known_lists.add(key)
        known_posts.update(shown or ())
    writes = len(write_log)
    files = sum(kind is Kind.FILE for kind, _ in keys)
    rows = (profile.users, len(versions.authors), profile.comments, _ASSUMED_FOLLOWS, _ASSUMED_NOTIFICATIONS)
    loads = sum(-(-count // _LOAD) for count in rows)
    return Bounds(
        reads=reads,
        edge=edge,
        writes=writes,
        distinct=len(keys),
        files=files,
        naive=writes + naive.fills,
        coll=writes + coll.fills,
        exact=writes + exact.fills,
        patch=writes + patch.fills,
        norm=writes + norm_fills,
        snap_nocoal=loads + files + writes,
        snap=loads + files + _batches(write_log, 1.0),
        w_100ms=_batches(write_log, 0.1),
        w_1s=_batches(write_log, 1.0),
        w_5s=_batches(write_log, 5.0),
        kinds=dict(kinds),
    )


def _operation(draw: Draw) -> Hashable:
    """What a write does; equal operations in one window need to be sent once."""
    if draw.kind in (Kind.LIKE, Kind.UNLIKE):
        return ("like", draw.subject, draw.actor)
    if draw.kind in (Kind.EDIT, Kind.SEEN):
        return (draw.kind, draw.actor)
    return draw.index


def _batches(write_log: Sequence[tuple[float, Hashable]], window_s: float) -> int:
    """How many batches carry all writes when each window opens with the first write not yet sent."""
    batches = start = 0
    while start < len(write_log):
        closes_at = write_log[start][0] + window_s
        end = start
        while end < len(write_log) and write_log[end][0] < closes_at:
            end += 1
        batches += -(-len({operation for _, operation in write_log[start:end]}) // _BATCH)
        start = end
    return batches
