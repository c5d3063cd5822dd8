"""Writes, each step compared: what they answer and what they leave behind."""

from tests.parity.bodies import multipart
from tests.parity.case import Case, case, js, request
from tests.parity.paths import POSTS

_USER = "Authorization: $user$"
_ADMIN = "Authorization: $admin$"
_A = "write0000000001"


def _batch(*requests: dict[str, object], headers: tuple[str, ...] = ()) -> bytes:
    return js("POST", "/api/batch", {"requests": list(requests)}, *headers)


def _create(row: str, **fields: object) -> dict[str, object]:
    return {"method": "POST", "url": POSTS, "body": {"id": row, **fields}}


WRITES: list[Case] = [
    case(
        "the life of a record",
        js(
            "POST",
            POSTS + "?expand=author",
            {"id": _A, "title": "One", "author": "user00000000001", "views": 1},
        ),
        request("GET", f"{POSTS}/{_A}"),
        js("PATCH", f"{POSTS}/{_A}", {"views+": 2, "tags+": "red", "title": "Two"}),
        js("PATCH", f"{POSTS}/{_A}?fields=views,tags", {"views-": 1, "+tags": ["blue"]}),
        request("HEAD", f"{POSTS}/{_A}"),
        request("DELETE", f"{POSTS}/{_A}"),
        request("DELETE", f"{POSTS}/{_A}"),
        request("GET", f"{POSTS}/{_A}"),
        ordered=False,
    ),
    case("a create with an id that is taken", js("POST", POSTS, {"id": "post00000000001", "title": "x"})),
    case("a create with an id that is none", js("POST", POSTS, {"id": "short", "title": "x"})),
    case(
        "a create with everything wrong",
        js(
            "POST",
            POSTS,
            {
                "title": "",
                "views": 1.5,
                "status": "no",
                "site": "no",
                "contact": "no",
                "author": "no",
                "slug": "NO",
            },
        ),
    ),
    case("an update of nothing", js("PATCH", POSTS + "/post00000000002", {})),
    case("an update without a body", request("PATCH", POSTS + "/post00000000002")),
    case("an update of a record that is not there", js("PATCH", POSTS + "/nothing00000000", {"title": "x"})),
    case("a delete with a slash at its end", request("DELETE", POSTS + "/post00000000002/")),
    case("a create a rule forbids", js("POST", "/api/collections/closed/records", {"name": "x"})),
    case("a create a rule forbids a guest", js("POST", "/api/collections/comments/records", {"text": "x"})),
    case(
        "a create in another's name",
        js(
            "POST",
            "/api/collections/comments/records",
            {"text": "x", "post": "post00000000001", "author": "user00000000002"},
            _USER,
        ),
    ),
    case(
        "an update of another's record",
        js("PATCH", "/api/collections/diaries/records/diary0000000001", {"entry": "x"}, _USER),
    ),
    case("a write to a view", js("POST", "/api/collections/post_stats/records", {"title": "x"}, _ADMIN)),
    case(
        "a superuser writes what is closed",
        js("POST", "/api/collections/closed/records", {"id": "write0000000002", "name": "x"}, _ADMIN),
        request("DELETE", "/api/collections/closed/records/write0000000002", _ADMIN),
    ),
    case(
        "a new account",
        js(
            "POST",
            "/api/collections/users/records",
            {
                "id": "write0000000003",
                "email": "new@example.com",
                "password": "long-enough-1",
                "passwordConfirm": "long-enough-1",
            },
        ),
        js(
            "POST",
            "/api/collections/users/auth-with-password",
            {"identity": "new@example.com", "password": "long-enough-1"},
        ),
    ),
    case(
        "a new account with a short password",
        js(
            "POST",
            "/api/collections/users/records",
            {"email": "other@example.com", "password": "x", "passwordConfirm": "y"},
        ),
    ),
    case(
        "a batch",
        _batch(
            _create("batch0000000001", title="B1"),
            {"method": "PUT", "url": POSTS, "body": {"id": "batch0000000002", "title": "B2"}},
            {"method": "PATCH", "url": f"{POSTS}/batch0000000001?fields=title", "body": {"title": "B3"}},
            {"method": "DELETE", "url": f"{POSTS}/batch0000000002"},
        ),
        ordered=False,
    ),
    case(
        "a batch that fails in its middle",
        _batch(_create("batch0000000003", title="x"), _create("batch0000000004", title="")),
        request("GET", POSTS + "/batch0000000003"),
    ),
    case(
        "a batch that reaches where it may not",
        _batch({"method": "DELETE", "url": POSTS.replace("posts", "closed") + "/closed000000001"}),
    ),
    case("a batch of nothing", _batch()),
    case("a batch of too much", _batch(*(_create(f"batch{n:010}", title="x") for n in range(101)))),
    case("a batch of what it cannot do", _batch({"method": "GET", "url": POSTS})),
    case(
        "a batch with a login", _batch({"method": "POST", "url": "/api/collections/users/auth-with-password"})
    ),
    case("a batch without a body", request("POST", "/api/batch")),
    case(
        "a batch that is no object",
        request("POST", "/api/batch", "Content-Type: application/json", body="[1]"),
    ),
    case(
        "a batch with the identity outside",
        _batch(
            {
                "method": "POST",
                "url": "/api/collections/comments/records",
                "body": {
                    "id": "batch0000000005",
                    "text": "x",
                    "post": "post00000000001",
                    "author": "user00000000001",
                },
            },
            headers=(_USER,),
        ),
    ),
    case(
        "a batch with the identity inside",
        _batch(
            {
                "method": "POST",
                "url": "/api/collections/comments/records",
                "headers": {"Authorization": "$user$"},
                "body": {"text": "x", "post": "post00000000001", "author": "user00000000001"},
            }
        ),
    ),
    case("a batch by GET", request("GET", "/api/batch")),
]

