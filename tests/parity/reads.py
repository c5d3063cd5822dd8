"""Every read route, for a guest, a user, and a superuser."""

from tests.parity.case import Case, case, get, request
from tests.parity.paths import POST, POSTS

_CALLERS = {
    "a guest": (),
    "a user": ("Authorization: $user$",),
    "a superuser": ("Authorization: Bearer $admin$",),
}
_ROUTES = (
    POSTS + "?perPage=3",
    POST,
    "/api/collections/posts/records/post99999999999",
    "/api/collections/users/records",
    "/api/collections/users/records/user00000000002",
    "/api/collections/staff/records",
    "/api/collections/guarded/records",
    "/api/collections/diaries/records?perPage=200",
    "/api/collections/diaries/records/diary0000000001",
    "/api/collections/closed/records",
    "/api/collections/closed/records/closed000000001",
    "/api/collections/comments/records?expand=post,author&perPage=5",
    "/api/collections/post_stats/records",
    "/api/collections/hooked/records",
    "/api/collections/documents/records",
    "/api/collections/_superusers/records?fields=email",
    "/api/collections/users/auth-methods",
    "/api/collections/members/auth-methods",
    "/api/collections/posts/auth-methods",
    "/api/settings",
    "/api/collections?perPage=2",
    "/api/collections/posts",
    "/api/collections/meta/oauth2-providers",
    "/api/logs?skipTotal=1&filter=data.status=999",
    "/api/logs/stats?filter=data.status=999",
    "/api/logs/nothing",
    "/api/crons",
    "/api/backups",
    "/api/backups/nothing.zip",
    "/api/custom/hello/you",
)

READS: list[Case] = [
    *(
        get(f"{caller} reads {route}", route, *headers)
        for route in _ROUTES
        for caller, headers in _CALLERS.items()
    ),
    get("a guest reads health", "/api/health"),
    get("a user reads health", "/api/health", "Authorization: $user$"),
    case(
        "a superuser reads health",
        request("GET", "/api/health", "Authorization: $admin$"),
        differs="health-proxy-header",
        status=200,
    ),
    get("fields", POSTS + "?fields=id,title,expand.author.name&expand=author&perPage=3"),
    get("an excerpt", POSTS + "?fields=id,body:excerpt(20,true)&perPage=3"),
    get("a filter", POSTS + "?filter=(views%3E50%26%26status='draft')"),
    get("a filter through a relation", POSTS + "?filter=author.name='Ada'&perPage=3"),
    get("a filter that is none", POSTS + "?filter=((("),
    get("a filter for superusers only", POSTS + "?filter=@request.auth.id!=''"),
    get("a filter on a hidden field", POSTS + "?filter=internal!=''"),
    get(
        "a superuser's filter on a hidden field",
        POSTS + "?filter=internal!=''&perPage=2",
        "Authorization: $admin$",
    ),
    get("a sort", POSTS + "?sort=-views,title&perPage=4"),
    get("a sort that is none", POSTS + "?sort=nothing"),
    get("skipTotal", POSTS + "?skipTotal=1&perPage=2"),
    get("a page beyond the last", POSTS + "?page=999"),
    get("a page below one", POSTS + "?page=-1&perPage=-1"),
    get("a page that is no number", POSTS + "?page=x&perPage=1e3"),
    get("perPage above the maximum", POSTS + "?perPage=100000&fields=id"),
    get("a back relation", POSTS + "?expand=comments_via_post&perPage=2"),
    get("a nested expand", "/api/collections/comments/records?expand=post.author,post.topics&perPage=2"),
    get("an expand that is none", POST + "?expand=nothing"),
    get("a picker that is none", POST + "?fields=nothing"),
]
