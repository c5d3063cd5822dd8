"""The HTTP requests a draw stands for.

Pure, except that it keeps book of what the draws before have made (follows, notifications, new posts), so
that every write is one the rules allow and its success can be demanded. Where the workload asks for what
Hapta does not have yet, the nearest plain request stands in for it, and :data:`STAND_INS` says so:

- a comment and a follow send their notification row as a second request, as the superuser (the app's
  backend);
- of a Hapta that is not ours, and of PocketBase alone, the ranked feed is the list of candidates it would be
  ranked from;
- a session is not verified; the request goes to a route that Hapta answers by itself.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from hapta.workload import rows, schema
from hapta.workload.draws import Draw, Kind, Workload
from hapta.workload.photo import photo

GUEST = "guest"
SUPERUSER = "superuser"
NOTIFICATION = "notification"
"""Not a kind of draw: the second request of a comment or follow."""

STAND_INS = {
    Kind.RANKED: "GET posts, the newest 500, where the target has no feed of ours",
    Kind.VERIFY: "GET /api/hapta/health/live (no sessions yet); left out where there is no Hapta",
    NOTIFICATION: "POST notifications as superuser, beyond the draws (no action gate yet)",
}

CANDIDATES = 500
"""Newest posts that are ranked."""
FEED = "home"
RANKED_PAGE = 20


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list shows, as far as the concurrent check needs to know.

    Attributes:
        scope: the rows it is about: a collection, or ``collection/field/value``.
        is_newest_first: it starts with the newest row of its scope, so a missing row is missing because older
            ones than all that are shown were cut off, or wrongly.
        is_count: it is asked for ``totalItems``.
    """

    scope: str
    is_newest_first: bool = False
    is_count: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """A request that changes nothing.

    Attributes:
        label: the kind of the draw.
        caller: GUEST, SUPERUSER or a user's id.
        target: path and query.
        listing: set for lists.
        row: set for a view: collection and id.
        file_of: set for a file whose name only the answer to its upload tells: the post; ``target`` then
            lacks the name.
    """

    label: str
    caller: str
    target: str
    listing: Listing | None = None
    row: tuple[str, str] | None = None
    file_of: str | None = None

    @property
    def is_ranked(self) -> bool:
        """Its order is Hapta's own, its rows are PocketBase's."""
        return "feed=" in self.target

    @property
    def is_for_edge(self) -> bool:
        """Hapta answers it by itself, so PocketBase has no answer to compare with."""
        return self.label == Kind.VERIFY


@dataclass(frozen=True, slots=True)
class Write:
    """A request that changes one row.

    Attributes:
        label: the kind of the draw, or NOTIFICATION.
        caller: as of :class:`Read`.
        method: POST, PATCH or DELETE.
        row: collection and id.
        fields: the body.
        picture: a file to upload with it.
        revision: rises with every write of a run; stands in the row's ``revision``.
        scopes: the lists a new row belongs to, or a deleted one leaves.
        only_for: the one user who may see the row; ``None`` if all may.
        needs: id of a row whose earlier writes must be done; ``None`` if there is none.
        is_refused: the rules hide the row from the caller, so PocketBase answers 404.
    """

    label: str
    caller: str
    method: str
    row: tuple[str, str]
    fields: Mapping[str, object]
    picture: bytes | None = None
    revision: int = 0
    scopes: tuple[str, ...] = ()
    only_for: str | None = None
    needs: str | None = None
    is_refused: bool = False

    @property
    def target(self) -> str:
        collection, row = self.row
        path = f"/api/collections/{collection}/records"
        return path if self.method == "POST" else f"{path}/{row}"

    @property
    def view(self) -> str:
        """Where the changed row can be read."""
        return f"/api/collections/{self.row[0]}/records/{self.row[1]}"


Call = Read | Write


