"""What each kind of write may change."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from hapta.cache.plan import ViewReads
from hapta.cache.tags import EVERYTHING, Tag
from hapta.cache.writes import WriteTags
from hapta.model.operation import classify
from tests.unit.cache.schemas import collection, schema_of

SCHEMA = schema_of(
    collection("posts", relations={"author": "users"}),
    collection("comments", relations={"post": "posts", "author": "users"}, cascades=["post"]),
    collection("likes", relations={"comment": "comments"}, cascades=["comment"]),
    collection("reports", relations={"like": "likes"}),
    collection("echoes", relations={"report": "reports"}, cascades=["report"]),
    collection("tree", relations={"parent": "tree"}),
    collection("ring_a", relations={"b": "ring_b"}, cascades=["b"]),
    collection("ring_b", relations={"a": "ring_a"}, cascades=["a"]),
    collection("islands"),
    collection("users", type="auth"),
    *(collection(name, system=True) for name in ("_externalAuths", "_mfas", "_otps", "_authOrigins")),
    collection("post_stats", sql="SELECT 1", relations={"author": "users"}),
)
VIEWS = {"post_stats_id": ViewReads(frozenset({"posts_id", "likes_id"}))}
TAGS = WriteTags(SCHEMA, VIEWS)
NOTES = {
    (kind, f"{name}_id")
    for name in ("_externalAuths", "_mfas", "_otps", "_authOrigins")
    for kind in ("any", "all", "births")
}
STATS = {("any", "post_stats_id"), ("all", "post_stats_id"), ("births", "post_stats_id")}
ALL = {EVERYTHING}


def written(method: str, path: str, tags: WriteTags = TAGS, **more: Any) -> set[Tag]:
    operation = classify(method, tuple(path[1:].split("/")))
    return precise(tags.of(operation, method, **more).announced)


def precise(tags: Iterable[Tag]) -> set[Tag]:
    """Without what stands beside every ``any`` tag but those of views: lists restricted to one value."""
    found = set(tags)
    wheres = {tag for tag in found if tag[0] == "anywhere"}
    assert {tag[1] for tag in wheres} == {tag[1] for tag in found if tag[0] == "any"} - {"post_stats_id"}
    return found - wheres


def rows(*names: str) -> set[Tag]:
    return {(kind, f"{name}_id") for name in names for kind in ("any", "all")}


R = "/api/collections/{}/records"


@pytest.mark.parametrize(
    ("method", "path", "tags"),
    [
        pytest.param(
            "PATCH",
            R.format("islands") + "/r1",
            {("any", "islands_id"), ("record", "islands_id", "r1")},
            id="an update: its row and whatever lists the collection",
        ),
        pytest.param(
            "POST", R.format("islands"), {("any", "islands_id"), ("births", "islands_id")}, id="a create"
        ),
        pytest.param(
            "DELETE",
            R.format("islands") + "/r1",
            {("any", "islands_id"), ("record", "islands_id", "r1")},
            id="a delete nothing refers to",
        ),
        pytest.param(
            "PATCH",
            R.format("posts") + "/r1",
            {("any", "posts_id"), ("record", "posts_id", "r1"), *STATS},
            id="the views that read it",
        ),
        pytest.param(
            "PATCH",
            R.format("POSTS_id").replace("POSTS_id", "posts_id") + "/r1",
            {("any", "posts_id"), ("record", "posts_id", "r1"), *STATS},
            id="by id",
        ),
        pytest.param(
            "PATCH",
            R.format("PoStS") + "/r1",
            {("any", "posts_id"), ("record", "posts_id", "r1"), *STATS},
            id="by name in another letter case",
        ),
        pytest.param(
            "DELETE",
            R.format("posts") + "/r1",
            {
                ("any", "posts_id"),
                ("record", "posts_id", "r1"),
                *rows("comments", "likes", "reports"),
                *STATS,
            },
            id="cascades over any number of hops, ending with values that are unset",
        ),
        pytest.param(
            "DELETE",
            R.format("likes") + "/r1",
            {("any", "likes_id"), ("record", "likes_id", "r1"), *rows("reports"), *STATS},
            id="rows that only lose a value take no others with them",
        ),
        pytest.param(
            "DELETE",
            R.format("tree") + "/r1",
            {("record", "tree_id", "r1"), *rows("tree")},
            id="a relation to its own collection",
        ),
        pytest.param(
            "DELETE",
            R.format("ring_a") + "/r1",
            {("record", "ring_a_id", "r1"), *rows("ring_a", "ring_b")},
            id="cascades in a ring",
        ),
        pytest.param(
            "DELETE",
            R.format("users") + "/r1",
            {
                ("any", "users_id"),
                ("record", "users_id", "r1"),
                *rows("posts", "comments"),
                *STATS,
                *NOTES,
            },
            id="an auth record: posts and comments are unset, what belongs to the identity goes",
        ),
        pytest.param(
            "PATCH",
            R.format("users") + "/r1",
            {("any", "users_id"), ("record", "users_id", "r1"), *NOTES},
            id="an auth record changed: its OTPs may go",
        ),
        pytest.param("PATCH", R.format("unheard") + "/r1", ALL, id="a collection nobody has heard of"),
        pytest.param("POST", "/api/collections/unheard/auth-with-password", ALL, id="signing in there"),
        pytest.param("POST", "/api/collections/users/auth-with-password", NOTES, id="a login changes no row"),
        pytest.param("POST", "/api/collections/users/request-otp", NOTES, id="a code asked for"),
        pytest.param("POST", "/api/collections/users/auth-refresh", set(), id="a refresh"),
        pytest.param("POST", "/api/collections/users/impersonate/r1", set(), id="impersonation"),
        pytest.param("GET", "/api/collections/users/auth-methods", set(), id="auth methods"),
        pytest.param("POST", "/api/files/token", set(), id="a file token"),
        *(
            pytest.param(
                "POST",
                f"/api/collections/users/{action}",
                {*rows("users"), ("births", "users_id"), *NOTES},
                id=f"{action}: any record may be meant",
            )
            for action in (
                "auth-with-oauth2",
                "auth-with-otp",
                "confirm-verification",
                "confirm-password-reset",
                "confirm-email-change",
            )
        ),
        pytest.param("PATCH", "/api/collections/posts", ALL, id="schema"),
        pytest.param("DELETE", "/api/collections/posts/truncate", ALL, id="truncate"),
        pytest.param("PUT", "/api/collections/import", ALL, id="import"),
        pytest.param("POST", "/api/sql", ALL, id="SQL"),
        pytest.param("POST", "/api/crons/job", ALL, id="a job"),
        pytest.param("POST", "/api/backups/a.zip/restore", ALL, id="restore"),
        pytest.param("PATCH", "/api/settings", ALL, id="settings"),
        pytest.param("GET", "/api/settings", set(), id="reading settings"),
        pytest.param("GET", R.format("posts"), set(), id="reading"),
        pytest.param("POST", "/api/custom/thing", ALL, id="a route of one's own"),
        pytest.param("PUT", R.format("posts") + "/r1", ALL, id="a method PocketBase has no route for"),
        pytest.param("GET", "/api/custom/thing", set(), id="reading a route of one's own"),
        pytest.param("POST", "/api/realtime", set(), id="a subscription"),
        pytest.param("POST", "/api/batch", ALL, id="a batch that was not read"),
    ],
)
def test_a_write_announces(method: str, path: str, tags: set[Tag]) -> None:
    assert written(method, path) == tags


def test_the_id_a_create_asks_for_is_announced() -> None:
    assert ("record", "islands_id", "r1") in written("POST", R.format("islands"), body_id="r1")


def test_a_name_that_is_not_in_the_schema_is_told_apart() -> None:
    known, unknown = (
        classify("POST", ("api", "sql")),
        classify("POST", ("api", "collections", "x", "records")),
    )
    assert not TAGS.of(known, "POST").is_unknown
    assert TAGS.of(unknown, "POST").is_unknown
    assert TAGS.of_batch([{"method": "POST", "url": "/api/collections/x/records"}]).is_unknown


@pytest.mark.parametrize(
    "views",
    [{}, {"post_stats_id": ViewReads(frozenset(), "it calls random()")}],
    ids=["not known", "in trouble"],
)
def test_a_view_that_is_not_understood_suffers_from_every_write(views: Mapping[str, ViewReads]) -> None:
    tags = WriteTags(SCHEMA, views)
    assert written("PATCH", R.format("islands") + "/r1", tags) >= STATS
    assert tags.changed("islands_id", "r1", "delete") >= STATS


@pytest.mark.parametrize(
    ("names", "tags"),
    [
        pytest.param(["*"], ALL, id="any"),
        pytest.param([], set(), id="none"),
        pytest.param(["Islands"], {*rows("islands"), ("births", "islands_id")}, id="one"),
        pytest.param(
            ["ring_a_id"],
            {*rows("ring_a", "ring_b"), ("births", "ring_a_id")},
            id="with what a delete takes along",
        ),
        pytest.param(["islands", "to_come"], ALL, id="one that is not there"),
    ],
)
def test_routes_of_ones_own_write_what_the_operator_says(names: list[str], tags: set[Tag]) -> None:
    assert written("POST", "/api/custom", WriteTags(SCHEMA, VIEWS, custom_routes_write=names)) == tags


P = {("any", "islands_id")}
BORN = P | {("births", "islands_id")}
R1 = {("record", "islands_id", "r1")}


@pytest.mark.parametrize(
    ("request_", "tags"),
    [
        pytest.param({"method": "POST", "url": R.format("islands")}, BORN, id="create"),
        pytest.param(
            {"method": "post", "url": R.format("islands") + "?expand=a/b"}, BORN, id="small letters, query"
        ),
        pytest.param({"method": "PATCH", "url": R.format("islands") + "/r1?fields=id"}, P | R1, id="update"),
        pytest.param({"method": "DELETE", "url": R.format("islands") + "/r1"}, P | R1, id="delete"),
        pytest.param(
            {"method": "PUT", "url": R.format("islands"), "body": {"id": "r1"}},
            BORN | R1,
            id="upsert: either way",
        ),
        pytest.param(
            {"method": "PUT", "url": R.format("islands"), "body": {"id": ""}}, BORN, id="upsert without id"
        ),
        pytest.param(
            {"method": "PUT", "url": R.format("islands"), "body": {"id": 12}},
            BORN | rows("islands"),
            id="upsert by a number, of which PocketBase makes a text",
        ),
        pytest.param(
            {"method": "PATCH", "url": R.format("islands") + "/r%31"},
            P | {("record", "islands_id", "r%31")},
            id="escapes are not decoded in a batch",
        ),
        pytest.param({"method": "PATCH", "url": R.format("isl%61nds") + "/r1"}, ALL, id="nor in a name"),
        pytest.param({"method": "PATCH", "url": R.format("unheard") + "/r1"}, ALL, id="unknown collection"),
        pytest.param(
            {"method": "PUT", "url": R.format("islands") + "/r1"}, ALL, id="upsert with an id in the URL"
        ),
        pytest.param({"method": "POST", "url": "/api/custom"}, ALL, id="another route"),
        pytest.param({"method": 1, "url": []}, ALL, id="no request at all"),
        pytest.param({}, ALL, id="empty"),
    ],
)
def test_a_request_in_a_batch_announces(request_: dict[str, object], tags: set[Tag]) -> None:
    assert precise(TAGS.of_batch([request_]).announced) == tags


def test_a_batch_announces_what_each_of_its_requests_does() -> None:
    requests = [
        {"method": "POST", "url": R.format("islands")},
        {"method": "PATCH", "url": R.format("tree") + "/t1"},
    ]
    assert precise(TAGS.of_batch(requests).announced) == BORN | {
        ("any", "tree_id"),
        ("record", "tree_id", "t1"),
    }


@pytest.mark.parametrize(
    ("action", "tags"),
    [
        pytest.param("create", {("births", "posts_id")}, id="create"),
        pytest.param("update", set(), id="update"),
        pytest.param("delete", set(), id="delete: cascades have events of their own"),
    ],
)
def test_an_event_tells_of_its_row_and_the_views(action: str, tags: set[Tag]) -> None:
    found = precise(TAGS.changed("posts_id", "r1", action))
    assert found == {("any", "posts_id"), ("record", "posts_id", "r1"), *STATS, *tags}


def test_an_event_of_a_collection_that_is_not_in_the_schema_concerns_everything() -> None:
    assert TAGS.changed("new_id", "r1", "create") == ALL