ADMIN: list[Case] = [
    case(
        "a collection's life",
        js(
            "POST",
            "/api/collections",
            {
                "id": "pbc_parity00001",
                "name": "parity",
                "type": "base",
                "fields": [{"id": "text0000000001", "name": "a", "type": "text"}],
            },
            _ADMIN,
        ),
        js("PATCH", "/api/collections/parity", {"listRule": ""}, _ADMIN),
        request("GET", "/api/collections/parity/records"),
        request("DELETE", "/api/collections/parity/truncate", _ADMIN),
        request("DELETE", "/api/collections/parity", _ADMIN),
        request("GET", "/api/collections/parity/records"),
        ordered=False,
    ),
    case("a collection that is none", js("POST", "/api/collections", {"name": "a b"}, _ADMIN)),
    case("a collection by a user", js("POST", "/api/collections", {"name": "x"}, _USER)),
    case("an import that is none", js("PUT", "/api/collections/import", {"collections": []}, _ADMIN)),
    case("settings that are none", js("PATCH", "/api/settings", {"meta": {"appName": ""}}, _ADMIN)),
    case("settings by a guest", js("PATCH", "/api/settings", {})),
    case("SQL", js("POST", "/api/sql", {"query": "select 1 as one"}, _ADMIN)),
    case("SQL by a user", js("POST", "/api/sql", {"query": "select 1"}, _USER)),
    case("a cron job that is none", request("POST", "/api/crons/nothing", _ADMIN)),
    case("a backup's name that is none", js("POST", "/api/backups", {"name": "../x"}, _ADMIN)),
    case(
        "a backup uploaded that is none",
        request(
            "POST",
            "/api/backups/upload",
            _ADMIN,
            "Content-Type: multipart/form-data; boundary=XX",
            body=multipart(('name="file"; filename="saved.zip"', "", "x")),
        ),
    ),
    case(
        "a backup's life",
        js("POST", "/api/backups", {"name": "parity.zip"}, _ADMIN),
        request("HEAD", "/api/backups/nothing.zip?token=$file_admin$"),
        request("DELETE", "/api/backups/parity.zip", _ADMIN),
        request("DELETE", "/api/backups/parity.zip", _ADMIN),
    ),
    case("a restore of nothing", request("POST", "/api/backups/nothing.zip/restore", _ADMIN)),
    case("a test mail that is none", js("POST", "/api/settings/test/email", {}, _ADMIN)),
    case(
        "scaffolds", request("GET", "/api/collections/meta/scaffolds?fields=base.type", _ADMIN), ordered=False
    ),
    case(
        "a dry run of a view",
        js(
            "POST",
            "/api/collections/meta/dry-run-view?fields=sample.title",
            {"query": "select id, title from posts limit 1"},
            _ADMIN,
        ),
    ),
]

REALTIME: list[Case] = [
    case("a subscription without a client", js("POST", "/api/realtime", {"subscriptions": ["posts/*"]})),
    case(
        "a subscription of an unknown client",
        js("POST", "/api/realtime", {"clientId": "x" * 40, "subscriptions": []}),
    ),
    case("a subscription without a body", request("POST", "/api/realtime")),
    case(
        "a subscription that is none",
        request("POST", "/api/realtime", "Content-Type: application/json", body='{"clientId":1}'),
    ),
    case(
        "too many subscriptions",
        js("POST", "/api/realtime", {"clientId": "x", "subscriptions": [f"posts/{n}" for n in range(1001)]}),
    ),
    case("PUT to realtime", request("PUT", "/api/realtime")),
    case("realtime with a slash", request("GET", "/api/realtime/")),
]