class CallPlanner:
    """Turns draws into requests, in the order of the draws.

    Args:
        workload: whose draws they are.
        with_private_posts: variant P.
        has_edge: there is a Hapta that answers its own routes.
        has_feed: it has the feed of :func:`hapta.workload.gateway.running_gateway`.
    """

    def __init__(
        self, workload: Workload, *, with_private_posts: bool, has_edge: bool, has_feed: bool = False
    ) -> None:
        profile, world = workload.profile, workload.world
        self._queries = profile.queries
        self._with_private_posts = with_private_posts
        self._has_edge = has_edge
        self._has_feed = has_feed
        self._authors = list(world.authors)
        self._revision = 0
        self._initial_posts = len(world.authors)
        self._has_file = list(world.has_file)
        follows = list(rows.initial_follows(profile))
        self._follow_ids = {(follow.follower, follow.target): follow.id for follow in follows}
        self._ended_follows: dict[tuple[int, int], str] = {}
        self._new_follows, self._new_comments = len(follows), profile.comments
        self._unseen: defaultdict[int, deque[str]] = defaultdict(deque)
        self._new_notifications = 0
        for notice, recipient, _ in rows.initial_notifications(profile):
            self._unseen[recipient].append(notice)
            self._new_notifications += 1

    def calls(self, draw: Draw) -> list[Call]:
        """The requests of one draw, in order; empty where nothing can stand in for it."""
        if draw.kind.is_write:
            assert draw.actor is not None
            return list(self._writes(draw, draw.actor))
        caller = GUEST if draw.actor is None else rows.user_id(draw.actor)
        return self._reads(draw, caller)

    def _reads(self, draw: Draw, caller: str) -> list[Call]:
        kind, subject = draw.kind, draw.subject
        match kind:
            case Kind.HOME:
                page = _list_target(
                    schema.POSTS, page=subject + 1, perPage=20, sort="-pinned,-created", expand="author"
                )
                return [Read(kind, caller, page, Listing(schema.POSTS, is_newest_first=subject == 0))]
            case Kind.RANKED if self._has_feed:
                page = _list_target(schema.POSTS, feed=FEED, perPage=RANKED_PAGE, expand="author")
                return [Read(kind, caller, page)]
            case Kind.RANKED:
                newest = _list_target(
                    schema.POSTS, perPage=CANDIDATES, skipTotal=1, sort="-created", expand="author"
                )
                return [Read(kind, caller, newest, Listing(schema.POSTS, is_newest_first=True))]
            case Kind.VIEW:
                post = rows.post_id(subject)
                return [
                    Read(
                        kind,
                        caller,
                        f"{_records(schema.POSTS)}/{post}?expand=author",
                        row=(schema.POSTS, post),
                    )
                ]
            case Kind.COMMENTS:
                return [
                    self._newest(kind, caller, schema.COMMENTS, "post", rows.post_id(subject), per_page=50)
                ]
            case Kind.PROFILE:
                by_name = _list_target(
                    schema.USERS, perPage=1, skipTotal=1, filter=f'username="{rows.username(subject)}"'
                )
                return [Read(kind, caller, by_name, Listing(f"{schema.USERS}/id/{rows.user_id(subject)}"))]
            case Kind.POSTS_OF_USER:
                return [self._newest(kind, caller, schema.POSTS, "author", rows.user_id(subject))]
            case Kind.POSTS_OF_TAG:
                return [self._newest(kind, caller, schema.POSTS, "hashtags.id", rows.tag_id(subject))]
            case Kind.FOLLOWERS:
                target = rows.user_id(subject)
                count = _list_target(schema.FOLLOWS, perPage=1, filter=f'target="{target}"')
                return [
                    Read(kind, caller, count, Listing(f"{schema.FOLLOWS}/target/{target}", is_count=True))
                ]
            case Kind.NOTIFICATIONS:
                own = _list_target(schema.NOTIFICATIONS, perPage=20, sort="-created", expand="actor")
                scope = f"{schema.NOTIFICATIONS}/recipient/{caller}"
                return [Read(kind, caller, own, Listing(scope, is_newest_first=True))]
            case Kind.FILE:
                return [self._file(caller, subject)]
            case Kind.SEARCH:
                word = f'content~"{rows.topic(subject)}"'
                found = _list_target(schema.POSTS, perPage=10, sort="-created", expand="author", filter=word)
                return [
                    Read(
                        kind, caller, found, Listing(f"{schema.POSTS}/topic/{subject}", is_newest_first=True)
                    )
                ]
            case _:
                return [Read(kind, caller, "/api/hapta/health/live")] if self._has_edge else []

    def _newest(
        self, kind: Kind, caller: str, collection: str, field: str, value: str, per_page: int = 20
    ) -> Read:
        operator = "?=" if "." in field else "="
        target = _list_target(
            collection,
            perPage=per_page,
            sort="-created",
            expand="author",
            filter=f'{field}{operator}"{value}"',
        )
        return Read(kind, caller, target, Listing(f"{collection}/{field}/{value}", is_newest_first=True))

    def _file(self, caller: str, post: int) -> Read:
        path = f"/api/files/{schema.POSTS}/{rows.post_id(post)}/"
        if post >= self._initial_posts and self._has_file[post]:
            return Read(Kind.FILE, caller, path, file_of=rows.post_id(post))
        # A draw may end at a post without a file: then the request is for a file that is not there.
        name = rows.photo_name(post) if self._has_file[post] else "none.png"
        return Read(Kind.FILE, caller, f"{path}{name}?thumb={schema.THUMB}")

    def _writes(self, draw: Draw, actor: int) -> list[Write]:
        kind, me = draw.kind, rows.user_id(actor)
        match kind:
            case Kind.LIKE | Kind.UNLIKE:
                author = self._authors[draw.subject]
                is_private = rows.is_private(draw.subject, self._with_private_posts)
                row = (schema.POSTS, rows.post_id(draw.subject))
                likes = "likes+" if kind is Kind.LIKE else "likes-"
                return [
                    self._write(
                        kind, me, "PATCH", row, {likes: me}, is_refused=is_private and author != actor
                    )
                ]
            case Kind.COMMENT:
                return self._comment(me, draw.subject)
            case Kind.POST | Kind.UPLOAD:
                self._authors.append(actor)
                self._has_file.append(kind is Kind.UPLOAD)
                return [self._post(draw, me)]
            case Kind.FOLLOW:
                return self._follow(actor, draw.subject)
            case Kind.EDIT:
                bio = {"bio": f"Edited by request {draw.index}."}
                return [self._write(kind, me, "PATCH", (schema.USERS, me), bio)]
            case _:
                unseen = self._unseen[actor]
                notice = unseen.popleft() if len(unseen) > 1 else unseen[0]
                return [self._write(kind, me, "PATCH", (schema.NOTIFICATIONS, notice), {"seen": True})]

    def _post(self, draw: Draw, me: str) -> Write:
        post = draw.subject
        tags = [rows.tag_id(tag) for tag in sorted(draw.tags)]
        is_private = rows.is_private(post, self._with_private_posts)
        fields = {
            "author": me,
            "content": rows.content(post, self._queries),
            "hashtags": tags,
            "visibility": rows.visibility(post, self._with_private_posts),
        }
        scopes = (
            schema.POSTS,
            f"{schema.POSTS}/author/{me}",
            f"{schema.POSTS}/topic/{post % self._queries}",
            *(f"{schema.POSTS}/hashtags.id/{tag}" for tag in tags),
        )
        return self._write(
            draw.kind,
            me,
            "POST",
            (schema.POSTS, rows.post_id(post)),
            fields,
            picture=photo(post) if draw.kind is Kind.UPLOAD else None,
            scopes=scopes,
            only_for=me if is_private else None,
        )

    def _comment(self, me: str, post: int) -> list[Write]:
        on = rows.post_id(post)
        row = (schema.COMMENTS, rows.row_id("comment", self._new_comments))
        self._new_comments += 1
        fields = {"post": on, "author": me, "content": f"Comment {self._new_comments}."}
        scopes = (f"{schema.COMMENTS}/post/{on}",)
        comment = self._write(Kind.COMMENT, me, "POST", row, fields, scopes=scopes, needs=on)
        return [comment, self._notification(self._authors[post], "comment", me, on)]

    def _follow(self, actor: int, target: int) -> list[Write]:
        """Follow, or stop following whom the actor follows already: a pair exists once."""
        me, whom = rows.user_id(actor), rows.user_id(target)
        scopes = (f"{schema.FOLLOWS}/target/{whom}",)
        followed = self._follow_ids.pop((actor, target), None)
        if followed is not None:
            self._ended_follows[actor, target] = followed
            return [self._write(Kind.FOLLOW, me, "DELETE", (schema.FOLLOWS, followed), {}, scopes=scopes)]
        self._follow_ids[actor, target] = follow = rows.row_id("follow", self._new_follows)
        self._new_follows += 1
        row = (schema.FOLLOWS, follow)
        fields = {"follower": me, "target": whom}
        ended = self._ended_follows.get((actor, target))
        created = self._write(Kind.FOLLOW, me, "POST", row, fields, scopes=scopes, needs=ended)
        return [created, self._notification(target, "follow", me, "")]

    def _notification(self, recipient: int, kind: str, actor: str, post: str) -> Write:
        whom = rows.user_id(recipient)
        notice = rows.row_id("notice", self._new_notifications)
        self._new_notifications += 1
        self._unseen[recipient].append(notice)
        fields = {"recipient": whom, "kind": kind, "actor": actor, "post": post, "seen": False}
        scopes = (f"{schema.NOTIFICATIONS}/recipient/{whom}",)
        row = (schema.NOTIFICATIONS, notice)
        return self._write(NOTIFICATION, SUPERUSER, "POST", row, fields, scopes=scopes, only_for=whom)

    def _write(
        self,
        label: str,
        caller: str,
        method: str,
        row: tuple[str, str],
        fields: Mapping[str, object],
        *,
        picture: bytes | None = None,
        scopes: tuple[str, ...] = (),
        only_for: str | None = None,
        needs: str | None = None,
        is_refused: bool = False,
    ) -> Write:
        self._revision += 1
        body = dict(fields)
        if method != "DELETE":
            body["revision"] = self._revision
        if method == "POST":
            body["id"] = row[1]
        return Write(
            label, caller, method, row, body, picture, self._revision, scopes, only_for, needs, is_refused
        )


def _records(collection: str) -> str:
    return f"/api/collections/{collection}/records"


def _list_target(collection: str, **parameters: object) -> str:
    return f"{_records(collection)}?{urlencode(parameters, quote_via=quote)}"
