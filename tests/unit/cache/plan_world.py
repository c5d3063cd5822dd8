"""A small schema to plan on, and reads of it in one line."""

from collections.abc import Mapping
from typing import Any

from hapta.cache.plan import Audience, Bypass, HooksMode, Part, Plan, Reason, ViewReads
from hapta.cache.planner import Planner
from hapta.model.operation import classify
from hapta.model.schema import Collection, Schema
from hapta.model.target import parse_target

USERS, CLIENTS, TEAMS, POSTS, COMMENTS, NOTES, STATS = (
    "pbc_users", "pbc_clients", "pbc_teams", "pbc_posts", "pbc_comments", "pbc_notes", "pbc_stats",
)  # fmt: skip
SUPERUSERS, ORIGINS = "pbc_3142635823", "pbc_origins"


def field(name: str, kind: str = "text", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "hidden": False, **more}


def relation(name: str, to: str, many: int = 1, **more: Any) -> dict[str, Any]:
    return field(name, "relation", collectionId=to, maxSelect=many, **more)


AUTH = (
    field("id"), field("password", "password", hidden=True), field("tokenKey", hidden=True),
    field("email", "email"), field("emailVisibility", "bool"), field("verified", "bool"),
)  # fmt: skip

FIELDS: Mapping[str, tuple[dict[str, Any], ...]] = {
    USERS: (
        *AUTH, field("name"), field("role", "select", maxSelect=1), field("tags", "select", maxSelect=3),
        field("plan", hidden=True), field("age", "number"), field("meta", "json"), field("born", "date"),
        relation("team", TEAMS), relation("teams", TEAMS, 9), field("bio", "editor"),
    ),
    CLIENTS: AUTH,
    TEAMS: (field("id"), field("name"), relation("lead", USERS), relation("members", USERS, 99)),
    POSTS: (
        field("id"), field("title"), field("secret", hidden=True), relation("author", USERS),
        relation("team", TEAMS), relation("readers", USERS, 99), relation("hush", TEAMS, hidden=True),
        relation("client", CLIENTS), relation("note", NOTES), relation("origin", ORIGINS),
        relation("stat", STATS), relation("lost", "pbc_gone"), field("meta", "json"), field("at", "geoPoint"),
        field("created", "autodate"), field("due", "date"), field("text", "text"), field("n", "number"),
        field("tags", "select", maxSelect=3),
    ),
    COMMENTS: (
        field("id"), relation("post", POSTS), relation("by", USERS), relation("spy", POSTS, hidden=True),
    ),
    NOTES: (field("id"), field("body"), relation("post", POSTS), relation("team", TEAMS)),
    STATS: (field("id"), field("total", "number"), field("day", "date"), relation("post", POSTS)),
    SUPERUSERS: AUTH,
    ORIGINS: (field("id"), relation("post", POSTS)),
}  # fmt: skip
NAMES = {
    USERS: "users", CLIENTS: "clients", TEAMS: "teams", POSTS: "posts", COMMENTS: "comments", NOTES: "notes",
    STATS: "stats", SUPERUSERS: "_superusers", ORIGINS: "_origins",
}  # fmt: skip
TYPES = {USERS: "auth", CLIENTS: "auth", SUPERUSERS: "auth", STATS: "view"}
OPEN = {"listRule": "", "viewRule": "", "createRule": None, "updateRule": None, "deleteRule": None}
CLOSED = dict.fromkeys(OPEN)
VIEWS = {STATS: ViewReads(frozenset({POSTS, COMMENTS}))}


def schema(**rules: Mapping[str, str | None]) -> Schema:
    """The schema; ``posts={"listRule": …}`` changes rules."""
    return Schema.of(
        1,
        [
            Collection.parse(
                {
                    "id": key, "name": name, "type": TYPES.get(key, "base"), "system": name.startswith("_"),
                    "fields": list(FIELDS[key]), "updated": "1",
                    **(CLOSED if name in ("notes", "_superusers") else OPEN),
                    **({"manageRule": None, "authRule": ""} if TYPES.get(key) == "auth" else {}),
                    **rules.get(name, {}),
                }
            )
            for key, name in NAMES.items()
        ],
    )  # fmt: skip


def planner(
    views: Mapping[str, ViewReads] = VIEWS,
    hooks: Mapping[str, HooksMode] = {},
    off: tuple[str, ...] = (),
    **rules: Mapping[str, str | None],
) -> Planner:
    """A planner; hooks and switched off collections by name."""
    return plan_with(schema(**rules), views, hooks, off)


def plan_with(
    by: Schema,
    views: Mapping[str, ViewReads] = VIEWS,
    hooks: Mapping[str, HooksMode] = {},
    off: tuple[str, ...] = (),
) -> Planner:
    """A planner on another schema."""
    return Planner(by, views, lambda c: hooks.get(c.name, HooksMode.NONE), lambda c: c.name not in off)


def look(by: Planner, path: str, audience: Audience = None) -> Plan | Bypass:
    """Plan a path below ``/api/collections/``, or a whole one."""
    target = parse_target(path if path.startswith("/") else f"/api/collections/{path}", "here")
    return by.plan(target, classify("GET", target.segments), audience)


def plan(by: Planner, path: str, audience: Audience = None) -> Plan:
    """The plan there must be."""
    found = look(by, path, audience)
    assert isinstance(found, Plan), found
    return found


def reason(by: Planner, path: str, audience: Audience = None) -> Reason:
    """Why there must be none."""
    found = look(by, path, audience)
    assert isinstance(found, Bypass), found
    return found.reason


def parts(found: Plan) -> set[str]:
    """Parts in short: ``guest``, ``auth-field role``."""
    return {_short(part) for part in found.parts}


def _short(part: Part) -> str:
    return f"{part.kind.value} {part.name}".strip()


def any_of(found: Plan) -> set[str]:
    """Names of the collections any change of which counts."""
    return {NAMES[tag[1]] for tag in found.tags if tag[0] == "any"}
